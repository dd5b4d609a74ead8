import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadImage } from "../../src/media/image.js";
import type { Binding } from "../../src/native/binding.js";
import { encodePrompt } from "../../src/prompt/encode.js";
import { chooseGrid } from "../../src/prompt/grid.js";
import type { Message, Part } from "../../src/prompt/messages.js";
import { renderMessages } from "../../src/prompt/template.js";
import { fixtures } from "../support/files.js";
import { goldenTokenizer } from "../support/tokenizer.js";

const native = createRequire(import.meta.url)("../../build/Release/owl3.node") as Binding;
const golden = (file: string) => join(fixtures, "golden", file);

interface Case {
  name: string;
  messages: { role: "system" | "user" | "assistant"; content: string }[];
  media: (string | string[])[];
  input_ids: number[];
  media_offset: number[];
  grids: [number, number][];
  crops: number;
}
const cases: Case[] = JSON.parse(readFileSync(golden("cases.json"), "utf8"));
const side = 126;

/** One tensor of tensors.safetensors as bytes. */
const tensors = (() => {
  const file = readFileSync(golden("tensors.safetensors"));
  const data = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, data));
  return (name: string): Uint8Array => {
    const [from, to] = header[name].data_offsets;
    return file.subarray(data + from, data + to);
  };
})();

/** [n, s, s, 3] to [n, 3, s, s]. */
function planes(crops: Uint8Array): Uint8Array {
  const out = new Uint8Array(crops.length);
  const area = side * side;
  for (let i = 0; i < crops.length; i++) {
    const pixel = Math.floor(i / 3) % area;
    const crop = Math.floor(i / (3 * area));
    out[crop * 3 * area + (i % 3) * area + pixel] = crops[i] as number;
  }
  return out;
}

describe("the reference's golden cases", () => {
  const tokenizer = goldenTokenizer();
  test.each(cases)("$name: ids, offsets, grids and pixels", async (wanted) => {
    const media = [...wanted.media];
    const grids: [number, number][] = [];
    const pixels: Uint8Array[] = [];
    const take = async (): Promise<Part> => {
      const item = media.shift() as string | string[];
      const images = await Promise.all([item].flat().map((file) => loadImage(golden(`media/${file}`))));
      const grid = typeof item === "string" && images[0] ? chooseGrid(images[0].width, images[0].height, side) : null;
      if (grid) grids.push(grid);
      for (const { data, width, height } of images) pixels.push(await native.cutImage(data, width, height, side, grid));
      return typeof item === "string" ? { type: "image", grid } : { type: "video", frameCount: item.length };
    };
    const messages: Message[] = [];
    for (const { role, content } of wanted.messages) {
      const parts: Part[] = [];
      for (const piece of content.split(/(<\|(?:image|video)\|>)/))
        parts.push(/^<\|(image|video)\|>$/.test(piece) ? await take() : { type: "text", text: piece });
      messages.push({ role, content: parts });
    }
    const { ids, mediaOffset } = encodePrompt(renderMessages(messages), tokenizer);
    expect(ids).toEqual(wanted.input_ids);
    expect(mediaOffset).toEqual(wanted.media_offset);
    expect(grids).toEqual(wanted.grids);
    const crops = planes(Buffer.concat(pixels));
    expect(crops.length).toBe(wanted.crops * 3 * side * side);
    if (wanted.crops === 0) return;
    const expected = tensors(`${wanted.name.replace(/ /g, "_").replace(/,/g, "")}/pixel_values`);
    expect(Buffer.compare(crops, expected)).toBe(0);
  });
});
