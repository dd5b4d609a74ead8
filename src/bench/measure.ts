import { greedySampling } from "../decode/sampling.js";
import { isFloat } from "../gguf/formats.js";
import type { MachinePeaks } from "../native/binding.js";
import type { GgufInfo } from "../native/gguf.js";
import type { KvType, NativeConfig, NativeModel } from "../native/model.js";
import { native, nativeCall } from "../native/native.js";
import type { NativeEmbeds } from "../native/session.js";
import { decodeBytes, prefillProducts, visionAttention, visionProducts } from "./work.js";

/** A measurement: the best and the median of its repeats, and its share of the machine's limit. */
export interface Measurement {
  name: string;
  unit: "s" | "ms" | "tok/s";
  best: number;
  median: number;
  /** The rate that was reached; where the CPU computes, also the limit that was measured beside it, and its share. Both in 10^9 operations a second or in GB/s. */
  limit?: { of: "int8" | "bf16" | "fp32" | "bandwidth"; reached: number; limit?: number; share?: number };
}

/** The parts that can be measured alone. */
export const benchParts = ["picture", "clip", "vision", "prefill", "decode"] as const;
export type BenchPart = (typeof benchParts)[number];

export interface BenchOptions {
  /** Devices as ModelOptions names them. */
  device: string;
  threads: number;
  repeat: number;
  precision: "auto" | "fast" | "exact";
  parts: readonly BenchPart[];
  /** Called with the name of each measurement when it starts. */
  onStep?: (text: string) => void;
  signal?: AbortSignal;
}

export interface BenchResult {
  model: { name: string; path: string; fileBytes: number; weightBytes: number };
  backend: string;
  threads: number;
  kvType: KvType;
  peaks: MachinePeaks;
  /** Mean of the bandwidths measured around decoding, in GB/s; 0 if decoding was not measured. */
  bandwidth: number;
  measurements: Measurement[];
  /** Peak memory of the process after one picture was answered, in bytes. */
  peakMemory: number;
}

const promptTokens = 74; // one picture of 2 x 3 cells and a short question (MODEL.md)
const clipTokens = 150;
const decodeSteps = 24;

/** Measures everything `owl3 bench` reports on the model at `path`. `afterOpen` may remove the file. */
export async function measureModel(
  path: string,
  options: BenchOptions,
  afterOpen: () => Promise<void> = async () => {},
): Promise<BenchResult> {
  const bench = await Bench.open(path, options);
  try {
    await afterOpen();
    return await bench.run();
  } finally {
    bench.dispose();
  }
}

type Limit = NonNullable<Measurement["limit"]>;

function limited(of: Limit["of"], reached: number, limit: number): Limit {
  return limit > 0 ? { of, reached, limit, share: reached / limit } : { of, reached };
}

/** The measurements of one opened model, which `owl3 bench` takes in a row and `tools/bench` in turn with other programs. */
export class Bench {
  readonly #config: NativeConfig;
  readonly #threads: number;
  readonly #list: Measurement[] = [];
  readonly #bandwidths: number[] = [];
  readonly #kvType: KvType;
  /** Whether the CPU alone computes; the limits of other devices are not measured. */
  readonly #hosted: boolean;
  #peaks: MachinePeaks = { int8: 0, bf16: 0, fp32: 0 };

  private constructor(
    readonly model: NativeModel,
    readonly file: GgufInfo,
    readonly options: BenchOptions,
    load: number,
  ) {
    this.#config = model.config;
    this.#threads = model.threads;
    this.#kvType = model.defaultKvType;
    this.#hosted = model.backend.startsWith("cpu") && !model.backend.includes(" + ");
    this.#list.push({ name: "load", unit: "ms", best: load, median: load });
  }

  static async open(path: string, options: BenchOptions): Promise<Bench> {
    const file = await nativeCall(() => native().readGguf(path));
    const started = performance.now();
    const { device, threads, precision } = options;
    const model = await nativeCall(() => native().openModel(path, { device, threads, precision }));
    return new Bench(model, file, options, performance.now() - started);
  }

  dispose(): void {
    this.model.dispose();
  }

  /** The measurements taken so far; loading comes first. */
  get measurements(): readonly Measurement[] {
    return this.#list;
  }

  async run(): Promise<BenchResult> {
    await this.measurePeaks();
    const only = (part: BenchPart, measure: () => Promise<void>) =>
      this.options.parts.includes(part) ? measure() : undefined;
    await only("picture", () => this.#picture());
    const peakMemory = process.resourceUsage().maxRSS * 1024; // taken before the measurements that are unlike a user's work
    await only("clip", () => this.#clip());
    await only("vision", async () => {
      for (const crops of [1, 7]) await this.vision(crops);
    });
    await only("prefill", async () => {
      for (const tokens of [74, 512]) await this.prefill(tokens);
    });
    await only("decode", async () => {
      for (const crops of [0, 7, 128]) await this.decode(crops);
    });
    return {
      model: {
        name: this.#config.name,
        path: this.file.path,
        fileBytes: this.file.fileBytes,
        weightBytes: this.model.weightBytes,
      },
      backend: this.model.backend,
      threads: this.#threads,
      kvType: this.#kvType,
      peaks: this.#peaks,
      bandwidth: this.#bandwidths.reduce((a, b) => a + b, 0) / Math.max(1, this.#bandwidths.length),
      measurements: this.#list,
      peakMemory,
    };
  }

  /** Measures the time to the first token for one picture of seven crops, from its pixels on. */
  async #picture(): Promise<void> {
    const [width, height] = [4032, 3024];
    const rgb = noise(width * height * 3);
    const cut = () => nativeCall(() => native().cutImage(rgb, width, height, this.#config.cropSize, [2, 3]));
    await this.#time("cut a 12 megapixel picture", "ms", cut);
    await this.#time("first token, one picture of 7 crops", "s", async () => {
      await this.#answer(await cut(), 7, promptTokens);
    });
  }

  async #clip(): Promise<void> {
    const frames = noise(16 * this.#config.cropSize ** 2 * 3);
    await this.#time("first token, 16 frames", "s", () => this.#answer(frames, 16, clipTokens), 1);
  }

  async #answer(crops: Uint8Array, n: number, tokens: number): Promise<void> {
    const embeds = await nativeCall(() => this.model.encode(crops, n));
    const session = this.#session(tokens);
    const sampler = native().createSampler(greedySampling);
    try {
      const sequence = session.create();
      const seen = media(embeds, n, tokens);
      await nativeCall(() =>
        session.advance([{ sequence, ids: ids(tokens, this.#config.vocabSize), media: seen, sampler }]),
      );
    } finally {
      session.dispose();
      embeds.dispose();
    }
  }

  /** Measures the rates of the machine, the limits of what is measured after it. */
  async measurePeaks(): Promise<MachinePeaks> {
    if (!this.#hosted) return this.#peaks;
    this.#step("peaks of the machine");
    this.#peaks = await nativeCall(() => native().measurePeaks(this.#threads));
    return this.#peaks;
  }

  /** Measures the seconds that each of n crops takes, encoded together. */
  async vision(n: number): Promise<Measurement> {
    const crops = noise(n * this.#config.cropSize ** 2 * 3);
    const encode = async () => (await nativeCall(() => this.model.encode(crops, n))).dispose();
    const m = await this.#time(`vision, ${n} crop${n > 1 ? "s" : ""}, each`, "s", encode, this.options.repeat, n);
    const operations = visionProducts(this.#config) + visionAttention(this.#config);
    this.#limit(m, this.#product("v.blk.0.ffn_up.weight"), operations);
    return m;
  }

  /** Measures how many tokens a second a prompt of n tokens takes. */
  async prefill(n: number): Promise<Measurement> {
    const session = this.#session(n);
    const sampler = native().createSampler(greedySampling);
    const m = await this.#time(`prefill, ${n} tokens`, "tok/s", async () => {
      const sequence = session.create();
      await nativeCall(() => session.advance([{ sequence, ids: ids(n, this.#config.vocabSize), sampler }]));
      session.remove(sequence);
    });
    session.dispose();
    this.#limit(m, this.#product("blk.0.ffn_up.weight"), prefillProducts(this.#config, n));
    this.#rate(m, n);
    return m;
  }

  /** Measures how many tokens a second are decoded one by one behind a prompt that shows so many crops. */
  async decode(crops: number): Promise<Measurement> {
    const embeds =
      crops > 0 ? await nativeCall(() => this.model.encode(noise(this.#config.cropSize ** 2 * 3), 1)) : undefined;
    const tokens = Math.max(promptTokens, crops + 10);
    const session = this.#session(tokens + decodeSteps * (this.options.repeat + 1) + 8);
    const sequence = session.create();
    const seen = embeds && Array.from({ length: crops }, (_, i) => ({ offset: i + 1, embeds, crop: 0 }));
    const sampler = native().createSampler(greedySampling);
    const prompt = { sequence, ids: ids(tokens, this.#config.vocabSize) };
    await nativeCall(() => session.advance([seen ? { ...prompt, media: seen } : prompt]));
    const before = await this.#bandwidth();
    const m = await this.#time(`decode, ${crops} crops in sight`, "tok/s", async () => {
      for (let i = 0; i < decodeSteps; i++)
        await nativeCall(() => session.advance([{ sequence, ids: ids(1, 1), sampler }]));
    });
    const bandwidth = (before + (await this.#bandwidth())) / 2;
    session.dispose();
    embeds?.dispose();
    const kvBytes = { f32: 4, f16: 2, q8_0: 34 / 32 }[this.#kvType];
    const bytes = decodeBytes(this.#config, this.model.tokenBytes, crops, tokens, kvBytes);
    const reached = (bytes * decodeSteps) / m.best / 1e9;
    m.limit = limited("bandwidth", reached, bandwidth);
    this.#rate(m, decodeSteps);
    return m;
  }

  #session(length: number) {
    return this.model.createSession({ contextLength: length + 8, kvType: this.#kvType, prefillChunk: 512 });
  }

  /** 0 where it would not be that of the device. */
  async #bandwidth(): Promise<number> {
    if (!this.#hosted) return 0;
    const rate = await nativeCall(() => native().measureBandwidth(this.#threads, 0.3));
    this.#bandwidths.push(rate);
    return rate;
  }

  /** The kind of products that a weight's format calls for. */
  #product(tensor: string): "int8" | "bf16" | "fp32" {
    const type = this.file.tensors.find(({ name }) => name === tensor)?.type ?? "F32";
    if (!isFloat(type) && this.options.precision !== "exact") return "int8";
    return type !== "F32" && this.options.precision !== "exact" && this.#peaks.bf16 > 0 ? "bf16" : "fp32";
  }

  #limit(m: Measurement, of: "int8" | "bf16" | "fp32", operations: number): void {
    if (this.#peaks[of] > 0 || !this.#hosted) m.limit = limited(of, operations / m.best, this.#peaks[of]);
  }

  /** Converts seconds to tokens a second. */
  #rate(m: Measurement, tokens: number): void {
    m.best = tokens / m.best;
    m.median = tokens / m.median;
  }

  async #time(
    name: string,
    unit: Measurement["unit"],
    work: () => Promise<unknown>,
    repeat = this.options.repeat,
    per = 1,
  ): Promise<Measurement> {
    this.#step(name);
    await work(); // the first run grows scratch and touches memory
    const times: number[] = [];
    for (let i = 0; i < repeat; i++) {
      this.options.signal?.throwIfAborted();
      const started = performance.now();
      await work();
      times.push((performance.now() - started) / (unit === "ms" ? 1 : 1000) / per);
    }
    times.sort((a, b) => a - b);
    const m: Measurement = { name, unit, best: times[0] ?? 0, median: times[times.length >> 1] ?? 0 };
    this.#list.push(m);
    return m;
  }

  #step(text: string): void {
    this.options.signal?.throwIfAborted();
    this.options.onStep?.(text);
  }
}

/** Makes n ids that are spread over the vocabulary. */
function ids(n: number, vocabulary: number): Int32Array {
  return Int32Array.from({ length: n }, (_, i) => (i * 7919) % vocabulary);
}

/** Places n crops evenly over the prompt. */
function media(embeds: NativeEmbeds, n: number, tokens: number) {
  return Array.from({ length: n }, (_, crop) => ({
    offset: Math.floor(((crop + 1) * tokens) / (n + 2)),
    embeds,
    crop,
  }));
}

/** Makes pseudo-random bytes, the same in every run, so that no shortcut profits from regular pixels. */
function noise(n: number): Uint8Array {
  const bytes = new Uint8Array(n);
  for (let i = 0, x = 1; i < n; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}
