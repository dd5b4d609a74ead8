// The process that uses model files which models.mjs has changed, a line of JSON each: what came of each step, in a line.
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { quantizeFile } from "../../../dist/convert/quantize.js";
import { UserError } from "../../../dist/errors.js";
import { describeFile } from "../../../dist/gguf/describe.js";
import { Owl } from "../../../dist/index.js";
import { native, nativeCall } from "../../../dist/native/native.js";

const picture = { type: "image", path: fileURLToPath(new URL("../../../examples/shapes.png", import.meta.url)) };
const question = [picture, { type: "text", text: "What?" }];

async function outcome(step) {
  try {
    await step();
    return "done";
  } catch (error) {
    if (!(error instanceof UserError)) return `broken: ${error.stack}`;
    return /^[^\n]*\S$/.test(error.message) && error.exitCode >= 1 && error.exitCode <= 5
      ? error.message
      : `broken: ${error.exitCode} ${error.message}`;
  }
}

const steps = (file, output) => ({
  describe: async () => describeFile(await nativeCall(() => native().readGguf(file))),
  preview: () => Owl.preview(file, [{ role: "user", content: question }], { maxTokens: 2 }),
  async answer() {
    const owl = await Owl.open(file, { threads: 1, cache: false, repackCache: false });
    try {
      await owl.chat({ contextLength: 1024 }).ask(question, { maxTokens: 2 }).text();
    } finally {
      await owl.dispose();
    }
  },
  quantize: () => quantizeFile(file, output, { type: "q4_k_m", threads: 1 }),
});

for await (const line of createInterface({ input: process.stdin })) {
  const { file, output } = JSON.parse(line);
  const outcomes = {};
  for (const [name, step] of Object.entries(steps(file, output))) outcomes[name] = await outcome(step);
  console.log(JSON.stringify(outcomes));
}
