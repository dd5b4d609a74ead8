#!/usr/bin/env node
/**
 * Conversations as JSON, well-formed and damaged, through parsing, templates and the tokenizer: node tools/stress/prompts.mjs [--count N] [--seed N]
 * [--minutes N]. Build first (npm run build).
 *
 * Each must be refused with a sentence, or give a prompt whose ids spell it, with a placeholder for each crop, no marker that a text made, and the ids
 * of the conversation before as its beginning. The last line is "N passed, N failed".
 */
import { readFileSync } from "node:fs";
import { tokenizerEntries } from "../../dist/convert/tokenizer.js";
import { UserError } from "../../dist/errors.js";
import { encodePrompt } from "../../dist/prompt/encode.js";
import { cropCount, grids } from "../../dist/prompt/grid.js";
import { parseMessages } from "../../dist/prompt/parse.js";
import { placeMedia } from "../../dist/prompt/placement.js";
import { placeholder, renderMessages } from "../../dist/prompt/template.js";
import { Tokenizer } from "../../dist/prompt/tokenizer.js";
import { caseOptions, demand, mutateJson, runCases, strange, survive } from "./cases.mjs";

const file = new URL("../../test/fixtures/golden/model/tokenizer.json", import.meta.url);
const json = JSON.parse(readFileSync(file, "utf8"));
const rows = 1 + Math.max(...Object.values(json.model.vocab), ...json.added_tokens.map(({ id }) => id));
const entries = tokenizerEntries(json, "tokenizer.json", rows, () => {});
const tokenizer = Tokenizer.fromMetadata(
  Object.fromEntries(entries.map(({ key, value }) => [key, value])),
  "tokenizer",
);

const pieces = [
  ...[
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    placeholder,
    "<|im_",
    "end|>",
    "<|",
    "|>",
    "<|start_cut|>",
    "<|end_video_frame|>",
  ],
  ...[
    "system\n",
    "assistant\n",
    "\n",
    "  ",
    "\r\n",
    "a",
    "the owl",
    "'s",
    "'S",
    "\u017f",
    "12",
    "e\u0301",
    "\u212b",
    "\u1100\u1161",
    "\ud83d",
    "\ude00",
  ],
  ...["\u{1f989}", "\u00a0", "\u0085", "\u2028", "\u200d", "\u0000", "\ufffd", "\uffff", "!?", "2*2\n"],
];
const text = (draw) =>
  draw.list(8, () => (draw.oneIn(8) ? String.fromCharCode(draw.below(0x10000)) : draw.pick(pieces))).join("");

function content(draw, role) {
  if (draw.oneIn(2)) return text(draw);
  return draw.list(4, () => {
    if (role !== "user" || draw.oneIn(2)) return { type: "text", text: text(draw) };
    return draw.pick([
      { type: "image", path: "a.png" },
      { type: "image_url", image_url: { url: "file:///a.png", detail: "low" } },
      { type: "video", path: "a.mp4" },
      { type: "video", frames: ["a.png", "b.png"] },
    ]);
  });
}

function conversation(draw) {
  const messages = draw.oneIn(3) ? [{ role: "system", content: content(draw, "system") }] : [];
  for (let turns = draw.below(3); turns > 0; turns--)
    messages.push({ role: "user", content: content(draw, "user") }, { role: "assistant", content: text(draw) });
  messages.push({ role: "user", content: content(draw, "user") });
  if (draw.oneIn(4)) messages.at(-1).images = ["a.png", "A".repeat(64)];
  return draw.oneIn(4) ? { messages } : messages;
}

const values = [...strange, placeholder, "file://x/y", "file:///%00", "data:,"];

/** The text of the JSON, damaged in one case of two. */
const source = (draw) =>
  draw.oneIn(2) ? JSON.stringify(conversation(draw)) : mutateJson(draw, conversation(draw), values);

/** The same message with media as they are once opened. */
function sized(draw, { role, content }) {
  if (typeof content === "string") return { role, content };
  const parts = content.map((part) => {
    if (part.type === "image") return { type: "image", grid: draw.oneIn(3) ? null : draw.pick(grids) };
    return part.type === "video" ? { type: "video", frameCount: 1 + draw.below(4) } : part;
  });
  return { role, content: parts };
}

const partsOf = ({ content }) => (typeof content === "string" ? [{ type: "text", text: content }] : content);
const crops = (part) => (part.type === "image" ? cropCount(part.grid) : part.type === "video" ? part.frameCount : 0);
const wellFormed = (chunks) =>
  chunks
    .map((chunk) =>
      chunk.kind === "text" ? chunk.segments.map((segment) => segment.text).join("") : (chunk.text ?? placeholder),
    )
    .map((all) => all.toWellFormed())
    .join("")
    .normalize("NFC");

function check(messages, options, shown) {
  const chunks = renderMessages(messages, options);
  const { ids, mediaOffset } = encodePrompt(chunks, tokenizer);
  const wanted = messages.flatMap(partsOf).reduce((total, part) => total + crops(part), 0);
  demand(mediaOffset.length === wanted, () => `${mediaOffset.length} placeholders for ${wanted} crops of ${shown()}`);
  demand(tokenizer.decode(ids, true).normalize("NFC") === wellFormed(chunks), () => `the ids don't spell ${shown()}`);
  if (!options.allowSpecial) {
    // Texts make no markers: there are as many as with other texts.
    const others = messages.map((message) => ({
      ...message,
      content: partsOf(message).map((part) => (part.type === "text" ? { ...part, text: "x" } : part)),
    }));
    const special = (all) => all.filter((id) => tokenizer.isSpecial(id)).join();
    const plain = encodePrompt(renderMessages(others, options), tokenizer).ids;
    demand(special(ids) === special(plain), () => `a text of ${shown()} acts as a marker`);
  }
  const answer = { role: "assistant", content: "x", ids: tokenizer.encodeText("x") };
  const next = renderMessages([...messages, answer, { role: "user", content: "y" }], options);
  const longer = encodePrompt(next, tokenizer).ids;
  demand(
    ids.every((id, i) => longer[i] === id),
    () => `another turn changes the ids of ${shown()}`,
  );
}

await runCases(caseOptions(100_000), async (draw) => {
  const given = source(draw);
  const shown = () => JSON.stringify(given.slice(0, 2000));
  const parsed = await survive(UserError, () => parseMessages(given, "the file"), /\S$/);
  if (parsed === undefined) return;
  const options = { allowSpecial: draw.oneIn(4), template: draw.pick(["v2", "v3"]) };
  await survive(
    UserError,
    () =>
      check(
        parsed.map((message) => sized(draw, message)),
        options,
        shown,
      ),
    /\S$/,
  );
  const media = draw.list(3, () => ({ type: "image" }));
  const prompt = text(draw);
  const placed = placeMedia(prompt, media);
  demand(
    placed.filter(({ type }) => type === "image").length === media.length,
    () => `media lost in ${JSON.stringify(prompt)}`,
  );
});
