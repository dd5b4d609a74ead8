import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Conversation } from "../../src/chat/conversation.js";
import { promptTokenizer } from "../../src/chat/prompt-tokenizer.js";
import { describeFile } from "../../src/gguf/describe.js";
import { native } from "../../src/native/native.js";
import type { InputPart } from "../../src/prompt/messages.js";
import { placeMedia } from "../../src/prompt/placement.js";
import { allCrops } from "../../src/vision/encode-media.js";
import { mediaLoader } from "../../src/vision/load.js";
import { fixtures } from "../support/files.js";
import { converter, readCases } from "../support/model.js";

type Medium = { picture: string; cut: boolean } | { video: string[] };
interface PromptCase {
  name: string;
  question?: string;
  media: Medium[];
  grids: ([number, number] | null)[];
}

const picture = (file: string) => join(fixtures, "golden/media", file);
const partOf = (medium: Medium): InputPart =>
  "video" in medium
    ? { type: "video", frames: medium.video.map(picture) }
    : { type: "image", path: picture(medium.picture) };

// The reference renders the prompt and cuts the pictures by itself (tools/reference/prompt.py).
for (const folder of ["random/gated-head", "random/gated-channel"]) {
  const convertedTo = converter(`${folder}/model`);
  const listed: PromptCase[] = JSON.parse(readFileSync(join(fixtures, folder, "cases.json"), "utf8"));
  const cases = await readCases(join(fixtures, folder));
  const path = await convertedTo("f32");
  const file = await native().readGguf(path);
  const side = describeFile(file).model?.vision.crop_size ?? 0;
  describe(`${folder}: ids, offsets, grids and pixels from pictures on`, () => {
    for (const [i, item] of listed.entries()) {
      if (item.question === undefined) continue;
      const { name, question = "", media, grids } = item;
      // Two cut pictures have to be asked for; all else is what the release does by itself.
      const forced = media.filter((medium) => "cut" in medium && medium.cut).length > 1;
      test(name, async () => {
        const conversation = new Conversation(promptTokenizer(file.metadata, path), mediaLoader(native(), side), {
          cut: forced || undefined,
          allowSpecial: false,
          video: undefined,
        });
        const content = placeMedia(question, media.map(partOf));
        await conversation.add([{ role: "user", content: content as InputPart[] }]);
        const { ids, mediaOffset } = conversation.render();
        const wanted = cases[i];
        expect(ids).toEqual([...(wanted?.ids ?? [])]);
        expect(mediaOffset).toEqual(wanted?.offsets);
        expect(conversation.media.map(({ report }) => report.grid)).toEqual(grids);
        const pixels = Buffer.concat(await allCrops(conversation.media));
        expect(pixels.equals(wanted?.pixels ?? Buffer.alloc(0))).toBe(true);
        conversation.truncate(0);
      });
    }
  });
}
