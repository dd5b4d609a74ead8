import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { convertCheckpoint } from "../../src/convert/convert.js";
import { native } from "../../src/native/native.js";
import { fixtures, temporaryFolder } from "../support/files.js";
import { type Case, converter, encode, greedy, open, prefill, readCases, session } from "../support/model.js";

// These identities hold of gated hyper attention whatever its weights are, to the bit. Weights are changed in the checkpoint, which is bfloat16.
const folder = temporaryFolder();
const [low, zero, high] = [0xc61c, 0, 0x461c]; // -9984, 0, 9984

let count = 0;
/** Converts a checkpoint after filling the tensors whose names end so. */
async function changed(checkpoint: string, fill: Record<string, number>): Promise<string> {
  const copy = join(folder, `${checkpoint}-${count++}`);
  cpSync(join(fixtures, "random", checkpoint, "model"), copy, { recursive: true });
  const file = join(copy, "model.safetensors");
  const bytes = readFileSync(file);
  for (const { name, offset, bytes: length } of await native().readSafetensors(file)) {
    const part = Object.keys(fill).find((end) => /layers\.\d+\.self_attn/.test(name) && name.endsWith(end));
    if (part === undefined || !name.startsWith("language_model.")) continue;
    for (let at = offset; at < offset + length; at += 2) bytes.writeUInt16LE(fill[part] as number, at);
  }
  writeFileSync(file, bytes);
  await convertCheckpoint(copy, `${copy}.gguf`, { type: "f32" });
  return `${copy}.gguf`;
}

const gate = {
  "gated-head": (bias: number) => ({ "gate_proj.0.weight": zero, "gate_proj.0.bias": bias }),
  "gated-channel": (bias: number) => ({ "self_attn.gate": bias }),
};

async function run(path: string, c: Case, chunk = 512) {
  const model = await open(path);
  const embeds = await encode(model, c);
  const s = session(model, { chunk });
  const sequence = s.create();
  const first = await prefill(s, sequence, c, embeds, chunk);
  const { ids, last } = await greedy(s, sequence, first, 6);
  s.dispose();
  return { first: first.logits, ids, last };
}

for (const checkpoint of ["gated-head", "gated-channel"] as const)
  describe(checkpoint, async () => {
    const convertedTo = converter(`random/${checkpoint}/model`);
    const cases = await readCases(join(fixtures, "random", checkpoint));
    const long = cases.find(({ name }) => name === "long") as Case;
    const blind: Case = { ...long, offsets: [], pixels: new Uint8Array(), embeds: undefined };
    const path = await convertedTo("f32");

    test("a closed gate is the model without pictures", async () => {
      const closed = await changed(checkpoint, gate[checkpoint](low));
      expect(await run(closed, long)).toEqual(await run(path, blind));
      expect(await run(path, long)).not.toEqual(await run(path, blind));
    });

    test("an open gate lets nothing of the text before through", async () => {
      const opened = gate[checkpoint](high);
      // The first row, which sees no picture, has one key: its softmax is 1 whatever that is.
      const from = { ...long, offsets: [0, 0, 0] };
      const before = await run(await changed(checkpoint, opened), from);
      const hyper = checkpoint === "gated-head" ? [0, 2] : [1, 3];
      const keys = hyper.flatMap((layer) => ["weight", "bias"].map((part) => `${layer}.self_attn.k_proj.${part}`));
      const zeroKeys = Object.fromEntries(keys.map((key) => [`layers.${key}`, zero]));
      expect(await run(await changed(checkpoint, { ...opened, ...zeroKeys }), from)).toEqual(before);
      expect(await run(await changed(checkpoint, zeroKeys), from)).not.toEqual(await run(path, from));
    });

    test("chunks of any size give the same bits, single rows as well", async () => {
      const whole = await run(path, long);
      for (const chunk of [1, 7, 64]) expect(await run(path, long, chunk)).toEqual(whole);
    });
  });
