import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { HubUnreachableError } from "../../../src/errors.js";
import { finishPull, pullModel } from "../../../src/models/pull.js";
import { FakeHub, noise, repo, sendJson, sha256 } from "../../support/hub.js";
import { atWeights, Pulling, total, weights } from "../../support/pulling.js";

const here = new Pulling("modelscope");
const record = () => JSON.parse(readFileSync(path.join(here.modelFolder, "pull.json"), "utf8"));

test("a pull is recorded by the hashes of its files, and made again when one of them has changed", async () => {
  const pulled = await here.pull();
  expect(pulled.sourceUrl).toBe(`${here.hub.url}/models/${repo}`);
  const { hub, revision, commit, files } = record();
  expect({ hub, revision, commit }).toEqual({ hub: "modelscope", revision: "master", commit: undefined });
  expect(files.find((file: { path: string }) => file.path === "model.safetensors")).toEqual({
    path: "model.safetensors",
    size: weights.length,
    hash: { kind: "sha256", hex: sha256(weights) },
  });
  writeFileSync(pulled.gguf, "GGUF");
  await finishPull(pulled);
  // A file that no conversion reads may change.
  here.hub.files["README.md"] = Buffer.from("changed");
  expect(await here.pull()).toMatchObject({ already: true, gguf: pulled.gguf });
  expect(here.hub.sent()).toBe(total);
  const changed = noise(weights.length, 5);
  here.hub.files["model.safetensors"] = changed;
  const again = await here.pull();
  expect(again).toMatchObject({ already: false, checkpoint: here.checkpoint });
  here.expectWhole();
  expect(here.hub.sent()).toBe(total + changed.length);
  expect(record().gguf).toEqual([]);
});

test("a file that changes while it is fetched is told, and not fetched again and again", async () => {
  const changed = noise(weights.length, 6);
  here.hub.trouble = ({ file }) => {
    if (file === "model.safetensors") here.hub.files["model.safetensors"] = changed;
    return false;
  };
  await expect(here.pull()).rejects.toThrow(
    /^model\.safetensors has changed since 127\S+ listed it: run the command again\.$/,
  );
  expect(here.hub.sent("model.safetensors")).toBe(weights.length);
  await here.pull();
  here.expectWhole();
});

test.each<[unknown, string | RegExp]>([
  [{ Code: 404, Success: false, Message: "not found" }, "has no someone/tiny-owl (master)."],
  [{ Code: 403, Success: false }, "needs a token in MODELSCOPE_API_TOKEN"],
  [
    { Code: 10010205001, Success: false, Message: "The model is\nunder review." },
    /^127\S+ refused someone\/tiny-owl \(master\): The model is under review\.$/,
  ],
  [{ Code: 1, Success: false, Message: { x: 1 } }, "refused someone/tiny-owl (master): it gives the code 1."],
  [{ Code: 1, Success: false, Message: "x".repeat(1e5) }, /: x{200}\.$/],
  [{ Code: 200, Success: "yes", Data: { Files: [] } }, "returned an unexpected response"],
  [{ Code: 200, Data: { Files: [] } }, "returned an unexpected response"],
  [{ Success: true }, "returned an unexpected response"],
  [[], "returned an unexpected response"],
])("a refusal with status 200 is an error: %j", async (value, message) => {
  here.hub.trouble = (_, res) => sendJson(res, value);
  await expect(here.pull()).rejects.toThrow(message);
  expect(here.hub.requests.length).toBe(1);
});

test.each([
  ["config.json", 2], // The length of the first one is not told, so it is taken for a file that broke off.
  ["model.safetensors", 1],
])("a refusal with status 200 in place of %s is an error and hardly tried again", async (name, requests) => {
  here.hub.trouble = ({ file }, res) =>
    file === name && sendJson(res, { Code: 1, Success: false, Message: "No more today" });
  await expect(here.pull({ connections: 1 })).rejects.toThrow(`refused ${name}: No more today.`);
  expect(here.hub.requests.filter(({ file }) => file === name).length).toBe(requests);
  expect(existsSync(path.join(here.checkpoint, name))).toBe(false);
});

test("a 503 in the body counts as one: it is tried again", async () => {
  let left = 2;
  here.hub.trouble = (_, res) => left-- > 0 && sendJson(res, { Code: 503, Success: false });
  await here.pull();
  here.expectWhole();
});

test("every file that is fetched has a sha256, others need none", async () => {
  const { Sha256: _, ...without } = here.hub.entry("README.md", Buffer.from("x")) as Record<string, unknown>;
  here.hub.listed.set("README.md", without);
  await here.pull();
  here.expectWhole();
  here.hub.listed.set("config.json", { ...without, Path: "config.json", Sha256: "" });
  await expect(here.pull()).rejects.toThrow(
    "ms:someone/tiny-owl lists config.json without a sha256, so that it can't be checked.",
  );
});

test("the address and the token are those of the environment, and the token goes nowhere else", async () => {
  const storage = await new FakeHub(here.hub.files, "modelscope").start();
  try {
    here.hub.trouble = ({ file, url }, res) =>
      file !== undefined && Boolean(res.writeHead(302, { location: storage.url + url }).end());
    const env = {
      MODELSCOPE_ENDPOINT: here.hub.url,
      MODELSCOPE_API_TOKEN: "t",
      HF_TOKEN: "no",
      OWL3_HUB: "modelscope",
    };
    await pullModel(repo, { type: "q8_0", folder: here.folder, env, pause: 1 });
    here.expectWhole();
    expect(new Set(here.hub.requests.map((r) => `${r.authorization} ${r.cookie}`))).toEqual(
      new Set(["Bearer t m_session_id=t"]),
    );
    expect(storage.requests.some((r) => r.authorization ?? r.cookie)).toBe(false);
  } finally {
    await storage.stop();
  }
  for (const token of ["a;b=c", "a\nb", 'a"', "a,b", "ä"])
    await expect(here.pull({ token })).rejects.toThrow("MODELSCOPE_API_TOKEN holds characters that are not allowed");
  await expect(here.pull({ endpoint: "", env: { MODELSCOPE_ENDPOINT: "modelscope.cn" } })).rejects.toThrow(
    'MODELSCOPE_ENDPOINT "modelscope.cn" is not an http or https address.',
  );
});

test("a prefix and the hub that is asked for must agree, and both hubs' models lie side by side", async () => {
  const options = { type: "q8_0", folder: here.folder, env: {}, endpoint: here.hub.url } as const;
  await expect(pullModel("ms:a/b", { ...options, hub: "hf" })).rejects.toMatchObject({
    message: '"ms:a/b" is a name of ModelScope, not of Hugging Face.',
    exitCode: 2,
  });
  await expect(pullModel("a/b", { ...options, env: { OWL3_HUB: "github" } })).rejects.toThrow("OWL3_HUB must be");
  expect((await pullModel(`ms:${repo}`, options)).folder).toBe(path.join(here.folder, "ms@someone--tiny-owl"));
  const other = await new FakeHub(here.hub.files).start();
  try {
    const pulled = await pullModel(repo, { ...options, endpoint: other.url });
    expect(pulled.folder).toBe(path.join(here.folder, "someone--tiny-owl"));
  } finally {
    await other.stop();
  }
});

test.each([
  ["hf", "7b", { hub: "ModelScope", name: "ms:iic/mPLUG-Owl3-7B-241101", certain: true }],
  ["modelscope", "2b", { hub: "Hugging Face", name: "hf:mPLUG/mPLUG-Owl3-2B-241014", certain: true }],
  ["modelscope", "a/b", { hub: "Hugging Face", name: "hf:a/b", certain: false }],
] as const)("a hub that is out of reach (%s, %s): the error names the other one", async (hub, name, elsewhere) => {
  const closed = await new FakeHub({}).start();
  await closed.stop();
  const failure = await here
    .pull()
    .then(() => pullModel(name, { type: "q8_0", hub, folder: here.folder, endpoint: closed.url, env: {}, pause: 1 }))
    .catch((error) => error);
  expect(failure).toBeInstanceOf(HubUnreachableError);
  expect(failure.message).toMatch(/^127\.0\.0\.1:\d+ can't be reached: the connection is refused\.$/);
  expect(failure.elsewhere).toEqual(elsewhere);
});

test("files that break off, or a hub that refuses, send nobody elsewhere", async () => {
  here.hub.trouble = atWeights(
    () => true,
    (_, res) => Boolean(res.writeHead(200, { "content-length": weights.length }).end("x")),
  );
  await expect(here.pull()).rejects.not.toBeInstanceOf(HubUnreachableError);
  here.hub.trouble = (_, res) => Boolean(res.writeHead(403).end());
  await expect(here.pull()).rejects.not.toBeInstanceOf(HubUnreachableError);
  here.hub.trouble = (_, res) => Boolean(res.writeHead(503).end());
  await expect(here.pull()).rejects.toBeInstanceOf(HubUnreachableError);
});
