#!/usr/bin/env node
/**
 * Takes the picture of `owl3 serve`'s page (docs/pictures/serve.png): node tools/docs/serve.mjs. It starts a server with the demo model, asks about a picture
 * and then about it again. It takes dist/ and a chromium: Debian's, or the one that $CHROMIUM names.
 */
import { spawn } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { executablePath } from "./readme.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const args = [path.join(root, "bin/owl3.js"), "serve", "--port", "0", "-m", "demo"];
const server = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
  const url = await new Promise((resolve, reject) => {
    let log = "";
    server.stderr.setEncoding("utf8").on("data", (text) => {
      log += text;
      const [, address] = /answers at (\S+);/.exec(log) ?? [];
      if (address) resolve(address);
    });
    server.on("close", () => reject(new Error(log)));
  });
  const page = await browser.newPage({ viewport: { width: 900, height: 590 } });
  await page.goto(url);
  await page.setInputFiles("#files", path.join(root, "examples/shapes.png"));
  for (const [n, question] of ["What is in this picture?", "What color is the star?"].entries()) {
    await page.fill("#question", question);
    await page.press("#question", "Enter");
    await page.locator("article.assistant .times").nth(n).filter({ hasText: "crops" }).waitFor();
  }
  await page.screenshot({ path: path.join(root, "docs/pictures/serve.png") });
} finally {
  await browser.close();
  server.kill();
}
