#!/usr/bin/env node
/**
 * Shows the README as a page of GitHub's would: node tools/docs/readme.mjs [FILE.png] [--dark] writes its first screen (docs/pictures/readme.png), after the
 * terminal has played to its end. It takes a chromium: Debian's, or the one that $CHROMIUM names.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { marked } from "marked";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const screen = { width: 1100, height: 1024 };

const style = `
:root{color-scheme:light dark}
body{margin:0;background:light-dark(#fff,#0d1117);color:light-dark(#1f2328,#e6edf3);font:16px/1.5 system-ui,"DejaVu Sans",sans-serif}
main{max-width:830px;margin:0 auto;padding:32px}
h1,h2{border-bottom:1px solid light-dark(#d1d9e0,#3d444d);padding-bottom:.3em;margin:24px 0 16px;line-height:1.25}
h1{margin-top:0}
a{color:light-dark(#0969da,#4493f8)}
img{max-width:100%;vertical-align:middle}
code{font:85% ui-monospace,"DejaVu Sans Mono",monospace;background:light-dark(#818b981f,#656c7633);padding:.2em .4em;border-radius:6px}
pre{background:light-dark(#f6f8fa,#151b23);padding:16px;border-radius:6px;overflow:auto;line-height:1.45}
pre code{background:none;padding:0}
table{border-collapse:collapse;display:block;overflow:auto;margin:16px 0}
th,td{border:1px solid light-dark(#d1d9e0,#3d444d);padding:6px 13px}
td pre{margin:0}
li{margin-top:.25em}`;

/** The README as a page; its pictures and links are relative to the repository. */
export function page() {
  const body = marked.parse(readFileSync(path.join(root, "README.md"), "utf8"));
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>owl3</title><base href="${pathToFileURL(root)}"><style>${style}</style></head><body><main>${body}</main></body></html>`;
}

/** Opens the page in a browser. A page of a file may show pictures of files, one without an address may not. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: screen, ...options });
  const opened = await context.newPage();
  const address = pathToFileURL(path.join(root, "README.html")).href;
  await opened.route(address, (route) => route.fulfill({ contentType: "text/html", body: page() }));
  await opened.goto(address);
  return opened;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const dark = args.includes("--dark");
  const file = args.find((arg) => arg !== "--dark") ?? path.join(root, "docs/pictures/readme.png");
  const recording = readFileSync(path.join(root, "docs/pictures/terminal.cast"), "utf8").trimEnd().split("\n");
  const [seconds] = JSON.parse(recording.at(-1));
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  try {
    const opened = await open(browser, { colorScheme: dark ? "dark" : "light" });
    await opened.waitForTimeout((seconds + 1) * 1000);
    await opened.screenshot({ path: file });
  } finally {
    await browser.close();
  }
}
