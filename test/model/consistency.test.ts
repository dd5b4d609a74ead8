import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { greedySampling } from "../../src/decode/sampling.js";
import type { NativeModel } from "../../src/native/model.js";
import { native } from "../../src/native/native.js";
import type { Advanced, NativeEmbeds } from "../../src/native/session.js";
import { fixtures } from "../support/files.js";
import {
  type After,
  append,
  type Case,
  converter,
  encode,
  greedy,
  open,
  prefill,
  readCases,
  session,
} from "../support/model.js";

// A row's result may depend on that row alone, so whatever the number of threads, the chunks, the neighbours in a step or how the prefix
// came to be, the logits are the same bits.
const convertedTo = converter("golden/model");
const cases = await readCases(join(fixtures, "golden"));
const find = (name: string) => cases.find((c) => c.name === name) as Case;
const [video, turns, text] = [find("video"), find("two turns"), find("text only")];

async function alone(model: NativeModel, c: Case, embeds: NativeEmbeds | undefined, n: number, chunk = 512) {
  const s = session(model, { chunk });
  const sequence = s.create();
  const first = await prefill(s, sequence, c, embeds, chunk);
  const { ids, last } = await greedy(s, sequence, first, n);
  s.dispose();
  return { logits: first.logits, ids, last };
}

for (const type of ["f32", "q8_0", "q4_k_m"] as const) {
  describe(`the same bits as ${type}`, async () => {
    const model = await open(await convertedTo(type));
    const embeds = (await encode(model, turns)) as NativeEmbeds;
    const expected = await alone(model, turns, embeds, 8);

    test("for 1, 2 and 3 threads", async () => {
      for (const threads of [1, 3]) {
        const other = await open(await convertedTo(type), { threads });
        const own = (await encode(other, turns)) as NativeEmbeds;
        expect(own.toFloat32()).toEqual(embeds.toFloat32());
        expect(await alone(other, turns, own, 8)).toEqual(expected);
      }
    });

    test("for prefill in chunks of 1, 7 and 64", async () => {
      for (const chunk of [1, 7, 64]) expect(await alone(model, turns, embeds, 8, chunk)).toEqual(expected);
    });

    test("for a crop encoded alone or with others", async () => {
      const all = embeds.toFloat32();
      const size = all.length / turns.offsets.length;
      const bytes = turns.pixels.length / turns.offsets.length;
      for (const i of [0, turns.offsets.length - 1]) {
        const one = await model.encode(turns.pixels.slice(i * bytes, (i + 1) * bytes), 1);
        expect(one.toFloat32()).toEqual(all.slice(i * size, (i + 1) * size));
      }
    });

    test("for embeddings that were saved", async () => {
      const again = model.embedsFrom(embeds.toFloat32(), turns.offsets.length);
      expect(await alone(model, turns, again, 8)).toEqual(expected);
    });

    test("for a prefix kept from an earlier question, cut at any place", async () => {
      for (const keep of [1, 20, 63, 64, 65, turns.ids.length - 1]) {
        const s = session(model);
        const sequence = s.create();
        await greedy(s, sequence, await prefill(s, sequence, turns, embeds), 5); // an answer to forget
        s.truncate(sequence, keep);
        expect(s.length(sequence)).toBe(keep);
        const again = await prefill(s, sequence, turns, embeds, 512, keep);
        expect(again.logits).toEqual(expected.logits);
        expect((await greedy(s, sequence, again, 8)).ids).toEqual(expected.ids);
        s.dispose();
      }
    });

    test("for sequences stepped together, each with its own pictures", async () => {
      const s = session(model);
      const videoEmbeds = await encode(model, video);
      const group = [turns, video, text];
      const sequences: number[] = [];
      let after: After[] = [];
      for (const c of group) {
        const sequence = s.create();
        after.push(await prefill(s, sequence, c, c === video ? videoEmbeds : c === turns ? embeds : undefined));
        sequences.push(sequence);
      }
      const ids: number[][] = group.map(() => []);
      for (let i = 0; i < 8; i++) {
        after.forEach(({ id }, k) => {
          ids[k]?.push(id);
        });
        after = await append(
          s,
          sequences.map((sequence, k) => ({ sequence, ids: Int32Array.of(after[k]?.id as number) })),
        );
      }
      expect(ids[0]).toEqual(expected.ids);
      expect(after[0]?.logits).toEqual(expected.last);
      expect(ids[1]).toEqual((await alone(model, video, videoEmbeds, 8)).ids);
      expect(ids[2]).toEqual((await alone(model, text, undefined, 8)).ids);
      s.dispose();
    });

    test("for forks, which do not disturb each other", async () => {
      const s = session(model);
      const trunk = s.create();
      const first = await prefill(s, trunk, turns, embeds);
      const [branch, pages] = [s.fork(trunk), s.pagesInUse];
      const held = s.bytes;
      const third = s.fork(branch);
      expect([s.bytes, s.pagesInUse]).toEqual([held, pages]);
      const other = [branch, third].map((sequence, i) => ({ sequence, ids: Int32Array.of(i + 1) })); // other words first
      await append(s, other);
      expect(s.pagesInUse).toBeGreaterThan(pages);
      const trunkAnswer = await greedy(s, trunk, first, 8);
      expect(trunkAnswer).toEqual({ ids: expected.ids, last: expected.last });
      s.remove(trunk);
      s.truncate(third, turns.ids.length - 1);
      const again = await prefill(s, third, turns, embeds, 512, turns.ids.length - 1);
      expect(again.logits).toEqual(expected.logits);
      expect((await greedy(s, third, again, 8)).ids).toEqual(expected.ids);
      s.dispose();
    });

    test("for a prompt that is prefilled while others decode", async () => {
      const s = session(model);
      const [decoding, reading] = [s.create(), s.create()];
      let after = await prefill(s, decoding, turns, embeds);
      let read: After | undefined;
      const ids: number[] = [];
      for (let i = 0; i < 8; i++) {
        ids.push(after.id);
        const [from, to] = [i, i + 1].map((k) => Math.floor((k * turns.ids.length) / 8)) as [number, number];
        const media = turns.offsets.flatMap((offset, crop) =>
          offset >= from && offset < to ? [{ offset, embeds, crop }] : [],
        );
        const parts = [
          { sequence: reading, ids: turns.ids.subarray(from, to), media },
          { sequence: decoding, ids: Int32Array.of(after.id) },
        ];
        [read, after] = (await append(s, i % 2 === 0 ? parts : parts.reverse()).then((both) =>
          i % 2 === 0 ? both : both.reverse(),
        )) as [After, After];
      }
      expect(ids).toEqual(expected.ids);
      expect(after.logits).toEqual(expected.last);
      expect(read?.logits).toEqual(expected.logits);
      expect((await greedy(s, reading, read as After, 8)).ids).toEqual(expected.ids);
      s.dispose();
    });

    test("for drafts verified in one pass", async () => {
      const s = session(model);
      const sequence = s.create();
      await prefill(s, sequence, turns, embeds);
      const draft = async (ids: number[]) => {
        const sampler = native().createSampler(greedySampling);
        const part = { sequence, ids: Int32Array.from(ids), sampler, drafted: ids.length - 1, logits: true };
        return (await s.advance([part]))[0] as Advanced;
      };
      // All are right: the same draws, and the logits after the last.
      const right = await draft(expected.ids);
      expect(right.drawn.slice(0, 7).map(({ id }) => id)).toEqual(expected.ids.slice(1, 8));
      expect(right.drawn).toHaveLength(8);
      expect(right.logits).toEqual(expected.last);
      expect(s.length(sequence)).toBe(turns.ids.length + 8);
      // The third guess is wrong: it and what follows it are taken off again.
      s.truncate(sequence, turns.ids.length);
      const [a, b, c, d] = expected.ids as [number, number, number, number];
      const wrong = await draft([a, b, c, d === 1 ? 2 : 1, 5, 6]);
      expect(wrong.drawn.map(({ id }) => id)).toEqual([b, c, d]);
      expect(s.length(sequence)).toBe(turns.ids.length + 3);
      const [after] = await append(s, [{ sequence, ids: Int32Array.of(d) }]);
      expect((await greedy(s, sequence, after as After, 4)).ids).toEqual(expected.ids.slice(4));
      s.dispose();
    });
  });
}
