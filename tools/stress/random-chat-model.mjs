/** Models of published shapes with random weights that can be asked: they have the demo model's tokenizer. Their answers are no words. */
import { fileURLToPath } from "node:url";

const dist = (name) => import(new URL(`../../dist/${name}`, import.meta.url).href);

/** Writes such a model; with `short` it has the layers up to the first hyper layer, and two of the vision tower. */
export async function writeRandomChatModel(file, shape, type, { short = false } = {}) {
  const { native } = await dist("native/native.js");
  const { randomModel } = await dist("bench/random-model.js");
  const demo = await native().readGguf(fileURLToPath(new URL("../../models/owl3-demo.gguf", import.meta.url)));
  const model = randomModel(shape, type);
  const value = (key) => model.entries.find((entry) => entry.key === `mplugowl3.${key}`);
  let { tensors } = model;
  if (short) {
    const layers = value("hyper_attention.blocks").value[0] + 1;
    value("hyper_attention.blocks").value = [layers - 1];
    value("block_count").value = layers;
    value("vision.block_count").value = 2;
    const left = { "v.": 2, "": layers };
    tensors = tensors.filter(({ name }) => {
      const [, tower, layer] = /^(v\.|)blk\.(\d+)\./.exec(name) ?? [];
      return layer === undefined || Number(layer) < left[tower];
    });
  }
  const rows = value("vocab_size").value;
  const own = (key) => [...demo.metadata[`tokenizer.ggml.${key}`]];
  const [tokens, types] = [own("tokens"), own("token_type")];
  const unused = 5;
  for (let id = tokens.length; id < rows; id++) {
    tokens.push(`[PAD${id}]`);
    types.push(unused);
  }
  const entries = [
    ...model.entries,
    ...["model", "pre"].map((key) => ({
      key: `tokenizer.ggml.${key}`,
      type: "string",
      value: demo.metadata[`tokenizer.ggml.${key}`],
    })),
    { key: "tokenizer.ggml.tokens", type: "string[]", value: tokens },
    { key: "tokenizer.ggml.token_type", type: "i32[]", value: types },
    { key: "tokenizer.ggml.merges", type: "string[]", value: own("merges") },
  ];
  const writer = native().createWriter(file, entries, tensors, 0);
  for (const _ of tensors) await writer.writeNext();
  await writer.finish();
}
