import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { encodePrompt } from "../../../src/prompt/encode.js";
import { chooseGrid } from "../../../src/prompt/grid.js";
import type { Part } from "../../../src/prompt/messages.js";
import type { PromptStyle } from "../../../src/prompt/style.js";
import { renderMessages } from "../../../src/prompt/template.js";
import { tokenizerFromJson } from "../../support/tokenizer.js";

// Real ids: the fixture is the part of Qwen2's tokenizer that these prompts need (tools/fixtures/qwen2.py).
const fixture = new URL("../../fixtures/prompt/qwen2.json", import.meta.url);
const tokenizer = tokenizerFromJson(JSON.parse(readFileSync(fixture, "utf8")));

function encode(media: Part, text: string, template: PromptStyle["template"]) {
  const content: Part[] = [media, { type: "text", text }];
  return encodePrompt(renderMessages([{ role: "user", content }], { template }), tokenizer);
}
const cut: Part = { type: "image", grid: chooseGrid(600, 400, 384) };
const whole: Part = { type: "image", grid: null };
const video: Part = { type: "video", frameCount: 3 };

// Numbers of ids and first ids of placeholders as the released processors give them.
test.each<[string, PromptStyle["template"], Part, string, number, number[]]>([
  ["a picture of 600 x 400, cut as 241101 and 241014 do", "v3", cut, "image", 74, [18, 24, 30, 36, 42, 48, 54]],
  ["the same as 240728 does", "v2", cut, "image", 112, [28, 40, 52, 65, 77, 89, 97]],
  ["a picture that is not cut", "v2", whole, "image", 23, [8]],
  ["three frames without markers", "v2", video, "video", 33, [8, 13, 18]],
])("%s", (_, template, media, what, length, offsets) => {
  const { ids, mediaOffset } = encode(media, `\nDescribe this ${what}.`, template);
  expect(mediaOffset).toEqual(offsets);
  expect(ids).toHaveLength(length);
});

test("pieces of 240728's template are the ids that its tokenizer gives", () => {
  expect(tokenizer.encodeText("subimg(")).toEqual([1966, 1892, 7]);
  expect(tokenizer.encodeText("global_view")).toEqual([9752, 7122]);
  expect(tokenizer.encodeText("Cut to 2 rows")).toEqual([37666, 311, 220, 17, 6978]);
  expect(tokenizer.encodeText("<|image|>")).toHaveLength(5);
});
