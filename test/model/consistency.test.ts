import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { NativeEmbeds, NativeModel } from "../../src/native/binding.js";
import { fixtures } from "../support/files.js";
import { type Case, converter, encode, greedy, open, prefill, readCases, session } from "../support/model.js";

// A row's result may depend on that row alone, so whatever the number of threads, the chunks, the neighbours in a step or how the prefix
// came to be, the logits are the same bits.
const convertedTo = converter("golden/model");
const cases = await readCases(join(fixtures, "golden"));
const find = (name: string) => cases.find((c) => c.name === name) as Case;
const [video, turns, text] = [find("video"), find("two turns"), find("text only")];

async function alone(model: NativeModel, c: Case, embeds: NativeEmbeds | undefined, n: number, chunk = 512) {
  const s = session(model, { chunk });
  const sequence = s.create();
  await prefill(s, sequence, c, embeds, chunk);
  const logits = s.logits(sequence);
  const ids = await greedy(s, sequence, n);
  const last = s.logits(sequence);
  s.dispose();
  return { logits, ids, last };
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
        await prefill(s, sequence, turns, embeds);
        await greedy(s, sequence, 5); // an answer to forget
        s.truncate(sequence, keep);
        expect(s.length(sequence)).toBe(keep);
        await prefill(s, sequence, turns, embeds, 512, keep);
        expect(s.logits(sequence)).toEqual(expected.logits);
        expect(await greedy(s, sequence, 8)).toEqual(expected.ids);
        s.dispose();
      }
    });

    test("for sequences stepped together, each with its own pictures", async () => {
      const s = session(model);
      const videoEmbeds = await encode(model, video);
      const group = [turns, video, text];
      const sequences: number[] = [];
      for (const c of group) {
        const sequence = s.create();
        await prefill(s, sequence, c, c === video ? videoEmbeds : c === turns ? embeds : undefined);
        sequences.push(sequence);
      }
      const ids: number[][] = group.map(() => []);
      for (let i = 0; i < 8; i++) {
        const next = sequences.map((sequence) => {
          const row = s.logits(sequence);
          return row.indexOf(Math.max(...row));
        });
        next.forEach((id, k) => {
          ids[k]?.push(id);
        });
        await s.step(Int32Array.from(sequences), Int32Array.from(next));
      }
      expect(ids[0]).toEqual(expected.ids);
      expect(s.logits(sequences[0] as number)).toEqual(expected.last);
      expect(ids[1]).toEqual((await alone(model, video, videoEmbeds, 8)).ids);
      expect(ids[2]).toEqual((await alone(model, text, undefined, 8)).ids);
      s.dispose();
    });

    test("for forks, which do not disturb each other", async () => {
      const s = session(model);
      const trunk = s.create();
      await prefill(s, trunk, turns, embeds);
      const branch = s.fork(trunk);
      const held = s.bytes;
      const third = s.fork(branch);
      expect(s.bytes - held).toBe(4 * model.config.vocabSize); // its logits, no pages
      expect(s.logits(third)).toEqual(expected.logits);
      await s.step(Int32Array.of(branch, third), Int32Array.of(1, 2)); // other words first
      expect(await greedy(s, trunk, 8)).toEqual(expected.ids);
      s.remove(trunk);
      s.truncate(third, turns.ids.length - 1);
      await prefill(s, third, turns, embeds, 512, turns.ids.length - 1);
      expect(await greedy(s, third, 8)).toEqual(expected.ids);
      s.dispose();
    });

    test("for drafts verified in one pass", async () => {
      const s = session(model);
      const sequence = s.create();
      await prefill(s, sequence, turns, embeds);
      const draft = Int32Array.from(expected.ids.slice(0, 7));
      const best = await s.verify(sequence, draft);
      expect([...best]).toEqual(expected.ids.slice(1, 8));
      await s.step(Int32Array.of(sequence), Int32Array.of(expected.ids[7] as number));
      expect(s.logits(sequence)).toEqual(expected.last);
      s.truncate(sequence, turns.ids.length + 1); // all but the first were refused
      await s.step(Int32Array.of(sequence), Int32Array.of(expected.ids[1] as number));
      expect(await greedy(s, sequence, 6)).toEqual(expected.ids.slice(2));
      s.dispose();
    });
  });
}
