import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listModels, removeModel } from "../../src/models/list.js";
import { finishPull, type PullOptions, pullModel } from "../../src/models/pull.js";
import { FakeHub, noise, rangeOf, repo, type Trouble } from "../support/hub.js";

const weights = noise(1_000_003);
const partSize = 65536;
let folder: string;
let hub: FakeHub;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "owl3-pull-"));
  hub = await new FakeHub({
    "config.json": Buffer.from('{"a": 1}'),
    "tokenizer.json": noise(200_000, 2),
    "model.safetensors": weights,
    "README.md": Buffer.from("not wanted"),
  }).start();
});
afterEach(async () => {
  await hub.stop();
  rmSync(folder, { recursive: true });
});

const checkpoint = () => path.join(folder, "someone--tiny-owl/checkpoint");
const pull = (options: Partial<PullOptions> = {}) =>
  pullModel(repo, {
    type: "q4_k_m",
    folder,
    endpoint: hub.url,
    env: {},
    pause: 1,
    stall: 30_000,
    partSize,
    ...options,
  });
const expectWhole = () => {
  for (const name of ["config.json", "tokenizer.json", "model.safetensors"])
    expect(Buffer.compare(readFileSync(path.join(checkpoint(), name)), hub.files[name] as Buffer)).toBe(0);
  expect(readdirSync(checkpoint()).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
};
/** Trouble with the n-th requests for the weights only. */
const atWeights = (which: (n: number) => boolean, trouble: Trouble): Trouble => {
  let n = 0;
  return (request, ...rest) => request.path.endsWith("/model.safetensors") && which(n++) && trouble(request, ...rest);
};
const total = () => weights.length + 200_000 + 8;

test("fetches what a conversion needs, in parts, with progress to the last byte", async () => {
  const seen: number[] = [];
  const pulled = await pull({ onProgress: (p) => seen.push(p.bytesDone / p.bytesTotal) });
  expectWhole();
  expect(pulled).toMatchObject({ repo, checkpoint: checkpoint(), already: false });
  expect(pulled.gguf).toBe(path.join(folder, "someone--tiny-owl/tiny-owl-q4_k_m.gguf"));
  expect(seen.at(-1)).toBe(1);
  expect(hub.sent()).toBe(total());
  expect(hub.requests.filter((r) => r.path.endsWith("/model.safetensors")).length).toBe(
    Math.ceil(weights.length / partSize),
  );
  expect(hub.requests.some((r) => r.path.endsWith("README.md"))).toBe(false);
});

test("a second pull fetches nothing; offline neither asks nor fetches", async () => {
  await pull();
  const sent = hub.sent();
  expect((await pull()).already).toBe(true);
  expect(hub.sent()).toBe(sent);
  const requests = hub.requests.length;
  expect((await pull({ offline: true })).checkpoint).toBe(checkpoint());
  expect((await pull({ env: { HF_HUB_OFFLINE: "1" } })).checkpoint).toBe(checkpoint());
  expect(hub.requests.length).toBe(requests);
  rmSync(path.join(checkpoint(), "config.json"));
  await expect(pull({ offline: true })).rejects.toThrow("config.json is not here, and nothing is fetched offline.");
});

test("connections that are cut go on where they stopped", async () => {
  hub.trouble = atWeights(
    (n) => n % 3 !== 2,
    (request, res, body) => {
      const { from, to } = rangeOf(request.range, body.length);
      res.writeHead(206, { "content-length": to - from, "content-range": `bytes ${from}-${to - 1}/${body.length}` });
      const half = body.subarray(from, from + Math.ceil((to - from) / 2));
      request.sent += half.length;
      res.write(half, () => res.destroy());
      return true;
    },
  );
  await pull();
  expectWhole();
  // A cut may lose what was on its way, not what had arrived.
  expect(hub.sent("model.safetensors")).toBeLessThan(1.9 * weights.length);
});

test("wrong bytes on the way: only the damaged file is fetched again, and only up to the damaged part", async () => {
  hub.trouble = atWeights(
    (n) => n === 3,
    (request, res, body, self) => {
      const wrong = Buffer.from(body);
      const { from } = rangeOf(request.range, body.length);
      wrong[from + 10] = (wrong[from + 10] as number) ^ 1;
      self.serve(request, res, "model.safetensors", wrong);
      return true;
    },
  );
  await pull();
  expectWhole();
  expect(hub.sent("model.safetensors")).toBeLessThanOrEqual(weights.length + 5 * partSize);
  expect(hub.sent("tokenizer.json")).toBe(200_000);
});

test("a hub whose bytes never match their hash is told, and leaves no file", async () => {
  hub.trouble = atWeights(
    () => true,
    (request, res, body, self) => {
      self.serve(request, res, "model.safetensors", Buffer.alloc(body.length, 7));
      return true;
    },
  );
  await expect(pull()).rejects.toThrow("model.safetensors arrives damaged each time");
  expect(existsSync(path.join(checkpoint(), "model.safetensors"))).toBe(false);
});

test.each<[string, Trouble]>([
  [
    "a short body",
    (_request, res) => Boolean(res.writeHead(206, { "content-range": "x", "content-length": 5 }).end("short")),
  ],
  [
    "no range",
    (request, res, body, self) => {
      self.serve({ ...request, range: undefined }, res, "model.safetensors", body);
      return true;
    },
  ],
  [
    "another range",
    (request, res, body) => {
      const { from, to } = rangeOf(request.range, body.length);
      const headers = { "content-range": `bytes ${from + 1}-${to}/${body.length}`, "content-length": to - from };
      return Boolean(res.writeHead(206, headers).end(body.subarray(from, to)));
    },
  ],
  [
    "more bytes than asked",
    (request, res, body) => {
      const { from, to } = rangeOf(request.range, body.length);
      res.writeHead(206, { "content-range": `bytes ${from}-${to - 1}/${body.length}` });
      return Boolean(res.end(Buffer.concat([body.subarray(from, to), Buffer.from("more")])));
    },
  ],
])("wrong lengths: %s, once, does no harm; always, is an error", async (_name, trouble) => {
  hub.trouble = atWeights((n) => n === 2, trouble);
  await pull();
  expectWhole();
  rmSync(path.join(folder, "someone--tiny-owl"), { recursive: true });
  hub.trouble = atWeights(() => true, trouble);
  await expect(pull()).rejects.toThrow("model.safetensors");
  expect(existsSync(path.join(checkpoint(), "model.safetensors"))).toBe(false);
});

test("404, 401 and nonsense are one sentence", async () => {
  await expect(pullModel("someone/else", { type: "q8_0", folder, endpoint: hub.url, env: {} })).rejects.toThrow(
    /has no someone\/else \(main\)\.$/,
  );
  hub.trouble = (_request, res) => Boolean(res.writeHead(401).end());
  await expect(pull()).rejects.toThrow("needs a token in HF_TOKEN");
  hub.trouble = (_request, res) => Boolean(res.writeHead(200).end("<html>"));
  await expect(pull()).rejects.toThrow("makes no sense");
  const closed = await new FakeHub({}).start();
  await closed.stop();
  await expect(pull({ endpoint: closed.url })).rejects.toThrow("can't be reached: the connection is refused.");
  await expect(pull({ endpoint: "ftp://x" })).rejects.toThrow("HF_ENDPOINT");
});

test("429 waits as long as it is asked to, 5xx is tried again, but not for ever", async () => {
  let refusals = 0;
  let asked = 0;
  let again = 0;
  hub.trouble = atWeights(
    (n) => n === 0 || n === 1,
    (_request, res) => {
      if (refusals++ === 0) {
        asked = performance.now();
        return Boolean(res.writeHead(429, { "retry-after": "1" }).end());
      }
      return Boolean(res.writeHead(502).end());
    },
  );
  const inner = hub.trouble;
  hub.trouble = (request, ...rest) => {
    if (asked && !again && request.range?.startsWith("bytes=0-")) again = performance.now();
    return inner(request, ...rest);
  };
  await pull({ connections: 1 });
  expectWhole();
  expect(again - asked).toBeGreaterThan(900);
  hub.trouble = (_request, res) => Boolean(res.writeHead(503).end());
  await expect(pull()).rejects.toThrow("status 503");
});

test("redirects are followed, the token stays with the hub", async () => {
  const other = await new FakeHub(hub.files).start();
  try {
    hub.trouble = (request, res) =>
      request.path.includes("/resolve/") && Boolean(res.writeHead(302, { location: other.url + request.path }).end());
    await pull({ token: "hf_secret" });
    expectWhole();
    expect(hub.requests.every((r) => r.authorization === "Bearer hf_secret")).toBe(true);
    expect(other.requests.length).toBeGreaterThan(10);
    expect(other.requests.some((r) => r.authorization)).toBe(false);
  } finally {
    await other.stop();
  }
});

test("redirects in circles and to files are refused", async () => {
  hub.trouble = (request, res) => Boolean(res.writeHead(302, { location: request.path }).end());
  await expect(pull()).rejects.toThrow("in circles");
  hub.trouble = (_request, res) => Boolean(res.writeHead(302, { location: "file:///etc/passwd" }).end());
  await expect(pull()).rejects.toThrow("not safe");
});

test("a link that falls silent is given up and tried again", async () => {
  hub.trouble = atWeights(
    (n) => n === 1,
    (request, res, body) => {
      const { from, to } = rangeOf(request.range, body.length);
      res.writeHead(206, { "content-length": to - from, "content-range": `bytes ${from}-${to - 1}/${body.length}` });
      res.write(body.subarray(from, from + 10));
      return true;
    },
  );
  await pull({ stall: 1000 });
  expectWhole();
});

test("too little free disk is said before anything is fetched", async () => {
  await expect(pull({ freeBytes: async () => 1_000_000 })).rejects.toThrow(
    /needs 0\.002 GB more in .*, where 0\.001 GB are free/,
  );
  expect(hub.sent()).toBe(0);
});

test("names from the hub never leave the folder", async () => {
  for (const name of ["../../evil.gguf", "/etc/x.gguf", "a/../../x.gguf", "..\\x.gguf", ".hidden.gguf", "con.gguf"]) {
    hub.files = { [name]: Buffer.from("x") };
    await expect(pull()).rejects.toThrow("which is no name for a file here");
  }
  await expect(pullModel("../x/y", { type: "q8_0", folder, env: {} })).rejects.toThrow("names no model");
  await expect(pullModel("a/..", { type: "q8_0", folder, env: {} })).rejects.toThrow("names no model");
  expect(readdirSync(folder)).toEqual(["someone--tiny-owl"]);
});

test("ready GGUF files are taken as they are: by type, by name, or the only one", async () => {
  hub.files = { "owl-Q4_K_M.gguf": noise(1000), "owl-Q8_0.gguf": noise(2000) };
  const pulled = await pull();
  expect(pulled.checkpoint).toBeUndefined();
  expect(path.basename(pulled.gguf)).toBe("owl-Q4_K_M.gguf");
  expect(readFileSync(pulled.gguf).length).toBe(1000);
  expect((await pull()).already).toBe(true);
  expect(path.basename((await pull({ file: "owl-Q8_0.gguf" })).gguf)).toBe("owl-Q8_0.gguf");
  await expect(pull({ type: "f16" })).rejects.toThrow("2 GGUF files: name one with --file");
  await expect(pull({ file: "none.gguf" })).rejects.toThrow("no GGUF file");
  hub.files = { "README.md": Buffer.from("x") };
  await expect(pull()).rejects.toThrow("neither a safetensors checkpoint nor a GGUF file");
});

test("what was damaged on the disk between two runs is found and fetched again, and no more", async () => {
  let n = 0;
  hub.trouble = (request, res) =>
    request.path.endsWith("/model.safetensors") && n++ >= 8 && Boolean(res.writeHead(403).end());
  await expect(pull({ connections: 1 })).rejects.toThrow("does not give model.safetensors");
  const part = path.join(checkpoint(), "model.safetensors.part");
  const state = JSON.parse(readFileSync(`${part}.json`, "utf8"));
  const here = state.parts.filter(Boolean).length;
  expect(here).toBeGreaterThan(3);
  const bytes = readFileSync(part);
  bytes[partSize + 5] = (bytes[partSize + 5] as number) ^ 255;
  writeFileSync(part, bytes);
  hub.trouble = () => false;
  const before = hub.sent("model.safetensors");
  await pull();
  expectWhole();
  expect(hub.sent("model.safetensors") - before).toBe(weights.length - here * partSize + partSize);
});

test("a file that changes on the hub begins anew; nonsense notes are ignored", async () => {
  let n = 0;
  hub.trouble = (request, res) =>
    request.path.endsWith("/model.safetensors") && n++ >= 4 && Boolean(res.writeHead(403).end());
  await expect(pull({ connections: 1 })).rejects.toThrow();
  hub.trouble = () => false;
  hub.files["model.safetensors"] = noise(weights.length, 99);
  await pull();
  expectWhole();
  rmSync(path.join(checkpoint(), "model.safetensors"));
  writeFileSync(path.join(checkpoint(), "model.safetensors.part"), "xx");
  writeFileSync(path.join(checkpoint(), "model.safetensors.part.json"), '{"size": 1000003, "parts": 7}');
  writeFileSync(path.join(folder, "someone--tiny-owl/pull.json"), "{");
  await pull();
  expectWhole();
});

test("two at once: the second is told; a lock of a dead process is taken over", async () => {
  hub.trouble = async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return false;
  };
  const first = pull();
  await new Promise((resolve) => setTimeout(resolve, 10));
  await expect(pull()).rejects.toThrow(`another owl3 (process ${process.pid})`);
  await first;
  writeFileSync(path.join(folder, "someone--tiny-owl/pull.lock"), "999999999");
  await pull();
});

test("aborting stops, and a later run goes on", async () => {
  const controller = new AbortController();
  await expect(
    pull({ signal: controller.signal, onProgress: (p) => p.bytesDone > 500_000 && controller.abort() }),
  ).rejects.toThrow();
  await pull();
  expectWhole();
});

test("models are listed and removed, conversions noted", async () => {
  expect(await listModels(path.join(folder, "none"))).toEqual([]);
  const pulled = await pull();
  expect(await listModels(folder)).toMatchObject([{ name: repo, partial: true, gguf: [] }]);
  writeFileSync(pulled.gguf, "GGUF");
  await finishPull(pulled, { deleteSource: true });
  expect(existsSync(checkpoint())).toBe(false);
  expect(await listModels(folder)).toMatchObject([
    { name: repo, partial: false, gguf: [{ path: pulled.gguf, bytes: 4 }] },
  ]);
  const sent = hub.sent();
  expect(await pull()).toMatchObject({ already: true, gguf: pulled.gguf });
  expect(await pull({ offline: true })).toMatchObject({ already: true });
  expect(hub.sent()).toBe(sent);
  await removeModel(repo, folder);
  expect(readdirSync(folder)).toEqual([]);
  await expect(removeModel(repo, folder)).rejects.toThrow("is not in");
});

test("a proxy of the environment is used, unless NO_PROXY names the host", async () => {
  const proxy = await new FakeHub({}).start();
  try {
    proxy.trouble = async (request, res) => {
      // A proxy is asked for the whole address.
      const answer = await fetch(request.url, { headers: request.range ? { range: request.range } : {} });
      const headers = Object.fromEntries(
        ["content-range", "etag"].map((name) => [name, answer.headers.get(name) ?? "-"]),
      );
      res.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()));
      return true;
    };
    const env = { HTTP_PROXY: proxy.url };
    await pull({ env });
    expectWhole();
    expect(proxy.requests.length).toBe(hub.requests.length);
    expect(proxy.requests.every((r) => r.url.startsWith(`${hub.url}/`))).toBe(true);
    rmSync(path.join(folder, "someone--tiny-owl"), { recursive: true });
    const before = proxy.requests.length;
    await pull({ env: { ...env, NO_PROXY: "127.0.0.1" } });
    expectWhole();
    expect(proxy.requests.length).toBe(before);
    // A proxy that hangs up on tunnels is given up.
    await expect(
      pull({ env: { HTTPS_PROXY: proxy.url }, endpoint: "https://hub.invalid", stall: 200 }),
    ).rejects.toThrow("hub.invalid can't be reached");
  } finally {
    await proxy.stop();
  }
});
