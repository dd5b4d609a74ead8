import { describe, expect, test } from "vitest";
import { optionNames, rowOptions } from "../../../src/batch/options.js";
import type { RawRow } from "../../../src/batch/raw.js";
import { checkMap, filesOfRow, RowMaker, type RowSettings, rowFields, seedOf } from "../../../src/batch/row.js";
import { fill } from "../../../src/batch/template.js";

const make = (value: RawRow["value"], settings: Partial<RowSettings> = {}, options = true) =>
  new RowMaker({ map: [], format: "rows", ...settings }, true).make({ value, base: "", options });
const question = (...args: Parameters<typeof make>) => {
  const asked = make(...args)?.question;
  return asked instanceof Error ? asked.message : asked;
};

describe("templates", () => {
  const value = (name: string) => ({ a: "1", "the b": "two" })[name];

  test("names become values; doubled braces, JSON and other braces stay", () => {
    expect(fill("{a} and {the b}", value)).toBe("1 and two");
    expect(fill("{{a}} {{{a}}}", value)).toBe("{a} {1}");
    expect(fill('answer as {"x": [1, {}]} or { } or {1}', value)).toBe('answer as {"x": [1, {}]} or { } or {1}');
    expect(() => fill("{c}", value)).toThrow('The row has no "c", which the prompt asks for.');
    expect(fill("{größe} {{b}}", (name) => name.toUpperCase())).toBe("GRÖSSE {b}");
  });

  test("a value is not filled again", () => {
    expect(fill("{a}", () => "{b}")).toBe("{b}");
  });
});

describe("rows", () => {
  test("a file: its name is its id, and the prompt may name it", () => {
    expect(make("in/cat.jpg", { prompt: "{file} {name} {stem} {folder}" })).toEqual({
      index: 0,
      id: "in/cat.jpg",
      raw: { value: "in/cat.jpg", base: "", options: true },
      question: {
        media: [{ where: "in/cat.jpg" }],
        prompt: "in/cat.jpg cat.jpg cat in",
        literal: true,
        options: {},
      },
    });
    expect(question("a.jpg")).toBe("there is no prompt for the row.");
  });

  test("values: pictures and clips in their order, prompt, system message and options", () => {
    expect(
      question({ images: ["a.jpg", "b.jpg"], video: "c.mp4", file: "d", prompt: "?", system: "s", temperature: 0.5 }),
    ).toEqual({
      media: [
        { where: "a.jpg", kind: "image" },
        { where: "b.jpg", kind: "image" },
        { where: "c.mp4", kind: "video" },
        { where: "d" },
      ],
      prompt: "?",
      system: "s",
      literal: false,
      options: { temperature: 0.5 },
    });
    expect(question({ image: "a.jpg", n: 3, who: { x: 1 } }, { prompt: "{n} {who}" })).toMatchObject({
      prompt: '3 {"x":1}',
    });
    expect(question({ image: null, prompt: "only text" })).toMatchObject({ media: [] });
    expect(question({ image: 3, prompt: "?" })).toBe('"image" must be a file or a list of files.');
    expect(question({ image: ["a", 3], prompt: "?" })).toBe('"image" must be a file or a list of files.');
    expect(question({ image: "", prompt: "?" })).toBe('"image" is empty.');
    expect(question({ image: "a.jpg" })).toBe("The row has no prompt.");
    expect(question({ image: "a.jpg", prompt: 3 })).toBe('"prompt" must be a text.');
    expect(question({ messages: [{ role: "user", content: "hi" }], max_tokens: 3 })).toEqual({
      messages: [{ role: "user", content: "hi" }],
      options: { maxTokens: 3 },
    });
    expect(question({ messages: [{ role: "nobody", content: "hi" }] })).toContain("The row: message 1: role must be");
  });

  test("columns of a table: only mapped ones are options, and lists are JSON", () => {
    const map: RowSettings["map"] = [
      ["image", "front"],
      ["image", "back"],
      ["prompt", "q"],
    ];
    const values = { front: "a.jpg", back: "b.jpg", q: "?", temperature: "23.5", seed: "x" };
    expect(question(values, { map }, false)).toMatchObject({
      media: [{ where: "a.jpg" }, { where: "b.jpg" }],
      prompt: "?",
      options: {},
    });
    expect(question({ ...values, t: "0.5" }, { map: [...map, ["temperature", "t"]] }, false)).toMatchObject({
      options: { temperature: 0.5 },
    });
    expect(question({ images: '["a.jpg","b.jpg"]', prompt: "?" }, {}, false)).toMatchObject({
      media: [{ where: "a.jpg" }, { where: "b.jpg" }],
    });
    expect(question({ image: "[1].jpg", prompt: "?" }, {}, false)).toMatchObject({ media: [{ where: "[1].jpg" }] });
    expect(() => checkMap([["picture", "x"]], rowFields)).toThrow(
      'there is no field "picture"; there are image, images,',
    );
    checkMap(map, rowFields);
  });

  test("ids: given, the file's name, or made from what the row holds; numbers count all rows", () => {
    const maker = new RowMaker({ map: [], format: "rows", prompt: "?" }, true);
    const id = (value: RawRow["value"], bad?: string) => {
      const row = maker.make({ value, base: "", options: true, ...(bad !== undefined && { bad }) });
      return row && [row.index, row.id];
    };
    expect(id({ id: "x" })).toEqual([0, "x"]);
    expect(id({ id: 7 })).toEqual([1, "7"]);
    expect(id("a.jpg")).toEqual([2, "a.jpg"]);
    expect(id("a.jpg")).toBeUndefined();
    const [, made] = id({ image: "a.jpg" }) as [number, string];
    expect(made).toMatch(/^[0-9a-f]{16}$/);
    expect(id({ image: "a.jpg" })).toEqual([4, `${made}-2`]);
    expect(id("nonsense", "A line is not a JSON object.")?.[0]).toBe(5);
    expect(() => id({ id: "x" })).toThrow('Rows 1 and 7 have the same id, "x".');
    const other = new RowMaker({ map: [["id", "key"]], format: "rows", prompt: "?" }, false);
    expect(other.make({ value: { key: "k" }, base: "", options: false })?.id).toBe("k");
    expect(other.make({ value: { key: "k" }, base: "", options: false })?.id).toBe("k");
    expect(other.make({ value: { image: "a.jpg" }, base: "", options: false })?.id).toBe(made);
  });

  test("what only looks like a place for media in a value is none", () => {
    expect(question({ image: "a.jpg", x: "<|image|>" }, { prompt: "{x}" })).toMatchObject({ literal: true });
    expect(question({ image: "a.jpg", x: "y" }, { prompt: "<|image|> {x}" })).toMatchObject({ literal: false });
    expect(question({ image: "a.jpg", prompt: "<|image|>?" })).toMatchObject({ literal: false });
  });

  test("its files", () => {
    const row = make({ images: ["a.jpg", "data:image/png;base64,AA=="], prompt: "?" });
    expect(row && filesOfRow(row)).toEqual(["a.jpg"]);
  });
});

test("seeds: of the run's seed and the id, each its own, the same on every machine", () => {
  expect(seedOf(0, "a.jpg")).toBe(1255553508);
  expect(new Set(Array.from({ length: 1000 }, (_, i) => seedOf(i % 10, `row ${i}`))).size).toBe(1000);
  expect(seedOf(1, "2")).not.toBe(seedOf(12, ""));
});

test("options: numbers and stop texts, and what they may not be", () => {
  expect(rowOptions({ max_completion_tokens: 5, top_k: 3, stop: "x", seed: null, user: "me" })).toEqual({
    maxTokens: 5,
    topK: 3,
    stop: ["x"],
  });
  expect(rowOptions({ stop: ["a", "b"] })).toEqual({ stop: ["a", "b"] });
  for (const bad of [{ temperature: "hot" }, { temperature: "" }, { seed: [] }, { top_p: Number.POSITIVE_INFINITY }])
    expect(() => rowOptions(bad)).toThrow("must be a number");
  for (const bad of [{ max_tokens: 0 }, { max_tokens: 1.5 }]) expect(() => rowOptions(bad)).toThrow("at least 1");
  for (const bad of [{ stop: 3 }, { stop: [""] }, { stop: [1] }]) expect(() => rowOptions(bad)).toThrow('"stop"');
  expect(optionNames).toContain("stop");
});
