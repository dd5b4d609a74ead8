import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { place, run } from "../support/cli.js";
import { root } from "../support/files.js";

let home: string;
let file: string;
beforeEach(() => {
  home = place();
  file = path.join(home, "owl3/config.json");
});
const kept = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(OWL3|XDG)_/.test(name)));
const owl3 = (...args: string[]) => run(args, { env: { ...kept, HOME: home, XDG_CONFIG_HOME: home } });
const config = (...args: string[]) => owl3("config", ...args);
const written = () => JSON.parse(readFileSync(file, "utf8"));
const done = (out = "") => ({ code: 0, out, err: "" });
function put(text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

test("set, get, list, unset and path", () => {
  expect(config("path")).toEqual(done(`${file}\n`));
  expect(config()).toMatchObject({ code: 0, out: "", err: expect.stringContaining("the keys are model, preview") });
  expect(config("set", "model", "demo")).toEqual(done());
  expect(config("set", "preview", "true")).toEqual(done());
  expect(written()).toEqual({ model: "demo", preview: true });
  expect(config("get", "preview")).toEqual(done("true\n"));
  expect(config("list")).toEqual(done("model=demo\npreview=true\n"));
  expect(config()).toEqual(config("list"));
  expect(JSON.parse(config("list", "--json").out)).toEqual({ model: "demo", preview: true });
  expect(config("unset", "model")).toEqual(done());
  expect(config("get", "model")).toEqual({ code: 1, out: "", err: "owl3: model is not set.\n" });
  expect(config("unset", "model")).toEqual({ code: 0, out: "", err: "model was not set.\n" });
  expect(written()).toEqual({ preview: true });
});

test("a model is checked as --model is; a file is found from everywhere, and counts", () => {
  expect(config("set", "model", "demoo")).toEqual({
    code: 3,
    out: "",
    err: "owl3: there is no model or file demoo; did you mean demo?\n",
  });
  expect(config("set", "model", "7b").err).toContain("`owl3 pull 7b` fetches it");
  expect(config("set", "model", "models/owl3-demo.gguf")).toEqual(done());
  expect(written()).toEqual({ model: path.join(root, "models/owl3-demo.gguf") });
  expect(owl3("chat", "examples/shapes.png", "What?", "--dry-run")).toMatchObject({ code: 0, err: "" });
  symlinkSync(path.join(root, "models/owl3-demo.gguf"), path.join(home, "mine.gguf"));
  expect(config("set", "model", "~/mine.gguf")).toEqual(done());
  expect(written()).toEqual({ model: "~/mine.gguf" });
  expect(owl3("chat", "examples/shapes.png", "What?", "--dry-run")).toMatchObject({ code: 0, err: "" });
});

test("unknown keys and wrong values are refused by name, and nothing is written", () => {
  for (const [args, err] of [
    [["set", "modle", "7b"], 'owl3 config set does not take "modle"; did you mean model?'],
    [["get", "colour"], 'owl3 config get does not take "colour"; it takes model, preview.'],
    [["unset", "modle"], 'the config: unknown key "modle"; did you mean "model"?'],
    [["unset", "toString"], 'the config: unknown key "toString"; known are model, preview.'],
    [["unset", "__proto__"], 'the config: unknown key "__proto__"; known are model, preview.'],
    [["set", "preview", "yes"], 'the config: preview must be true or false, not "yes".'],
    [["set", "model"], "owl3 config set needs VALUE; see `owl3 config set --help`."],
    [["lst"], 'owl3 config does not take "lst"; did you mean list?'],
  ] as const)
    expect(config(...args)).toEqual({ code: 2, out: "", err: `owl3: ${err}\n` });
  expect(readdirSync(home)).toEqual([]);
});

test("what the file has is not lost: a file that is not ours to read is left alone, an unknown key can be removed", () => {
  for (const text of ['{"model": "demo", // mine\n}', "[]", '{"model": "demo", "colour": 1}', '{"preview": "yes"}']) {
    put(text);
    expect(config("set", "model", "demo").code).toBe(2);
    expect(readFileSync(file, "utf8")).toBe(text);
  }
  put('{"model": "demo", "colour": 1}');
  expect(config("unset", "colour")).toEqual(done());
  expect(written()).toEqual({ model: "demo" });
});

test.skipIf(process.platform === "win32")("a link and who may read the file stay, and nothing else is left", () => {
  put('{"preview": true}');
  chmodSync(file, 0o600);
  const elsewhere = place();
  const link = path.join(elsewhere, "owl3/config.json");
  mkdirSync(path.dirname(link));
  symlinkSync(file, link);
  const env = { ...kept, HOME: home, XDG_CONFIG_HOME: elsewhere };
  expect(run(["config", "set", "model", "demo"], { env })).toEqual(done());
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(written()).toEqual({ preview: true, model: "demo" });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(path.dirname(file))).toEqual(["config.json"]);
});

test("a folder that can't be written is a sentence", () => {
  writeFileSync(path.join(home, "owl3"), "");
  const { code, err } = config("set", "preview", "true");
  expect([code, err]).toEqual([3, expect.stringMatching(/config\.json can't be written: .*\.\n$/)]);
  expect(err).not.toMatch(/\bE[A-Z]{4}/);
});
