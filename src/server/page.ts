import { readFileSync } from "node:fs";
import type { Parts } from "./call.js";

const files = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
} as const;

/** The page uses nothing but its own files and this server; pictures and clips that were chosen are data: URLs. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src data:",
  "media-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Adds the page at / and its files. */
export function pageRoutes({ app }: Parts): void {
  for (const [path, [name, type]] of Object.entries(files)) {
    const body = readFileSync(new URL(`../../web/${name}`, import.meta.url), "utf8");
    app.get(path, (c) =>
      c.body(body, 200, {
        "content-type": type,
        "content-security-policy": policy,
        "cache-control": "no-cache",
        "referrer-policy": "no-referrer",
      }),
    );
  }
}
