import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeFile } from "../../../src/gguf/describe.js";
import { native } from "../../../src/native/native.js";

const demo = await native().readGguf(fileURLToPath(new URL("../../../models/owl3-demo.gguf", import.meta.url)));

/** Where answers of the demo model would end with these keys, and no others about it. */
function endsAt(keys: Record<string, unknown>): string[] | undefined {
  const metadata: Record<string, unknown> = { ...demo.metadata };
  for (const key of ["mplugowl3.generation.eos_token_ids", "tokenizer.ggml.eos_token_id"]) delete metadata[key];
  return describeFile({ ...demo, metadata: { ...metadata, ...keys } as typeof demo.metadata }).model?.tokenizer.ends_at;
}

test("a file that does not say where answers end is described, with the markers that end them", () => {
  expect(endsAt({})).toEqual(["<|im_end|>", "<|endoftext|>"]);
  const id = (demo.metadata["tokenizer.ggml.tokens"] as string[]).indexOf("<|im_end|>");
  expect(endsAt({ "tokenizer.ggml.eos_token_id": id })).toEqual(["<|im_end|>"]);
  expect(endsAt({ "mplugowl3.generation.eos_token_ids": [id, 1e6] })).toEqual(["<|im_end|>", "id 1000000"]);
  expect(() => endsAt({ "tokenizer.ggml.eos_token_id": -1 })).toThrow("tokenizer.ggml.eos_token_id must be an integer");
});
