#!/usr/bin/env node
/**
 * Refuses the engine one allocation, each in its turn, while it opens the demo model and answers a question about a picture: node tools/stress/allocations.mjs
 * [--count N] [--seed N] [--onwards]. Build first (npm run build); Linux only, with a C++ compiler (tools/stress/faults/faults.cpp).
 *
 * Each time the answer must be the right one, or an error with a sentence; the next question, with memory again, must be answered rightly; and the
 * process must live. Counted are the allocations that the engine's own code asks for. Without --count all of them are refused, one at a time; with it N, chosen by the seed;
 * with --onwards all later ones are refused, too. The last line is "N passed, N failed".
 */
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildLibrary, Control, calls, errors } from "./faults/control.mjs";
import { demo, example, temporaryFolder } from "./places.mjs";
import { generator } from "./random.mjs";

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    onwards: { type: "boolean", default: false },
    inside: { type: "string" },
  },
});
await (flags.inside ? inside(flags.inside) : outside());

/** Starts the process that has the engine, and another one after each that dies. */
async function outside() {
  const base = temporaryFolder("allocations");
  const env = {
    PATH: process.env.PATH,
    HOME: base,
    LD_PRELOAD: buildLibrary(base),
    OWL3_FAULT_CONTROL: path.join(base, "control"),
    OWL3_FAULT_OBJECT: "owl3.node",
  };
  new Control(env.OWL3_FAULT_CONTROL).close();
  const done = { tried: 0, failed: 0, broken: 0 };
  let numbers;
  for (let at = 0; numbers === undefined || at < numbers.length; ) {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--inside", env.OWL3_FAULT_CONTROL], {
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdin.on("error", () => {}); // told by its end
    const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const total = Number((await lines.next()).value);
    if (!(total > 0)) throw new Error("the undisturbed answer failed");
    numbers ??= chosen(total);
    for (; at < numbers.length; at++) {
      child.stdin.write(`${numbers[at]}\n`);
      const { value, done: gone } = await lines.next();
      done.tried++;
      if (gone) {
        done.broken++;
        console.log(`allocation ${numbers[at]}: the process ended (${await ended})`);
        at++;
        break;
      }
      if (value.startsWith("broken")) {
        done.broken++;
        console.log(`allocation ${numbers[at]}: ${value}`);
      } else if (value !== "right") done.failed++;
    }
    child.stdin.end();
    await ended;
  }
  console.log(`${done.tried} allocations refused, ${done.failed} answers failed with an error; seed ${flags.seed}`);
  console.log(`${done.tried - done.broken} passed, ${done.broken} failed`);
  process.exitCode = done.broken === 0 ? 0 : 1;
}

/** Some of the numbers from 1 to `total`, or all. */
function chosen(total) {
  const count = Number(flags.count);
  const random = generator(Number(flags.seed));
  if (count === 0 || count >= total) return Array.from({ length: total }, (_, i) => i + 1);
  return Array.from({ length: count }, () => 1 + Math.floor(random() * total)).sort((a, b) => a - b);
}

/** Answers each number that comes in with what refusing that allocation did. */
async function inside(file) {
  const control = new Control(file);
  const { Owl, UserError } = await import("../../dist/index.js");
  const once = async () => {
    const owl = await Owl.open(demo, {
      threads: 2,
      cache: false,
      repackCache: false,
    });
    try {
      const image = { type: "image", path: example("shapes.png") };
      const question = [image, { type: "text", text: "What is in the picture?" }];
      return await owl.chat().ask(question, { maxTokens: 4, temperature: 0 }).text();
    } finally {
      await owl.dispose();
    }
  };
  const right = await once();
  control.arm({ kinds: calls.allocation });
  await once();
  console.log(control.read().count);
  for await (const line of createInterface({ input: process.stdin })) {
    control.arm({ kinds: calls.allocation, at: Number(line), error: errors.ENOMEM, onwards: flags.onwards });
    let outcome;
    try {
      outcome = (await once()) === right ? "right" : "broken: another answer, and no error";
    } catch (error) {
      outcome = error instanceof UserError ? `error: ${error.message}` : `broken: ${error.stack}`;
    }
    control.arm({ kinds: 0 });
    try {
      if ((await once()) !== right) outcome = "broken: the answer after it is another one";
    } catch (error) {
      outcome = `broken: the answer after it fails: ${error.message}`;
    }
    console.log(outcome.replaceAll("\n", " "));
  }
}
