import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { UserError } from "../../errors.js";

export function addBuildCommand(program: Command): void {
  program
    .command("build")
    .description("compile the native engine on this machine")
    .addHelpText(
      "after",
      `
It is needed only where no package has an engine for this machine, or to have one
from this compiler. It needs CMake, a C++20 compiler, and cmake-js and
node-addon-api from npm; a missing one is named. From then on owl3 uses the engine
that was built here, in build/ of its own folder.`,
    )
    .action(build);
}

function build(): void {
  const script = fileURLToPath(new URL("../../../tools/build/native.mjs", import.meta.url));
  // The compiler's messages are not the answer: they go to stderr.
  const { status } = spawnSync(process.execPath, [script], { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new UserError(""); // the script has said why
}
