import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Drafter, PromptLookup } from "../../src/decode/draft.js";
import { generate } from "../../src/decode/generate.js";
import { greedySampling } from "../../src/decode/sampling.js";
import type { NativeSession } from "../../src/native/binding.js";
import { native } from "../../src/native/native.js";
import { fixtures } from "../support/files.js";
import { type Case, converter, encode, open, prefill, readCases, session } from "../support/model.js";

const convertedTo = converter("golden/model");
const cases = await readCases(join(fixtures, "golden"));
const c = cases.find((one) => one.name === "two turns") as Case;

describe("drafts change nothing but the time", async () => {
  const model = await open(await convertedTo("q8_0"));
  const embeds = await encode(model, c);

  async function answer(drafter: Drafter | undefined, temperature: number, maxTokens = 40) {
    const s = session(model, { contextLength: c.ids.length + maxTokens });
    const sequence = s.create();
    await prefill(s, sequence, c, embeds);
    const sampler = native().createSampler({
      ...greedySampling,
      temperature,
      repetitionPenalty: 1.1,
      seed: 5,
      logprobs: 2,
    });
    sampler.reset(c.ids);
    const held: number[] = [];
    const tokens = [];
    let passes = 0;
    const counted = new Proxy(s, {
      get: (target, key) => {
        if (key === "step" || key === "speculate") passes++;
        const value = target[key as keyof NativeSession];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    for await (const { token } of generate({
      session: counted,
      sequence,
      sampler,
      detokenizer: { stream: () => ({ push: String, end: () => "" }), text: String },
      eosIds: new Set(),
      maxTokens,
      stop: [],
      drafter,
      onAppend: (id) => held.push(id),
    }))
      if (token) tokens.push(token);
    expect(s.length(sequence)).toBe(c.ids.length + held.length);
    s.dispose();
    return { tokens, held, passes };
  }
  /** Knows the answer, but for every fifth id. */
  const oracle = (ids: number[]): Drafter => {
    let at = 0;
    return {
      append: (appended) => {
        at += appended.length;
      },
      propose: (most) =>
        ids.slice(at, at + Math.min(6, most)).map((id, i) => ((at + i) % 5 === 4 ? (id + 1) % 2000 : id)),
      judge: () => {},
    };
  };

  test.each([0, 0.8])("at temperature %d", async (temperature) => {
    const plain = await answer(undefined, temperature);
    expect(plain.tokens).toHaveLength(40);
    const ids = plain.tokens.map((token) => token.id);
    const guessed = await answer(oracle(ids), temperature);
    expect(guessed.tokens).toEqual(plain.tokens);
    expect(guessed.held).toEqual(plain.held);
    expect(guessed.passes).toBeLessThan(plain.passes / 2);
    const looked = await answer(new PromptLookup([...c.ids], new Set()), temperature);
    expect(looked.tokens).toEqual(plain.tokens);
  });
});
