import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { convertCheckpoint } from "../../src/convert/convert.js";
import { Admission } from "../../src/decode/admission.js";
import { greedySampling } from "../../src/decode/sampling.js";
import { Scheduler } from "../../src/decode/scheduler.js";
import type { FileType } from "../../src/gguf/file-types.js";
import type { KvType, ModelOptions, NativeModel } from "../../src/native/model.js";
import { native } from "../../src/native/native.js";
import type { AdvancePart, MediaSlot, NativeEmbeds, NativeSession } from "../../src/native/session.js";
import { Turns } from "../../src/native/turns.js";
import { fixtures, temporaryFolder } from "./files.js";

/** Converts a checkpoint of test/fixtures to types, each once a test file. */
export function converter(checkpoint: string): (type: FileType) => Promise<string> {
  const folder = temporaryFolder();
  const made = new Map<FileType, Promise<string>>();
  return (type) => {
    let path = made.get(type);
    if (!path) {
      const output = join(folder, `${type}.gguf`);
      path = convertCheckpoint(join(fixtures, checkpoint), output, { type }).then(() => output);
      made.set(type, path);
    }
    return path;
  };
}

/** Opens a model for a test file. */
export async function open(path: string, options: ModelOptions = {}): Promise<NativeModel> {
  const model = await native().openModel(path, { threads: 2, ...options });
  afterAll(() => model.dispose());
  return model;
}

/** A scheduler of a model's sequences that counts the passes of its session. */
export function countingScheduler(model: NativeModel): {
  scheduler: Scheduler;
  counted: { passes: number };
  session: () => NativeSession | undefined;
} {
  const counted = { passes: 0 };
  let made: NativeSession | undefined;
  const createSession: NativeModel["createSession"] = (options) => {
    const session = model.createSession(options);
    made = session;
    const advance: typeof session.advance = (parts) => {
      counted.passes++;
      return session.advance(parts);
    };
    return new Proxy(session, {
      get: (target, key) => {
        if (key === "advance") return advance;
        const value = target[key as keyof NativeSession];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  const { config } = model;
  const scheduler = new Scheduler({
    model: { config, kvBytes: model.kvBytes.bind(model), createSession },
    kvType: model.defaultKvType,
    turns: new Turns(),
    admission: new Admission(() => 1e9),
  });
  return { scheduler, counted, session: () => made };
}

/** A case: ids and crops in, logits and greedy ids out. */
export interface Case {
  name: string;
  ids: Int32Array;
  offsets: number[];
  pixels: Uint8Array; // [n, s, s, 3]
  embeds: Float32Array | undefined; // of the first and last crop
  logits: Float32Array; // of the last row
  greedy: number[];
  gaps: number[]; // between the two largest logits, at each greedy id
}

/** The cases of a fixture folder: cases.json and tensors.safetensors. */
export async function readCases(folder: string): Promise<Case[]> {
  const listed = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8")) as {
    name: string;
    input_ids: number[];
    media_offset: number[];
    greedy_ids: number[];
    gap: number[];
  }[];
  const file = join(folder, "tensors.safetensors");
  const raw = readFileSync(file);
  const tensors = new Map((await native().readSafetensors(file)).map((tensor) => [tensor.name, tensor]));
  const bytes = (name: string) => {
    const tensor = tensors.get(name);
    return tensor && new Uint8Array(raw.subarray(tensor.offset, tensor.offset + tensor.bytes));
  };
  return listed.map((item) => {
    const key = item.name.replaceAll(" ", "_").replaceAll(",", "");
    const pixels = tensors.get(`${key}/pixel_values`);
    const embeds = bytes(`${key}/image_embeds`);
    return {
      name: item.name,
      ids: Int32Array.from(item.input_ids),
      offsets: item.media_offset,
      pixels: pixels ? channelsLast(bytes(`${key}/pixel_values`) as Uint8Array, pixels.shape) : new Uint8Array(),
      embeds: embeds && new Float32Array(embeds.buffer),
      logits: new Float32Array((bytes(`${key}/logits`) as Uint8Array).buffer),
      greedy: item.greedy_ids,
      gaps: item.gap,
    };
  });
}

/** [n, 3, s, s] to [n, s, s, 3]. */
function channelsLast(planes: Uint8Array, shape: number[]): Uint8Array {
  const [n, , , s] = shape as [number, number, number, number];
  const out = new Uint8Array(planes.length);
  for (let crop = 0; crop < n; crop++)
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < s * s; i++) out[(crop * s * s + i) * 3 + c] = planes[(crop * 3 + c) * s * s + i] as number;
  return out;
}

export interface RunOptions {
  chunk?: number;
  kvType?: KvType;
  contextLength?: number;
}

export function session(model: NativeModel, options: RunOptions = {}): NativeSession {
  return model.createSession({
    contextLength: options.contextLength ?? 1024,
    kvType: options.kvType ?? model.defaultKvType,
    prefillChunk: options.chunk ?? 512,
  });
}

/** The logits after the last id of a sequence, and the id that a greedy sampler draws from them. */
export interface After {
  logits: Float32Array;
  id: number;
}

/** Appends ids to sequences, each to its own, in one pass. */
export async function append(
  s: NativeSession,
  parts: readonly Pick<AdvancePart, "sequence" | "ids" | "media">[],
): Promise<After[]> {
  const wanted = parts.map((part) => ({ ...part, sampler: native().createSampler(greedySampling), logits: true }));
  const all = await s.advance(wanted);
  return all.map(({ logits, drawn }) => ({ logits: logits as Float32Array, id: drawn[0]?.id as number }));
}

/** Appends ids[from..] in chunks, crops where they become visible. */
export async function prefill(
  s: NativeSession,
  sequence: number,
  c: { ids: Int32Array; offsets: number[] },
  embeds: NativeEmbeds | undefined,
  chunk = 512,
  from = 0,
): Promise<After> {
  let after: After | undefined;
  for (let start = from; start < c.ids.length; start += chunk) {
    const end = Math.min(start + chunk, c.ids.length);
    const media: MediaSlot[] = [];
    c.offsets.forEach((offset, crop) => {
      if (embeds && offset >= start && offset < end) media.push({ offset, embeds, crop });
    });
    [after] = await append(s, [{ sequence, ids: c.ids.subarray(start, end), media }]);
  }
  return after as After;
}

export async function encode(model: NativeModel, c: Case): Promise<NativeEmbeds | undefined> {
  return c.offsets.length > 0 ? await model.encode(c.pixels, c.offsets.length) : undefined;
}

/** n greedy ids, appended one by one, and the logits after the last. */
export async function greedy(
  s: NativeSession,
  sequence: number,
  first: After,
  n: number,
): Promise<{ ids: number[]; last: Float32Array }> {
  const ids: number[] = [];
  let after = first;
  while (ids.length < n) {
    ids.push(after.id);
    after = (await append(s, [{ sequence, ids: Int32Array.of(after.id) }]))[0] as After;
  }
  return { ids, last: after.logits };
}

/** Root mean square of a - b over that of b. */
export function relativeError(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let size = 0;
  b.forEach((value, i) => {
    difference += ((a[i] as number) - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(difference / size);
}

export function deviation(row: Float32Array): number {
  const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
  return Math.sqrt(row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / row.length);
}

/** Embeddings of the first and last crop, as fixtures hold them. */
export function endCrops(embeds: NativeEmbeds, c: Case): Float32Array {
  const all = embeds.toFloat32();
  const size = all.length / c.offsets.length;
  if (c.offsets.length === 1) return all;
  const ends = new Float32Array(2 * size);
  ends.set(all.subarray(0, size));
  ends.set(all.subarray(-size), size);
  return ends;
}

/** Largest and root mean square difference of two rows of logits, in standard deviations of the second. */
export function logitError(a: Float32Array, b: Float32Array): { max: number; rms: number } {
  const unit = deviation(b);
  let max = 0;
  let squares = 0;
  b.forEach((value, i) => {
    const difference = Math.abs((a[i] as number) - value) / unit;
    if (!(difference <= max)) max = difference; // NaN wins
    squares += difference ** 2;
  });
  return { max, rms: Math.sqrt(squares / b.length) };
}

/** Expects a model to agree with the float32 reference about a case: embeddings, logits and greedy ids. */
export async function expectAgreement(
  model: NativeModel,
  c: Case,
  { chunk = 512, tokens = Number.POSITIVE_INFINITY }: { chunk?: number; tokens?: number } = {},
): Promise<void> {
  const embeds = await encode(model, c);
  if (embeds && c.embeds) expect(relativeError(endCrops(embeds, c), c.embeds)).toBeLessThan(1e-3);
  const s = session(model);
  const sequence = s.create();
  const first = await prefill(s, sequence, c, embeds, chunk);
  expect(logitError(first.logits, c.logits).max).toBeLessThan(2e-3);

  // Two logits closer than twice the error allowed may change places; the text before that must be equal.
  const tie = c.gaps.findIndex((gap) => gap < 2 * 2e-3 * deviation(c.logits));
  const length = Math.min(tie < 0 ? c.greedy.length : tie, tokens);
  expect(length).toBeGreaterThan(0);
  const { ids } = await greedy(s, sequence, first, length);
  expect(ids).toEqual(c.greedy.slice(0, length));
  s.dispose();
  embeds?.dispose();
}
