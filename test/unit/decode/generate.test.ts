import { expect, test } from "vitest";
import { generate } from "../../../src/decode/generate.js";
import type { Sequence, Want } from "../../../src/decode/sequence.js";
import type { NativeSampler, SampledToken } from "../../../src/native/session.js";

const token = (id: number, begun = false): SampledToken => ({ id, logprob: -1, top: [], begun });

/** Answers with these tokens, a list a pass, and gives what each pass was asked for. */
async function wants(first: SampledToken, passes: SampledToken[][], drafts: number[][]) {
  const asked: { draft: Want["draft"] | undefined; goesOn: boolean | undefined }[] = [];
  const accepted: [number, number][] = [];
  const sequence = {
    next: async ({ draft, goesOn }: Want) => {
      asked.push({ draft, goesOn });
      return { drawn: passes[asked.length - 1] ?? [] };
    },
  } as unknown as Sequence;
  const ids: number[] = [];
  for await (const piece of generate({
    sequence,
    first: [first],
    sampler: {} as NativeSampler,
    tokenizer: { stream: () => ({ push: String, end: () => "" }), text: String },
    eosIds: new Set(),
    maxTokens: 1 + passes.flat().length,
    stop: [],
    drafter: {
      propose: () => drafts[asked.length] ?? [],
      accept: (...counts) => accepted.push(counts),
    },
  }))
    ids.push(piece.token?.id ?? -1);
  return { asked, accepted, ids };
}

test("a draft waits for the token whose row a device has begun, and no row is begun behind that", async () => {
  const passes = [[token(2)], [token(3), token(4), token(9, true)], [token(5, true)], [token(6)]];
  const { asked, accepted, ids } = await wants(token(1, true), passes, [[2, 3, 4], [3, 4], [], []]);
  expect(ids).toEqual([1, 2, 3, 4, 9, 5, 6]);
  expect(asked).toEqual([
    { draft: [], goesOn: false },
    { draft: [3, 4], goesOn: true },
    { draft: [], goesOn: true },
    { draft: [], goesOn: false }, // the last one
  ]);
  expect(accepted).toEqual([[2, 2]]); // nothing is held against a draft that waited
});

test("where no device runs ahead a draft is verified at once", async () => {
  const { asked, accepted } = await wants(token(1), [[token(2), token(7)], [token(8)]], [[2, 3]]);
  expect(asked.map(({ draft }) => draft)).toEqual([[2, 3], []]);
  expect(accepted).toEqual([[2, 1]]);
});
