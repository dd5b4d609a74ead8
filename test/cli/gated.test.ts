import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { binary, folder, run } from "../support/cli.js";
import { fixtures } from "../support/files.js";
import { FakeHub, repo } from "../support/hub.js";
import { converter } from "../support/model.js";

const media = (file: string) => path.join(fixtures, "golden/media", file);
const checkpoint = (name: string) => path.join(fixtures, "random", name, "model");
const casesOf = (name: string): { name: string; input_ids: number[]; media_offset: number[]; greedy_ids: number[] }[] =>
  JSON.parse(readFileSync(path.join(fixtures, "random", name, "cases.json"), "utf8"));
const caseOf = (folder: string, name: string) => casesOf(folder).find((item) => item.name === name);
const greedy = ["-p", "What is this?", "--temp", "0", "--max-tokens", "8", "--no-cache", "--json"];
const idsOf = (out: string): number[] => JSON.parse(out).tokens.map(({ id }: { id: number }) => id);

describe("owl3 pull 1b, then owl3 chat -m 1b", async () => {
  const name = "mPLUG/mPLUG-Owl3-1B-241014";
  const files = readdirSync(checkpoint("gated-channel"));
  const hub = await new FakeHub(
    Object.fromEntries(files.map((file) => [file, readFileSync(path.join(checkpoint("gated-channel"), file))])),
  ).start();
  // Plays the hub's own answer for a repository under another name.
  const front = createServer((req, res) =>
    res.writeHead(307, { location: `${hub.url}${req.url?.replace(name, repo)}` }).end(),
  );
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  afterAll(async () => {
    front.closeAllConnections();
    front.close();
    await hub.stop();
  });
  const home = mkdtempSync(path.join(folder, "home-"));
  const env = {
    ...process.env,
    ...{ OWL3_MODEL: "", OWL3_HOME: home, HOME: home, HF_TOKEN: "", HF_HUB_OFFLINE: "", XDG_CONFIG_HOME: home },
    HF_ENDPOINT: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
  };

  test("it is fetched and converted", async () => {
    const child = spawn(process.execPath, [binary, "pull", "1b", "--type", "f32"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    const [code] = await once(child, "close");
    expect([code, out]).toEqual([
      0,
      `${path.join(home, "mPLUG--mPLUG-Owl3-1B-241014/mPLUG-Owl3-1B-241014-f32.gguf")}\n`,
    ]);
  });

  test("it answers what the reference answers", () => {
    const answer = run(["chat", "-m", "1b", media("wide.png"), ...greedy], { env });
    expect(answer).toMatchObject({ code: 0 });
    expect(idsOf(answer.out)).toEqual(caseOf("gated-channel", "cut picture")?.greedy_ids);
  });
});

describe("owl3 chat with a model of 240728", async () => {
  const model = await converter("random/gated-head/model")("f32");
  const env = { ...process.env, OWL3_MODEL: model, HOME: folder, XDG_CONFIG_HOME: folder };
  const chat = (...args: string[]) => run(["chat", ...args], { env });

  test.each([
    ["cut picture", ["wide.png"], []],
    ["two pictures", ["tall.png", "red.png"], []],
    ["two cut pictures", ["square.png", "tiny.png"], ["--cut"]],
  ])("%s: the reference's answer", (name, pictures, options) => {
    const answer = chat(...pictures.map(media), ...options, ...greedy);
    expect(answer).toMatchObject({ code: 0 });
    expect(idsOf(answer.out)).toEqual(caseOf("gated-head", name)?.greedy_ids);
  });

  test("--dry-run shows the prompt of that release", () => {
    const json = JSON.parse(chat(media("wide.png"), "-p", "What is this?", "--dry-run", "--json").out);
    const wanted = caseOf("gated-head", "cut picture");
    expect(json).toMatchObject({ input_ids: wanted?.input_ids, media_offset: wanted?.media_offset });
    expect(json.prompt).toMatch(/Cut to \d rows \d columns with a global view\nsubimg\(0,0\)<\|image\|> subimg\(0,1\)/);
    expect(json.memory.total).toBeGreaterThan(json.memory.weights);
  });

  test("a picture beside a video is refused in one sentence", () => {
    const clip = path.join(fixtures, "clips/anim.gif");
    const refused = run(["video", clip, "--image", media("red.png"), "-p", "What?"], { env });
    expect(refused).toEqual({
      code: 2,
      out: "",
      err: "owl3: this model takes either pictures or videos in a conversation, not both.\n",
    });
  });

  test("info names the kind, and the crops that are cut and read", () => {
    const info = run(["info", model], { env }).out;
    expect(info).toMatch(/^ {2}hyper layers +0, 2 of 0\.\.2.*gate/m);
    expect(info).toMatch(/crops of 48 x 48 pixels become 9 tokens/);
    const { model: described } = JSON.parse(run(["info", model, "--json"], { env }).out);
    expect(described.vision).toMatchObject({ crop_size: 48, crop_tokens: 9 });
  });
});
