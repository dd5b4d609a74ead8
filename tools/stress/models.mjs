#!/usr/bin/env node
/**
 * Changes keys, counts and tensors of model files and uses what comes of it: node tools/stress/models.mjs [--count N] [--seed N] [--minutes N] [--from N].
 * Build first (npm run build); Linux only.
 *
 * The first cases go through every key of three small models, each with every strange value in its turn, its kind kept or not, and
 * through the shape, type and place of every tensor; later ones make several changes at once. Each file is described, planned, opened, asked about a picture and quantised, in a
 * process of its own: each step must work or end with a sentence, and nothing may be left beside the output. The last line is "N passed, N failed".
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { Counts, caseOptions, demand, runCases } from "./cases.mjs";
import { GgufFile } from "./models/gguf.mjs";
import { fixtures, root, temporaryFolder } from "./places.mjs";

const options = caseOptions(1000);
const seconds = 60;
const base = temporaryFolder("models");

/** The process that uses a file, a line each, and the next one after it dies. */
class User {
  #child;
  #lines;
  start() {
    this.#child = spawn(process.execPath, [path.join(root, "tools/stress/models/use.mjs")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdin.on("error", () => {}); // told by its end
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }
  async use(file, output) {
    if (!this.#child) this.start();
    const child = this.#child;
    const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
    const timer = setTimeout(() => child.kill("SIGKILL"), seconds * 1000);
    child.stdin.write(`${JSON.stringify({ file, output })}\n`);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    child.removeAllListeners("exit");
    if (!done) return JSON.parse(value);
    this.#child = undefined;
    throw new Error(`the process ended with ${await ended}, or took longer than ${seconds} s`);
  }
  stop() {
    this.#child?.stdin.end();
  }
}

const models = ["few-kv-heads", "gated-head", "gated-channel"].map((name) =>
  path.join(fixtures, "random", name, "model"),
);
const { convertCheckpoint } = await import("../../dist/convert/convert.js");
const sound = [];
for (const [i, folder] of models.entries()) {
  const file = path.join(base, `sound-${i}.gguf`);
  await convertCheckpoint(folder, file, { type: i === 0 ? "q8_0" : "f16", threads: 1 });
  sound.push(new GgufFile(readFileSync(file)));
}

const one = sound.flatMap((file) => file.changes());
const user = new User();
const steps = new Counts();
console.log(`${one.length} single changes`);
await runCases(
  options,
  async (draw, number) => {
    let changed = one[number]?.();
    if (changed === undefined) {
      changed = draw.pick(sound);
      for (let n = draw.below(3); n >= 0; n--) changed = draw.pick(changed.changes())();
    }
    const file = path.join(base, "changed.gguf");
    const output = path.join(base, "out.gguf");
    writeFileSync(file, changed.bytes());
    const outcome = await user.use(file, output).catch((error) => {
      throw new Error(`${changed.what}: ${error.message}`);
    });
    for (const [step, what] of Object.entries(outcome)) {
      demand(!what.startsWith("broken"), () => `${changed.what}: ${step} is ${what}`);
      steps.add(`${step} ${what === "done" ? "done" : "refused"}`);
    }
    const left = readdirSync(base).filter(
      (name) => !name.startsWith("sound-") && name !== "changed.gguf" && name !== "out.gguf",
    );
    demand(left.length === 0, () => `${changed.what}: ${left} is left`);
    rmSync(output, { force: true });
  },
  () => steps.told(),
);
user.stop();
