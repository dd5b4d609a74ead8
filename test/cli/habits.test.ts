import path from "node:path";
import { expect, test } from "vitest";
import { folder, run } from "../support/cli.js";
import { root } from "../support/files.js";

const kept = Object.entries(process.env).filter(([name]) => !/^(OWL3|XDG)_/.test(name));
const env = { ...Object.fromEntries(kept), HOME: folder, OWL3_MODEL: "demo" };
const owl3 = (...args: string[]) => run(args, { env });
const shapes = "examples/shapes.png";
const answer =
  "A large red circle at the top left, a small blue star in the center and a large green ring at the bottom right.\n";

test("help, version, list and show are what people mean by them", () => {
  const help = owl3("--help");
  expect(owl3("help")).toEqual(help);
  expect(help).toMatchObject({ code: 0, err: "" });
  expect(owl3("help", "chat").out).toBe(owl3("chat", "--help").out);
  for (const word of ["version", "-v"]) expect(owl3(word)).toEqual(owl3("--version"));
  for (const word of ["list", "ls"]) expect(owl3(word, "--json")).toEqual(owl3("models", "--json"));
  expect(owl3("show", "demo", "--json")).toEqual(owl3("info", path.join(root, "models/owl3-demo.gguf"), "--json"));
});

test("run, a picture first, and an option of chat first are chats", () => {
  for (const args of [
    ["run", "demo", shapes, "What is in this picture?"],
    ["run", shapes, "What is in this picture?"],
    ["run", "What is in this picture?", shapes],
    [shapes, "What is in this picture?"],
    ["-p", "What is in this picture?", shapes],
    ["--image", shapes, "-p", "What is in this picture?"],
  ])
    expect([args, owl3(...args)]).toEqual([args, { code: 0, out: answer, err: "" }]);
  expect(owl3("run", "nosuch", "hello").err).toContain("there is no model or file nosuch");
  expect(owl3("nowhere.png", "What?")).toMatchObject({ code: 3 });
});

test("a wrong command line: one sentence that names what was meant or where it is listed", () => {
  for (const [args, want] of [
    [["modles"], "there is no command modles; did you mean models?"],
    [["xyzzy"], "there is no command xyzzy; `owl3 --help` lists them."],
    [["chat", "--format", "json"], "there is no option --format; `owl3 chat --help` lists them."],
    [["chat", "--temprature", "1"], "there is no option --temprature; did you mean --temperature?"],
    [["cache", "claer"], 'owl3 cache does not take "claer"; did you mean clear?'],
    [["convert"], "owl3 convert needs DIR and -o, --output <file> and -t, --type <type>; see `owl3 convert --help`."],
    [["chat", "--temp", "hot"], '--temp can\'t be "hot": expected a number from 0 to 100.'],
  ] as const)
    expect(owl3(...args)).toEqual({ code: 2, out: "", err: `owl3: ${want}\n` });
});

test("an option that is given twice: the last value counts, and stderr says so unless it is the same or --quiet", () => {
  const dry = [shapes, "What?", "--dry-run", "--json"];
  const warned = (...more: string[]) => {
    const { code, err, out } = run(["chat", ...dry, ...more], { env });
    expect([code, out.length > 0]).toEqual([0, true]);
    return err;
  };
  expect(warned("--seed", "1", "--seed=2")).toBe('warning: --seed was given 2 times; the last value, "2", counts.\n');
  expect(warned("--temp", "0", "--temperature", "1")).toContain('--temp was given 2 times; the last value, "1",');
  expect(warned("--cut", "--no-cut")).toBe(
    "warning: --cut and --no-cut were both given; --no-cut, the last one, counts.\n",
  );
  expect(warned("--seed", "1", "--seed", "1", "--stop", "a", "--stop", "b", "--image", shapes, "--image", shapes)).toBe(
    "",
  );
  expect(warned("-q", "--seed", "1", "--seed", "2")).toBe("");
});

test("options of videos without a video: stderr says that they changed nothing", () => {
  const dry = (...more: string[]) => run(["chat", "What?", "--dry-run", ...more], { env });
  const sentence = "warning: there is no video here, so --fps, --frames changed nothing.\n";
  expect(dry(shapes, "--fps", "2", "--frames", "0,1")).toMatchObject({ code: 0, err: sentence });
  expect(dry("examples/moving.mp4", "--max-frames", "2")).toMatchObject({ code: 0, err: "" });
  const score = run(["score", shapes, "-p", "What?", "-c", "A.", "--start", "1"], { env });
  expect(score).toMatchObject({ code: 0, err: "warning: there is no video here, so --start changed nothing.\n" });
});
