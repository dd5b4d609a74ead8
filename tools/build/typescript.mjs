// Compiles TypeScript where the compiler is installed; a published package ships dist/ and has no compiler (npm ci --omit=dev).
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";

let tsc;
try {
  tsc = createRequire(import.meta.url).resolve("typescript/lib/tsc.js");
} catch {
  process.exit(0);
}
process.exit(spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" }).status ?? 1);
