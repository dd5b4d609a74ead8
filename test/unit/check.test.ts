import { expect, test } from "vitest";
import { checkKeys, checkShape, kinds, nearest, oneOf } from "../../src/check.js";

test("nearest: the word that was probably meant, and none where nothing is near", () => {
  const commands = ["chat", "video", "bench", "convert", "cache", "models"];
  for (const [word, want] of [
    ["modle", undefined],
    ["modles", "models"],
    ["caht", "chat"],
    ["conv", "convert"],
    ["VIDEO", "video"],
    ["batch", undefined],
    ["b", undefined],
  ] as const)
    expect([word, nearest(word, commands)]).toEqual([word, want]);
  expect(nearest("max_tokens", ["maxTokens", "topK"])).toBe("maxTokens");
  expect(nearest("temp", ["temperature"])).toBe("temperature");
  expect(nearest("format", ["prompt"])).toBeUndefined();
});

test("unknown keys and wrong kinds are refused by name", () => {
  const shape = { maxTokens: kinds.number, stop: kinds.texts, draft: oneOf("lookup") };
  expect(() => checkKeys({ modle: 1 }, ["model"], "c.json")).toThrow(
    'c.json: unknown key "modle"; did you mean "model"?',
  );
  expect(() => checkKeys({ x: 1 }, ["model"], "c.json")).toThrow('unknown key "x"; known are model.');
  expect(() => checkKeys({ ["k".repeat(500)]: 1 }, ["model"], "c")).toThrow(/^.{0,120}$/);
  checkShape({ maxTokens: 3, stop: ["a"], draft: undefined }, shape, "ask()");
  checkShape(undefined, shape, "ask()");
  expect(() => checkShape({ maxTokens: "3" }, shape, "ask()")).toThrow('ask(): maxTokens must be a number, not "3".');
  expect(() => checkShape({ stop: "a" }, shape, "ask()")).toThrow("stop must be a list of strings");
  expect(() => checkShape({ draft: null }, shape, "ask()")).toThrow('draft must be "lookup", not null.');
  expect(() => checkShape(5, shape, "ask()")).toThrow("ask() must be an object, not 5.");
});
