import { expect, test } from "vitest";
import { type Share, toPart } from "../../../src/decode/pass.js";
import type { Want } from "../../../src/decode/sequence.js";
import type { NativeSampler } from "../../../src/native/session.js";

const sampler = {} as NativeSampler;
/** Five ids, of which three are computed. */
const share = (want: Want, end = 5, draft: number[] = []): Share =>
  ({
    wish: { sequence: { ids: [1, 2, 3, 4, 5], computed: 3, crops: [], native: 7 }, want },
    end,
    draft,
  }) as unknown as Share;

test("pass: a device may go on with an answer's step, but not behind a draft or in the middle of a prompt", () => {
  expect(toPart(share({ sampler, goesOn: true }))).toEqual({
    sequence: 7,
    ids: Int32Array.of(4, 5),
    sampler,
    goesOn: true,
  });
  expect(toPart(share({ sampler }))).not.toHaveProperty("goesOn");
  expect(toPart(share({ sampler, goesOn: true }, 4))).not.toHaveProperty("goesOn");
  expect(toPart(share({ sampler, goesOn: true }, 5, [8]))).toEqual({
    sequence: 7,
    ids: Int32Array.of(4, 5, 8),
    sampler,
    drafted: 1,
  });
});
