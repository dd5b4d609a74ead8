import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folder, run } from "../support/cli.js";

const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder, OWL3_MODEL: "" };
const picture = ["examples/shapes.png", "-p", "What is in this picture?", "-q"];
const ask = (args: string[], input = "") => run(["chat", ...picture, ...args], { env, input });
const schema = {
  type: "object",
  properties: { shape: { enum: ["circle", "star"] }, large: { type: "boolean" } },
  required: ["shape", "large"],
  additionalProperties: false,
};
const file = join(folder, "schema.json");
writeFileSync(file, JSON.stringify(schema));

test("--choice, --regex and --json-object", () => {
  expect(ask(["--choice", "red", "--choice", "blue"]).out).toMatch(/^(red|blue)\n$/);
  expect(ask(["--regex", "[A-Z][a-z]{2,5}!"]).out).toMatch(/^[A-Z][a-z]{2,5}!\n$/);
  expect(ask(["--json-object", "--max-tokens", "5"]).out).toMatch(/^\{/);
  const video = ["video", "examples/moving.mp4", "-q", "--choice", "left", "--choice", "right", "--beams", "2"];
  expect(run(video, { env }).out).toMatch(/^(left|right)\n$/);
});

test("--schema as a file, as JSON, from stdin and in short form; --json holds the text", () => {
  const answers = [
    ask(["--schema", file]),
    ask(["--schema", JSON.stringify(schema)]),
    ask(["--schema", "-"], JSON.stringify(schema)),
    ask(["--schema", file, "--draft", "lookup"]),
  ];
  for (const { code, out } of answers) {
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ shape: expect.stringMatching(/^(circle|star)$/), large: expect.any(Boolean) });
  }
  expect(new Set(answers.map(({ out }) => out)).size).toBe(1);
  const short = ask(["--schema", "large bool, count int: how many", "--temp", "2", "--seed", "1"]);
  expect(JSON.parse(short.out)).toEqual({ large: expect.any(Boolean), count: expect.any(Number) });
  const whole = JSON.parse(ask(["--schema", file, "--json"]).out) as { text: string };
  expect(JSON.parse(whole.text)).toHaveProperty("shape");
});

test("the prompt tells of the schema, unless it shall not", () => {
  expect(ask(["--schema", file, "--dry-run"]).out).toContain(JSON.stringify(schema));
  expect(ask(["--schema", file, "--dry-run", "--no-schema-prompt"]).out).not.toContain("circle");
});

test("errors are one sentence, with the place in the schema", () => {
  const cases: [string[], number, RegExp][] = [
    [["--schema", '{"properties":{"a":{"typo":1}}}'], 2, /\/properties\/a\/typo: "typo" is no keyword/],
    [["--schema", '{"type":"array","uniqueItems":true}'], 2, /\/uniqueItems: unique items are followed only/],
    [["--schema", "{"], 2, /--schema is not JSON/],
    [["--schema", "missing.json"], 3, /missing\.json: no such file/],
    [["--schema", "examples"], 3, /it is a folder/],
    [["--schema", "examples/shapes.png"], 2, /not UTF-8/],
    [["--schema", "a int, b colour"], 2, /colour is no type/],
    [["--schema", file, "--choice", "a"], 2, /exclude each other/],
    [["--schema-lax"], 2, /needs --schema/],
    [["--choice", ""], 2, /choices are texts/],
    [["--regex", "(a"], 2, /regular expression can't be followed/],
  ];
  for (const [args, code, message] of cases) {
    const done = ask(args);
    expect([args, done.code, done.out]).toEqual([args, code, ""]);
    expect(done.err).toMatch(message);
    expect(done.err.trim().split("\n")).toHaveLength(1);
  }
  expect(ask(["--schema", '{"typo":1,"type":"null"}', "--schema-lax"]).out).toBe("null\n");
});

test("a cut-off answer is a warning", () => {
  const { code, out, err } = run(
    ["chat", "examples/shapes.png", "What is it?", "--schema", file, "--max-tokens", "3"],
    { env },
  );
  expect([code, out.startsWith("{")]).toEqual([0, true]);
  expect(err).toMatch(/cut off/);
});
