// Compiles TypeScript, and makes the man pages of it, where the compiler is installed; a published package ships dist/ and has no compiler (npm ci --omit=dev).
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";

let tsc;
try {
  tsc = createRequire(import.meta.url).resolve("typescript/lib/tsc.js");
} catch {
  process.exit(0);
}
// An installation takes half as long without checking types, which `npm test` and `npm run lint` do; what is packed has
// them exactly.
const packing = ["pack", "publish"].includes(process.env.npm_command ?? "");
const args = [tsc, "-p", "tsconfig.build.json", ...(packing ? [] : ["--noCheck"])];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
await import("./man.mjs");
