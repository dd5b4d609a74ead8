import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { pullModel } from "../../../src/models/pull.js";
import { FakeHub, rangeOf, type Trouble } from "../../support/hub.js";
import { atWeights, kinds, Pulling, partSize, weights } from "../../support/pulling.js";

describe.each(kinds)("%s", (kind) => {
  const here = new Pulling(kind);
  const token = kind === "hf" ? "HF_TOKEN" : "MODELSCOPE_API_TOKEN";
  const revision = kind === "hf" ? "main" : "master";

  test("connections that are cut go on where they stopped", async () => {
    here.hub.trouble = atWeights(
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
    await here.pull();
    here.expectWhole();
    // A cut may lose what was on its way, not what had arrived.
    expect(here.hub.sent("model.safetensors")).toBeLessThan(1.9 * weights.length);
  });

  test("wrong bytes on the way: only the damaged file is fetched again, and only up to the damaged part", async () => {
    here.hub.trouble = atWeights(
      (n) => n === 3,
      (request, res, body, self) => {
        const wrong = Buffer.from(body);
        const { from } = rangeOf(request.range, body.length);
        wrong[from + 10] = (wrong[from + 10] as number) ^ 1;
        self.serve(request, res, "model.safetensors", wrong);
        return true;
      },
    );
    await here.pull();
    here.expectWhole();
    expect(here.hub.sent("model.safetensors")).toBeLessThanOrEqual(weights.length + 5 * partSize);
    expect(here.hub.sent("tokenizer.json")).toBe(200_000);
  });

  test("a hub whose bytes never match their hash is told, and leaves no file", async () => {
    here.hub.trouble = atWeights(
      () => true,
      (request, res, body, self) => {
        self.serve(request, res, "model.safetensors", Buffer.alloc(body.length, 7));
        return true;
      },
    );
    await expect(here.pull()).rejects.toThrow("model.safetensors arrives damaged each time");
    expect(existsSync(path.join(here.checkpoint, "model.safetensors"))).toBe(false);
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
    here.hub.trouble = atWeights((n) => n === 2, trouble);
    await here.pull();
    here.expectWhole();
    rmSync(here.modelFolder, { recursive: true });
    here.hub.trouble = atWeights(() => true, trouble);
    await expect(here.pull()).rejects.toThrow("model.safetensors");
    expect(existsSync(path.join(here.checkpoint, "model.safetensors"))).toBe(false);
  });

  test("404, 401 and nonsense are one sentence", async () => {
    await expect(
      pullModel("someone/else", { type: "q8_0", hub: kind, folder: here.folder, endpoint: here.hub.url, env: {} }),
    ).rejects.toThrow(`has no someone/else (${revision}).`);
    here.hub.trouble = (_request, res) => Boolean(res.writeHead(401).end());
    await expect(here.pull()).rejects.toThrow(`needs a token in ${token}`);
    here.hub.trouble = (_request, res) => Boolean(res.writeHead(200).end("<html>"));
    await expect(here.pull()).rejects.toThrow("returned an unexpected response");
    const closed = await new FakeHub({}).start();
    await closed.stop();
    await expect(here.pull({ endpoint: closed.url })).rejects.toThrow("can't be reached: the connection is refused.");
    await expect(here.pull({ endpoint: "ftp://x" })).rejects.toThrow(
      '_ENDPOINT "ftp://x" is not an http or https address.',
    );
  });

  test("429 waits as long as it is asked to, 5xx is tried again, but not for ever", async () => {
    let refusals = 0;
    let asked = 0;
    let again = 0;
    here.hub.trouble = atWeights(
      (n) => n === 0 || n === 1,
      (_request, res) => {
        if (refusals++ === 0) {
          asked = performance.now();
          return Boolean(res.writeHead(429, { "retry-after": "1" }).end());
        }
        return Boolean(res.writeHead(502).end());
      },
    );
    const inner = here.hub.trouble;
    here.hub.trouble = (request, ...rest) => {
      if (asked && !again && request.range?.startsWith("bytes=0-")) again = performance.now();
      return inner(request, ...rest);
    };
    await here.pull({ connections: 1 });
    here.expectWhole();
    expect(again - asked).toBeGreaterThan(900);
    here.hub.trouble = (_request, res) => Boolean(res.writeHead(503).end());
    await expect(here.pull()).rejects.toThrow("status 503");
  });

  test("redirects are followed, the token stays with the hub", async () => {
    const other = await new FakeHub(here.hub.files, kind).start();
    try {
      here.hub.trouble = (request, res) =>
        request.file !== undefined && Boolean(res.writeHead(302, { location: other.url + request.url }).end());
      await here.pull({ token: "secret" });
      here.expectWhole();
      expect(here.hub.requests.every((r) => r.authorization === "Bearer secret")).toBe(true);
      const cookie = kind === "modelscope" ? "m_session_id=secret" : undefined;
      expect(here.hub.requests.every((r) => r.cookie === cookie)).toBe(true);
      expect(other.requests.length).toBeGreaterThan(10);
      expect(other.requests.some((r) => r.authorization ?? r.cookie)).toBe(false);
    } finally {
      await other.stop();
    }
  });

  test("redirects in circles and to files are refused", async () => {
    here.hub.trouble = (request, res) => Boolean(res.writeHead(302, { location: request.url }).end());
    await expect(here.pull()).rejects.toThrow("more than 5 times");
    here.hub.trouble = (_request, res) => Boolean(res.writeHead(302, { location: "file:///etc/passwd" }).end());
    await expect(here.pull()).rejects.toThrow("not safe");
  });

  test("a link that falls silent is given up and tried again", async () => {
    here.hub.trouble = atWeights(
      (n) => n === 1,
      (request, res, body) => {
        const { from, to } = rangeOf(request.range, body.length);
        res.writeHead(206, { "content-length": to - from, "content-range": `bytes ${from}-${to - 1}/${body.length}` });
        res.write(body.subarray(from, from + 10));
        return true;
      },
    );
    await here.pull({ stall: 1000 });
    here.expectWhole();
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
      await here.pull({ env });
      here.expectWhole();
      expect(proxy.requests.length).toBe(here.hub.requests.length);
      expect(proxy.requests.every((r) => r.url.startsWith(`${here.hub.url}/`))).toBe(true);
      rmSync(here.modelFolder, { recursive: true });
      const before = proxy.requests.length;
      await here.pull({ env: { ...env, NO_PROXY: "127.0.0.1" } });
      here.expectWhole();
      expect(proxy.requests.length).toBe(before);
      // A proxy that hangs up on tunnels is given up.
      await expect(
        here.pull({ env: { HTTPS_PROXY: proxy.url }, endpoint: "https://hub.invalid", stall: 200 }),
      ).rejects.toThrow("hub.invalid can't be reached");
    } finally {
      await proxy.stop();
    }
  });
});
