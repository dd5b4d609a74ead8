import path from "node:path";
import { expect, test } from "vitest";
import { Constraints } from "../../src/chat/constraints.js";
import { promptTokenizer } from "../../src/chat/prompt-tokenizer.js";
import { ForcedText } from "../../src/decode/forced.js";
import { generate } from "../../src/decode/generate.js";
import { greedySampling } from "../../src/decode/sampling.js";
import { native } from "../../src/native/native.js";
import { root } from "../support/files.js";
import { countingScheduler, open } from "../support/model.js";

const file = path.join(root, "models/owl3-demo.gguf");
const model = await open(file);
const tokenizer = promptTokenizer(model.metadata, file);
const constraints = new Constraints({ binding: native(), tokenizer });
const { ids } = tokenizer.render([{ role: "user", content: "What is in this picture?" }], { allowSpecial: false });

/** Names that are long and a few values between them, as records have. */
const schema = {
  type: "object",
  properties: {
    shape_in_the_picture: { enum: ["circle", "star", "ring"] },
    color_of_the_shape: { enum: ["red", "blue", "green"] },
    is_it_a_large_one: { type: "boolean" },
    how_many_there_are: { type: "integer", minimum: 0, maximum: 9 },
  },
  required: ["shape_in_the_picture", "color_of_the_shape", "is_it_a_large_one", "how_many_there_are"],
  additionalProperties: false,
};

async function answer(forced: boolean, temperature: number) {
  const { scheduler, counted } = countingScheduler(model);
  const matcher = await constraints.matcher({ schema });
  const sampler = native().createSampler({ ...greedySampling, temperature, seed: 3, logprobs: 1 });
  sampler.reset(Int32Array.from(ids));
  const sequence = await scheduler.open({ ids, crops: [] }, 0);
  const first = (await sequence.next({ sampler, matcher })).drawn;
  const drafter = forced ? new ForcedText(matcher, (text) => tokenizer.encode(text)) : undefined;
  const shared = { sequence, first, sampler, matcher, tokenizer, eosIds: tokenizer.eosIds, stop: [] };
  const tokens = [];
  let text = "";
  for await (const piece of generate({ ...shared, maxTokens: 300, drafter })) {
    text += piece.text;
    if (piece.token) tokens.push(piece.token);
  }
  scheduler.dispose();
  return { text, tokens, passes: counted.passes };
}

test.each([0, 1.5])(
  "forced text comes of fewer passes, token for token the same, at temperature %d",
  async (temperature) => {
    const plain = await answer(false, temperature);
    expect(JSON.parse(plain.text)).toHaveProperty("how_many_there_are");
    expect(plain.passes).toBe(plain.tokens.length);
    const forced = await answer(true, temperature);
    expect(forced.tokens).toEqual(plain.tokens);
    expect(forced.passes).toBeLessThan(plain.passes / 2);
  },
);
