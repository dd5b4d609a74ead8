import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { beforeAll, describe, expect, test } from "vitest";
import { greedySampling } from "../../src/decode/sampling.js";
import type { NativeModel } from "../../src/native/model.js";
import { native } from "../../src/native/native.js";
import type { AdvancePart, MediaSlot } from "../../src/native/session.js";
import { root, temporaryFolder } from "../support/files.js";
import { converter, session } from "../support/model.js";

const convertedTo = converter("random/few-kv-heads/model");
const folder = temporaryFolder();
const addon = join(root, "build/Release/owl3.node");
let path: string;
let model: NativeModel;
beforeAll(async () => {
  path = await convertedTo("q8_0");
  model = await native().openModel(path, { threads: 2 });
});

const pixels = (n: number) => new Uint8Array(n * 3 * model.config.cropSize ** 2).fill(100);
const long = Int32Array.from({ length: 500 }, (_, i) => i % 256);
const code = (error: unknown) => (error as { code?: string }).code;

describe("dispose", () => {
  test("twice is fine, and any use after it is an error", async () => {
    const other = await native().openModel(path, {});
    const embeds = await other.encode(pixels(1), 1);
    const s = session(other);
    const sequence = s.create();
    for (const thing of [s, embeds, other]) {
      thing.dispose();
      thing.dispose();
    }
    const uses = [
      () => other.config,
      () => other.plan({ contextLength: 8, crops: 0, sequences: 1, kvType: "f32", prefillChunk: 8 }),
      () => other.encode(pixels(1), 1),
      () => other.createSession({ contextLength: 8, kvType: "f32", prefillChunk: 8 }),
      () => embeds.crops,
      () => embeds.toFloat32(),
      () => s.create(),
      () => s.length(sequence),
      () => s.advance([{ sequence, ids: long }]),
      () => s.bytes,
      () => s.pagesInUse,
    ];
    for (const use of uses) expect(use).toThrow(/disposed of/);
  });

  // A file is mapped as long as the model's memory is there.
  test.skipIf(process.platform !== "linux")("gives the memory back at once, without a garbage collection", async () => {
    const copy = join(folder, "own.gguf");
    copyFileSync(path, copy);
    const mapped = () => readFileSync("/proc/self/maps", "utf8").includes(copy);
    const other = await native().openModel(copy, { threads: 1 });
    const embeds = await other.encode(pixels(1), 1);
    const [idle, asked] = [session(other), session(other)];
    await asked.advance([{ sequence: asked.create(), ids: long, media: [{ offset: 3, embeds, crop: 0 }] }]);
    for (const thing of [other, embeds, idle]) thing.dispose();
    expect(mapped()).toBe(true); // the session that is left can go on
    asked.dispose();
    expect(mapped()).toBe(false);
  });

  test("during a call takes effect when the call ends", async () => {
    const s = session(model);
    const running = s.advance([{ sequence: s.create(), ids: long }]);
    s.dispose();
    await running;
    expect(() => s.create()).toThrow(/disposed of/);
  });

  test("of the model leaves its sessions and embeddings usable", async () => {
    const other = await native().openModel(path, {});
    const embeds = await other.encode(pixels(1), 1);
    const s = session(other);
    other.dispose();
    const sequence = s.create();
    await s.advance([{ sequence, ids: Int32Array.of(1, 2), media: [{ offset: 1, embeds, crop: 0 }] }]);
    expect(s.length(sequence)).toBe(2);
    s.dispose();
    embeds.dispose();
  });

  test("of the model during encode lets it finish", async () => {
    const other = await native().openModel(path, {});
    const encoding = other.encode(pixels(3), 3);
    other.dispose();
    expect((await encoding).crops).toBe(3);
  });
});

describe("calls", () => {
  test("a second one while one runs is an error, and the first is unharmed", async () => {
    const s = session(model);
    const sequence = s.create();
    const running = s.advance([{ sequence, ids: long }]);
    const second = [
      () => s.advance([{ sequence, ids: long }]),
      () => s.create(),
      () => s.fork(sequence),
      () => s.remove(sequence),
      () => s.length(sequence),
      () => s.truncate(sequence, 0),
      () => s.bytes,
      () => s.pagesInUse,
    ];
    for (const call of second) expect(call).toThrow(/still running/);
    await running;
    expect(s.length(sequence)).toBe(500);
    const sampler = native().createSampler(greedySampling);
    const drawing = s.advance([{ sequence, ids: Int32Array.of(1), sampler }]);
    expect(() => sampler.reset(long)).toThrow(/still drawing/);
    const other = session(model);
    const elsewhere = { sequence: other.create(), ids: Int32Array.of(1), sampler };
    expect(() => other.advance([elsewhere])).toThrow(/still drawing/);
    await drawing;
    expect((await other.advance([elsewhere]))[0]?.drawn[0]?.id).toBeTypeOf("number");
    const both = [s.create(), s.create()].map((one) => ({ sequence: one, ids: Int32Array.of(1), sampler }));
    expect(() => s.advance(both)).toThrow(/still drawing/); // one sampler for two parts
    s.dispose();
    other.dispose();
  });

  test("of the vision tower tell how far they are, layer by layer, and nothing when none runs", async () => {
    // It takes long enough for a look in between.
    const demo = await native().openModel(join(root, "models/owl3-demo.gguf"), { threads: 2 });
    expect(demo.encodedShare).toBe(0);
    const shares: number[] = [];
    let running = true;
    const encoded = demo.encode(new Uint8Array(24 * 3 * demo.config.cropSize ** 2), 24).finally(() => {
      running = false;
    });
    while (running) {
      shares.push(demo.encodedShare);
      await new Promise((resolve) => setImmediate(resolve));
    }
    (await encoded).dispose();
    expect(demo.encodedShare).toBe(0);
    const between = shares.filter((share) => share > 0 && share < 1);
    expect(between.length).toBeGreaterThan(0);
    expect(between).toEqual([...between].sort((a, b) => a - b));
    demo.dispose();
  });

  test("of several sessions and models at once wait for each other and agree", async () => {
    const other = await native().openModel(path, { threads: 3 });
    const sessions = [session(model), session(model), session(other), session(other)];
    const all = await Promise.all(sessions.map((s) => s.advance([{ sequence: s.create(), ids: long, logits: true }])));
    const rows = all.map(([after]) => after?.logits);
    for (const row of rows) expect(row).toEqual(rows[0]);
    for (const s of sessions) s.dispose();
    other.dispose();
  });

  test("that fail leave the session as it was", async () => {
    const s = session(model, { contextLength: 510 });
    const sequence = s.create();
    await s.advance([{ sequence, ids: long }]);
    const embeds = await model.encode(pixels(1), 1);
    const vocab = model.config.vocabSize;
    const held = [s.pagesInUse, s.bytes];
    const append = (ids: Int32Array, media: MediaSlot[] = []) => s.advance([{ sequence, ids, media }]);
    const one = { sequence, ids: Int32Array.of(1) };
    const bad: [() => Promise<unknown>, RegExp][] = [
      [() => append(Int32Array.of(vocab)), /token id 300 is not among the 300 rows/],
      [() => append(Int32Array.of(-1)), /token id -1/],
      [() => append(Int32Array.of()), /at least one id/],
      [() => append(long), /context of 510 positions is full: 500 are taken and 500 more/],
      [() => append(long.subarray(0, 2), [{ offset: 499, embeds, crop: 0 }]), /offset 499 lies outside/],
      [() => append(long.subarray(0, 2), [{ offset: 502, embeds, crop: 0 }]), /offset 502 lies outside/],
      [() => append(long.subarray(0, 2), [{ offset: 500, embeds, crop: 1 }]), /crop does not exist/],
      [() => s.advance([{ sequence: 99, ids: long.subarray(0, 2) }]), /no sequence 99/],
      [() => s.advance([]), /at least one part/],
      [() => s.advance([one, one]), /twice/],
      [
        () => s.advance([one, ...[500, 12].map((n) => ({ sequence: s.create(), ids: new Int32Array(n) }))]),
        /takes 1 to 512 ids/,
      ],
    ];
    for (const [call, message] of bad) {
      const error = await call().then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(code(error)).toBe("invalid_argument");
      expect((error as Error).message).toMatch(message);
    }
    expect(s.length(sequence)).toBe(500);
    expect([s.pagesInUse, s.bytes]).toEqual(held);
    const whole = session(model);
    const fresh = { sequence: whole.create(), ids: Int32Array.of(...long, 1), logits: true };
    expect(await s.advance([{ ...one, logits: true }])).toEqual(await whole.advance([fresh]));
    whole.dispose();
    s.dispose();
    embeds.dispose();
  });

  test("that need more pages than there are leave the session as it was", async () => {
    const { kvType, page, pagePositions } = { kvType: "f16" as const, ...model.kvBytes("f16") };
    const s = model.createSession({ contextLength: 510, kvType, prefillChunk: 510, pages: 3 });
    const [a, b] = [s.create(), s.create()];
    await s.advance([{ sequence: a, ids: long.subarray(0, 2 * pagePositions) }]);
    expect([s.pagesInUse, s.bytes]).toEqual([2, 2 * page]);
    const parts = [a, b].map((sequence) => ({ sequence, ids: Int32Array.of(1) }));
    const error = await s.advance(parts).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(code(error)).toBe("out_of_memory");
    expect([s.pagesInUse, s.length(a), s.length(b)]).toEqual([2, 2 * pagePositions, 0]);
    await s.advance([parts[1] as AdvancePart]);
    s.remove(a);
    expect(s.pagesInUse).toBe(1);
    s.dispose();
  });

  test("with the wrong kind of argument are errors, never crashes", async () => {
    const s = session(model);
    const bind = native() as unknown as Record<string, (...a: unknown[]) => unknown>;
    const odd = [undefined, null, 3, "x", {}, [], new Float64Array(2), () => 1, Symbol("x"), 10n];
    const loose = (target: object, name: string) =>
      (target as Record<string, (...a: unknown[]) => unknown>)[name]?.bind(target) as (...a: unknown[]) => unknown;
    const methods = [
      ...["create", "fork", "remove", "length", "truncate", "advance"]
        .filter((name) => name !== "create")
        .map((name) => loose(s, name)),
      ...["plan", "encode", "embedsFrom", "createSession"].map((name) => loose(model, name)),
      loose(bind, "createSampler"),
    ];
    for (const method of methods)
      for (const value of odd) await expect((async () => method(value, value, value))()).rejects.toThrow();
    await expect((async () => bind.openModel?.(42))()).rejects.toThrow();
    await expect((async () => bind.openModel?.(path, { threads: -1 }))()).rejects.toThrow(/threads/);
    await expect(native().openModel("/nowhere/x.gguf", {})).rejects.toThrow(/no such file/);
    await expect((async () => bind.openModel?.(path, {}, model))()).rejects.toThrow(/loading/);
    expect(() => new (s.constructor as new (x: number) => unknown)(1)).toThrow();
    const stolen = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(s), "create")?.value as () => void;
    const embeds = await model.encode(pixels(2), 2);
    const values = embeds.toFloat32();
    const into = new Float32Array(values.length);
    expect(embeds.toFloat32(into)).toBe(into);
    expect(into).toEqual(values);
    for (const value of [null, 3, "x", {}, new Float32Array(values.length - 1), new Int32Array(values.length)])
      expect(() => embeds.toFloat32(value as Float32Array)).toThrow(/Float32Array of/);
    embeds.dispose();
    for (const thief of [{}, model, Object.create(Object.getPrototypeOf(s))])
      expect(() => stolen.call(thief)).toThrow();
    s.dispose();
  });
});

/** Runs a script with the addon as `owl` and a model file as `path`. */
function run(script: string, ...flags: string[]) {
  const file = join(folder, `script${Math.random()}.cjs`);
  writeFileSync(
    file,
    `const owl = require(${JSON.stringify(addon)}); const path = ${JSON.stringify(path)};
     const crops = (m, n) => new Uint8Array(n * 3 * m.config.cropSize ** 2);
     const open = () => owl.openModel(path, { threads: 2 });
     const session = (m) => m.createSession({ contextLength: 4096, kvType: "f32", prefillChunk: 4096 });
     const long = new Int32Array(3000);
     (async () => { ${script} })();`,
  );
  return spawnSync(process.execPath, [...flags, file], { encoding: "utf8", timeout: 60_000 });
}

describe("the end of a process", () => {
  test.each([
    [
      "with everything left open",
      `const m = await open(); const s = session(m); s.create(); const e = await m.encode(crops(m, 1), 1);`,
    ],
    [
      "while encode runs",
      `const m = await open(); m.encode(crops(m, 600), 600); setTimeout(() => process.exit(0), 20);`,
    ],
    [
      "while prefill runs",
      `const m = await open(); const s = session(m); s.advance([{ sequence: s.create(), ids: long }]); process.exit(0);`,
    ],
    ["while a model is being opened", `owl.openModel(path, {}); process.exit(0);`],
  ])("%s is clean", (_, script) => {
    const { status, signal, stderr } = run(script);
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
  });

  test("objects that nobody disposed of are collected with their memory", () => {
    const { stdout, stderr, status } = run(
      `const m = await open();
       const round = async () => { for (let i = 0; i < 80; i++) { const e = m.embedsFrom(new Float32Array(200 * m.config.cropTokens * m.config.hiddenSize), 200); void e; } };
       for (let i = 0; i < 5; i++) { await round(); globalThis.gc(); await new Promise((r) => setTimeout(r, 20)); }
       console.log(process.memoryUsage().rss / 2 ** 20);`,
      "--expose-gc",
    );
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    expect(Number(stdout)).toBeLessThan(400); // all 400 would hold 490 MB
  });
});

describe("worker threads", () => {
  const inWorker = (script: string) =>
    new Worker(
      `const { parentPort } = require("node:worker_threads");
       const owl = require(${JSON.stringify(addon)}); const path = ${JSON.stringify(path)};
       const crops = (m, n) => new Uint8Array(n * 3 * m.config.cropSize ** 2);
       (async () => { const m = await owl.openModel(path, { threads: 2 }); ${script} })();`,
      { eval: true },
    );

  test("compute what the main thread computes", async () => {
    const worker = inWorker(
      `const s = m.createSession({ contextLength: 64, kvType: "f32", prefillChunk: 64 });
       const [after] = await s.advance([{ sequence: s.create(), ids: Int32Array.of(1, 2, 3), logits: true }]);
       parentPort.postMessage(after.logits);`,
    );
    const row = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    const s = session(model, { kvType: "f32" });
    const [after] = await s.advance([{ sequence: s.create(), ids: Int32Array.of(1, 2, 3), logits: true }]);
    expect(row).toEqual(after?.logits);
    s.dispose();
    await worker.terminate();
  });

  test("may be ended while work runs", async () => {
    const worker = inWorker(`parentPort.postMessage("start"); await m.encode(crops(m, 600), 600);`);
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    expect(await worker.terminate()).toBe(1);
    const s = session(model); // the addon still works here
    await s.advance([{ sequence: s.create(), ids: Int32Array.of(1) }]);
    s.dispose();
  });
});
