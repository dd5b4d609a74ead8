import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { tinyConfig } from "../support/checkpoint.js";
import { binary } from "../support/cli.js";
import { fixtures, root } from "../support/files.js";
import { FakeHub, noise, repo } from "../support/hub.js";

const config = Buffer.from(JSON.stringify(tinyConfig()));
let home: string;
let hub: FakeHub;

beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), "owl3-home-"));
  hub = await new FakeHub({}).start();
});
afterEach(async () => {
  await hub.stop();
  rmSync(home, { recursive: true });
});

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}
const environment = () => ({
  PATH: process.env.PATH ?? "",
  HOME: home,
  OWL3_HOME: path.join(home, "models"),
  HF_ENDPOINT: hub.url,
});
const start = (command: string, args: string[], env: NodeJS.ProcessEnv = {}) =>
  spawn(command, args, { env: { ...environment(), ...env }, stdio: ["ignore", "pipe", "pipe"] });

async function end(child: ChildProcess): Promise<Ended> {
  const out = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    out.stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    out.stderr += text;
  });
  const [code] = await once(child, "close");
  return { code, ...out };
}
const owl3 = (...args: string[]) => end(start(process.execPath, [binary, ...args]));

test("pull fetches and converts, models lists, rm removes", async () => {
  const golden = path.join(fixtures, "golden/model");
  hub.files = Object.fromEntries(readdirSync(golden).map((name) => [name, readFileSync(path.join(golden, name))]));
  const pulled = await owl3("pull", repo, "--type", "q8_0", "--delete-source");
  expect(pulled).toMatchObject({ code: 0 });
  const file = path.join(home, "models/someone--tiny-owl/tiny-owl-q8_0.gguf");
  expect(pulled.stdout).toBe(`${file}\n`);
  expect(readFileSync(file).toString("latin1", 0, 4)).toBe("GGUF");
  expect(readdirSync(path.dirname(file)).sort()).toEqual(["pull.json", "tiny-owl-q8_0.gguf"]);

  const again = await owl3("pull", repo, "--type", "q8_0", "--offline");
  expect(again).toMatchObject({ code: 0, stdout: `${file}\n`, stderr: `${repo} is here already.\n` });

  const listed = JSON.parse((await owl3("models", "--json")).stdout);
  expect(listed).toMatchObject({ folder: path.join(home, "models"), models: [{ name: repo, gguf: [{ path: file }] }] });
  expect((await owl3("models")).stdout).toContain(`${repo}: tiny-owl-q8_0.gguf (`);
  // The name stands for the file wherever a model is asked for.
  expect((await owl3("info", file)).code).toBe(0);

  expect(await owl3("rm", repo)).toMatchObject({ code: 0, stdout: "" });
  expect(existsSync(path.dirname(file))).toBe(false);
  expect(await owl3("rm", repo)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^owl3: someone\/tiny-owl is not in .*\n$/),
  });
  expect((await owl3("models")).stderr).toContain("owl3 pull NAME");
});

test("pull's errors are one sentence with the documented codes", async () => {
  for (const [args, code, text] of [
    [["pull"], 2, "owl3 pull needs NAME"],
    [["pull", "no such model"], 2, "names no model"],
    [["pull", "7b", "--type", "q3"], 2, "allowed choices"],
    [["pull", repo, "--offline"], 1, "nothing is fetched offline"],
    [["pull", "someone/else"], 1, "has no someone/else (main)"],
    [["pull", "7b", "--hub", "github"], 2, "allowed choices are hf, modelscope"],
    [["pull", "ms:a/b", "--hub", "hf"], 2, "is a name of ModelScope, not of Hugging Face"],
  ] as [string[], number, string][]) {
    const { code: got, stdout, stderr } = await owl3(...args);
    expect([got, stdout, stderr.split("\n").length]).toEqual([code, "", 2]);
    expect(stderr).toContain(text);
  }
});

test("what can't be run is refused in one sentence, and nothing of it is left or listed", async () => {
  for (const [files, text] of [
    [{ "config.json": tinyConfig({ rope_scaling: { type: "yarn" } }) }, "rope_scaling must be null"],
    [{ "config.json": { model_type: "llama" } }, 'model_type must be "mplugowl3", found "llama"'],
    [{ "adapter_config.json": {}, "adapter_model.safetensors": {} }, "is a LoRA adapter, not a whole model: merge it"],
  ] as const) {
    hub.files = Object.fromEntries(
      Object.entries(files).map(([name, json]) => [name, Buffer.from(JSON.stringify(json))]),
    );
    if ("config.json" in files) hub.files["model.safetensors"] = noise(1_000_000);
    const { code, stdout, stderr } = await owl3("pull", repo);
    expect([code, stdout, stderr.split("\n").length]).toEqual([4, "", 2]);
    expect(stderr).toContain(text);
  }
  expect(hub.sent(".safetensors")).toBe(0);
  expect((await owl3("models")).stderr).toContain("No models in");
  expect(JSON.parse((await owl3("doctor", "--json")).stdout).models.value).toContain("none yet");
});

test("ModelScope: pull by prefix, by option and by OWL3_HUB; models lists it, rm removes it", async () => {
  const golden = path.join(fixtures, "golden/model");
  const files = Object.fromEntries(readdirSync(golden).map((name) => [name, readFileSync(path.join(golden, name))]));
  files["args.json"] = Buffer.from('{"model": "iic/mPLUG-Owl3-7B-241101", "train_type": "full"}');
  const scope = await new FakeHub(files, "modelscope").start();
  try {
    const run = (env: NodeJS.ProcessEnv, ...args: string[]) =>
      end(start(process.execPath, [binary, ...args], { MODELSCOPE_ENDPOINT: scope.url, ...env }));
    const file = path.join(home, "models/ms@someone--tiny-owl/tiny-owl-q8_0.gguf");
    const pulled = await run({}, "pull", `ms:${repo}`, "--type", "q8_0");
    expect(pulled).toMatchObject({ code: 0, stdout: `${file}\n` });
    expect(pulled.stderr).toContain("tiny-owl was fine-tuned from iic/mPLUG-Owl3-7B-241101, says its args.json.\n");
    expect(JSON.parse((await run({}, "info", file, "--json")).stdout).source_url).toBe(`${scope.url}/models/${repo}`);
    const here = { code: 0, stdout: `${file}\n`, stderr: `ms:${repo} is here already.\n` };
    expect(await run({}, "pull", repo, "--hub", "modelscope", "--type", "q8_0")).toEqual(here);
    expect(await run({ OWL3_HUB: "modelscope" }, "pull", repo, "--type", "q8_0")).toEqual(here);
    expect(await run({ HF_HUB_OFFLINE: "1" }, "pull", `ms:${repo}`, "--type", "q8_0")).toEqual(here);
    expect(hub.requests).toEqual([]);
    expect((await run({}, "models")).stdout).toContain(`ms:${repo}: tiny-owl-q8_0.gguf (`);
    expect(JSON.parse((await run({}, "models", "--json")).stdout).models[0]).toMatchObject({ hub: "modelscope" });
    expect(await run({}, "rm", `hf:${repo}`)).toMatchObject({ code: 2 });
    expect((await run({}, "rm", `ms:${repo}`)).stderr).toContain(`ms:${repo}: `);
    expect(existsSync(path.dirname(file))).toBe(false);
  } finally {
    await scope.stop();
  }
});

test("a hub that is out of reach: the error names the command for the other one, which is not asked", async () => {
  const closed = await new FakeHub({}).start();
  await closed.stop();
  const run = (name: string, env: NodeJS.ProcessEnv) =>
    end(start(process.execPath, ["--input-type=module", "-e", quick, pullFile, name], env));
  const quick = `
    const { pullModel } = await import(process.argv[1]);
    const { explain } = await import(process.argv[1].replace("models/pull.js", "cli/explain.js"));
    await pullModel(process.argv[2], { type: "q8_0", pause: 1 }).catch((error) => console.log(explain(error).message));
  `;
  const reason = /^127\.0\.0\.1:\d+ can't be reached: the connection is refused; /;
  const down = await run("7b", { HF_ENDPOINT: closed.url, MODELSCOPE_ENDPOINT: hub.url });
  expect(down.stdout).toMatch(reason);
  expect(down.stdout).toMatch(/; `owl3 pull ms:iic\/mPLUG-Owl3-7B-241101` fetches it from ModelScope\.\n$/);
  const other = await run("ms:a/b", { MODELSCOPE_ENDPOINT: closed.url });
  expect(other.stdout).toMatch(/; if Hugging Face has it as well, `owl3 pull hf:a\/b` fetches it from there\.\n$/);
  expect(hub.requests).toEqual([]);
});

// A pull with small parts, as a process of its own.
const script = `
  const { pullModel } = await import(process.argv[1]);
  await pullModel(process.argv[2], { type: "q8_0", partSize: 65536, connections: 2, pause: 1 }).catch((error) => {
    console.error(error.message);
    process.exit(error.exitCode);
  });
`;
const pullFile = path.join(root, "dist/models/pull.js");
const pullArgs = ["--input-type=module", "-e", script, pullFile, repo];

test("kill -9 at any time leaves nothing half-made, and the next run goes on", async () => {
  const weights = noise(3_000_000);
  hub.files = { "config.json": config, "model.safetensors": weights };
  const target = path.join(home, "models/someone--tiny-owl/checkpoint/model.safetensors");
  let child: ChildProcess | undefined;
  let allowed = 0;
  hub.trouble = async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 3));
    if (request.path.endsWith(".safetensors") && --allowed === 0) child?.kill("SIGKILL");
    return false;
  };
  let kept = 0;
  for (const requests of [3, 9, 1, 12]) {
    allowed = requests;
    child = start(process.execPath, pullArgs);
    await end(child);
    expect(child.signalCode).toBe("SIGKILL");
    expect(existsSync(target)).toBe(false);
    const notes = `${target}.part.json`;
    const parts: unknown[] = existsSync(notes) ? JSON.parse(readFileSync(notes, "utf8")).parts : [];
    expect(parts.filter(Boolean).length).toBeGreaterThanOrEqual(kept);
    kept = parts.filter(Boolean).length;
  }
  expect(kept).toBeGreaterThan(5);
  hub.trouble = () => false;
  const before = hub.sent(".safetensors");
  expect(await end(start(process.execPath, pullArgs))).toMatchObject({ code: 0, stderr: "" });
  expect(Buffer.compare(readFileSync(target), weights)).toBe(0);
  expect(hub.sent(".safetensors") - before).toBe(weights.length - kept * 65536);
});

test("a disk that takes no more is told, and the next run goes on", async () => {
  const weights = noise(2_000_000);
  hub.files = { "config.json": config, "model.safetensors": weights };
  // No file may pass 1000 blocks of 1024 bytes: writing there fails as on a full disk.
  const limited = 'trap \'\' XFSZ; ulimit -f 1000; exec "$0" "$@"';
  const full = await end(start("bash", ["-c", limited, process.execPath, ...pullArgs]));
  expect(full.code).toBe(3);
  expect(full.stderr).toMatch(
    /model\.safetensors can't be written: .*; run the command again to go on where it stopped\.\n$/,
  );
  expect(await end(start(process.execPath, pullArgs))).toMatchObject({ code: 0 });
  const target = path.join(home, "models/someone--tiny-owl/checkpoint/model.safetensors");
  expect(Buffer.compare(readFileSync(target), weights)).toBe(0);
});
