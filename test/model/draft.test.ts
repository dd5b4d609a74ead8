import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Drafter, PromptLookup } from "../../src/decode/draft.js";
import { generate } from "../../src/decode/generate.js";
import { greedySampling } from "../../src/decode/sampling.js";
import { native } from "../../src/native/native.js";
import type { NativeEmbeds } from "../../src/native/session.js";
import { fixtures } from "../support/files.js";
import { type Case, converter, countingScheduler, encode, open, readCases } from "../support/model.js";

const convertedTo = converter("golden/model");
const cases = await readCases(join(fixtures, "golden"));
const c = cases.find((one) => one.name === "two turns") as Case;

describe("drafts change nothing but the time", async () => {
  const model = await open(await convertedTo("q8_0"));
  const embeds = await encode(model, c);

  async function answer(
    drafter: ((ids: readonly number[]) => Drafter) | undefined,
    temperature: number,
    maxTokens = 40,
  ) {
    const { scheduler, counted, session } = countingScheduler(model);
    const sampler = native().createSampler({
      ...greedySampling,
      temperature,
      repetitionPenalty: 1.1,
      seed: 5,
      logprobs: 2,
    });
    sampler.reset(c.ids);
    const crops = c.offsets.map((offset, crop) => ({
      offset,
      crop,
      key: String(crop),
      embeds: embeds as NativeEmbeds,
    }));
    const sequence = await scheduler.open({ ids: [...c.ids], crops }, 0);
    const first = (await sequence.next({ sampler })).drawn;
    counted.passes = 0;
    const tokens = [];
    for await (const { token } of generate({
      sequence,
      first,
      sampler,
      tokenizer: { stream: () => ({ push: String, end: () => "" }), text: String },
      eosIds: new Set(),
      maxTokens,
      stop: [],
      drafter: drafter?.(sequence.ids),
    }))
      if (token) tokens.push(token);
    const held = sequence.ids.slice(0, sequence.computed);
    expect(session()?.length(sequence.native as number)).toBe(held.length);
    scheduler.dispose();
    return { tokens, held, passes: counted.passes };
  }
  /** Knows the answer, but for every fifth id. */
  const oracle =
    (answer: number[]) =>
    (ids: readonly number[]): Drafter => ({
      propose: (most) => {
        const at = ids.length - c.ids.length;
        return answer.slice(at, at + Math.min(6, most)).map((id, i) => ((at + i) % 5 === 4 ? (id + 1) % 2000 : id));
      },
      accept: () => {},
    });

  test.each([0, 0.8])("at temperature %d", async (temperature) => {
    const plain = await answer(undefined, temperature);
    expect(plain.tokens).toHaveLength(40);
    const ids = plain.tokens.map((token) => token.id);
    const guessed = await answer(oracle(ids), temperature);
    expect(guessed.tokens).toEqual(plain.tokens);
    expect(guessed.held).toEqual(plain.held);
    expect(guessed.passes).toBeLessThan(plain.passes / 2);
    const looked = await answer((seen) => new PromptLookup(seen, new Set()), temperature);
    expect(looked.tokens).toEqual(plain.tokens);
  });
});
