import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { sendJson, sha256 } from "../../support/hub.js";
import { kinds, Pulling, weights } from "../../support/pulling.js";

// Listings that no honest hub sends.
describe.each(kinds)("%s", (kind) => {
  const here = new Pulling(kind);
  const hf = kind === "hf";
  const isListing = (address: string) => /\/(tree\/[0-9a-f]{40}|repo\/files)$/.test(address);
  const all = (files: unknown) => (hf ? files : { Code: 200, Success: true, Data: { Files: files } });
  const entry = (path: unknown, size: unknown = 5) =>
    hf
      ? { type: "file", path, size, oid: "a".repeat(40) }
      : { Type: "blob", Path: path, Size: size, Sha256: "a".repeat(64) };
  const nested = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;

  test.each<[string, unknown]>([
    ["nothing", null],
    ["text", "files"],
    ["files that are no list", all({ 0: entry("config.json") })],
    ["an entry that is nothing", all([null])],
    ["an entry of an unknown kind", all([hf ? { ...entry("x"), type: "link" } : { ...entry("x"), Type: "link" }])],
    ["a path that is a number", all([entry(7)])],
    ["an empty path", all([entry("")])],
    ["a path of 1001 characters", all([entry("x".repeat(1001))])],
    ["a size below zero", all([entry("config.json", -1)])],
    ["a size that is text", all([entry("config.json", "5")])],
    ["a size past all disks", all([entry("config.json", 1e300)])],
    ["a size with a fraction", all([entry("config.json", 1.5)])],
    ["a file that is there twice", all([entry("config.json"), entry("model.safetensors"), entry("model.safetensors")])],
    ["10,001 files", all(Array.from({ length: 10_001 }, (_, i) => entry(`${i}.txt`)))],
  ])("%s is an unexpected response, and no folder is left", async (_, value) => {
    here.hub.trouble = ({ path: address }, res) => isListing(address) && sendJson(res, value);
    await expect(here.pull()).rejects.toThrow(/^127\.0\.0\.1:\d+ returned an unexpected response for /);
    expect(here.hub.requests.filter((request) => isListing(request.path)).length).toBe(1);
    expect(readdirSync(here.folder)).toEqual([]);
  });

  test("JSON that is nested without measure is one sentence", async () => {
    here.hub.trouble = ({ path: address }, res) => isListing(address) && Boolean(res.writeHead(200).end(nested));
    await expect(here.pull()).rejects.toThrow("returned an unexpected response");
  });

  test("a listing without an end is cut off", async () => {
    let sent = 0;
    here.hub.trouble = ({ path: address }, res) => {
      if (!isListing(address)) return false;
      res.writeHead(200, { "content-type": "application/json" }).write("[");
      const more = () => {
        for (let going = true; going && !res.destroyed; sent++) going = res.write(" ".repeat(2 ** 20));
        if (!res.destroyed) res.once("drain", more);
      };
      more();
      return true;
    };
    await expect(here.pull()).rejects.toThrow("returned an unexpected response");
    expect(sent).toBeLessThan(64);
  });

  test.runIf(hf)("pages without an end are cut off", async () => {
    let page = 0;
    here.hub.trouble = ({ path: address, url }, res) => {
      if (!isListing(address)) return false;
      const link = `<${here.hub.url}${url}>; rel="next"`;
      res.writeHead(200, { link }).end(JSON.stringify([entry(`${page++}.txt`)]));
      return true;
    };
    await expect(here.pull()).rejects.toThrow("returned an unexpected response for the files of");
    expect(page).toBeLessThan(200);
  });

  test("a config.json without an end is cut off at its listed size", async () => {
    here.hub.trouble = ({ file }, res) => {
      if (file !== "config.json") return false;
      const more = () => {
        while (!res.destroyed && res.write("x".repeat(65_536)));
        if (!res.destroyed) res.once("drain", more);
      };
      res.writeHead(200);
      more();
      return true;
    };
    await expect(here.pull()).rejects.toThrow("sent more of config.json than was requested.");
    expect(here.hub.sent("model.safetensors")).toBe(0);
    expect(readdirSync(here.folder)).toEqual([]);
  });

  test("a listing without model.safetensors says so", async () => {
    const { "model.safetensors": _, ...others } = here.hub.files;
    here.hub.files = others;
    await expect(here.pull()).rejects.toThrow(
      `${here.name} holds neither a safetensors checkpoint (it lists config.json, but no model.safetensors) nor a GGUF file.`,
    );
    here.hub.files = { ...others, "vision.safetensors": weights };
    await expect(here.pull()).rejects.toThrow("(it lists config.json, but no model.safetensors)");
    expect(here.hub.sent()).toBe(0);
    expect(readdirSync(here.folder)).toEqual([]);
  });

  test("a tokenizer.json of many gigabytes is refused before anything is fetched", async () => {
    here.hub.listed.set("tokenizer.json", entry("tokenizer.json", 2 ** 40));
    await expect(here.pull()).rejects.toMatchObject({
      message: `${here.name}/tokenizer.json has 1099511627776 bytes; at most 67108864 are allowed.`,
      exitCode: 4,
    });
    expect(here.hub.sent()).toBe(0);
  });

  test("a file that is shorter on the hub than listed (416) is one sentence", async () => {
    here.hub.trouble = ({ file }, res, body) =>
      file === "model.safetensors" && Boolean(res.writeHead(416, { "content-range": `bytes */${body.length}` }).end());
    await expect(here.pull()).rejects.toThrow("serves model.safetensors in another length than it listed.");
  });

  test("a file whose listed hash is another one never gets its name", async () => {
    const wrong = sha256(Buffer.from("another"));
    const size = weights.length;
    here.hub.listed.set(
      "model.safetensors",
      hf
        ? { type: "file", path: "model.safetensors", size, oid: "a".repeat(40), lfs: { oid: wrong, size } }
        : { Type: "blob", Path: "model.safetensors", Size: size, Sha256: wrong },
    );
    await expect(here.pull()).rejects.toThrow(
      hf ? "model.safetensors has changed since" : "model.safetensors arrives damaged each time",
    );
    expect(existsSync(path.join(here.checkpoint, "model.safetensors"))).toBe(false);
  });
});
