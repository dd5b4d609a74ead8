// The engine of a clone, at `npm ci`: a prebuilt one if it was made from these sources, else it is compiled.
// A published package runs no scripts: its engine is a package of its own, or what `owl3 build` compiles.
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findPrebuilt } from "./sources.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = path.resolve(root, process.env.OWL3_PREBUILDS || "prebuilds");
// CI, which makes warnings errors, wants to see the compiler.
const prebuilt = process.env.OWL3_WERROR ? undefined : findPrebuilt(root, folder);

if (["pack", "publish"].includes(process.env.npm_command ?? "")) {
  // They prepare too, but what they pack holds no engine.
} else if (prebuilt) {
  const engine = path.join(root, "build/Release/owl3.node");
  mkdirSync(path.dirname(engine), { recursive: true });
  rmSync(engine, { force: true }); // a process that runs it keeps the old file
  copyFileSync(prebuilt, engine);
  console.error(`owl3: the engine is ${prebuilt}, which was built from these sources`);
} else if (existsSync(path.join(root, "node_modules/cmake-js"))) {
  await import("./native.mjs");
} else {
  console.error("owl3: the engine is not built, since development dependencies are left out");
}
