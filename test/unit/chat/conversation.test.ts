import { describe, expect, test } from "vitest";
import { Conversation } from "../../../src/chat/conversation.js";
import type { PromptTokenizer } from "../../../src/chat/prompt-tokenizer.js";
import type { InputMessage, InputPart } from "../../../src/prompt/messages.js";
import { defaultStyle, type PromptStyle } from "../../../src/prompt/style.js";
import type { LoadMedia } from "../../../src/vision/chat-media.js";

const styles = {
  241101: defaultStyle,
  241014: { template: "v3", cut: "alone", mixed: true },
  240728: { template: "v2", cut: "alone", mixed: false },
} as const satisfies Record<string, PromptStyle>;

/** A conversation whose media are only noted: a picture with whether it is to be cut. */
function conversation(style: PromptStyle, cut?: boolean) {
  const seen: string[] = [];
  const load: LoadMedia = async (part, options) => {
    if (part.type === "image") seen.push(options.cut ? "cut" : "whole");
    const report = { path: "", width: 1, height: 1, grid: null, crops: 1 };
    return part.type === "image" ? { type: "image", grid: null, report } : { type: "video", frameCount: 1, report };
  };
  const tokenizer = { style } as PromptTokenizer;
  return { seen, turns: new Conversation(tokenizer, load, { cut, allowSpecial: false }) };
}
const picture: InputPart = { type: "image", path: "a.png" };
const video: InputPart = { type: "video", path: "a.mp4" };
const user = (...content: InputPart[]): InputMessage => ({ role: "user", content });
const mixture = "this model takes either pictures or videos in a conversation, not both.";

describe("which pictures are cut", () => {
  test.each<[keyof typeof styles, boolean | undefined, InputPart[], string[]]>([
    [241101, undefined, [picture], ["cut"]],
    [241101, undefined, [picture, picture, video], ["cut", "cut"]],
    [241101, false, [picture, picture], ["whole", "whole"]],
    [241014, undefined, [picture], ["cut"]],
    [241014, undefined, [picture, picture], ["whole", "whole"]],
    [241014, undefined, [video, picture], ["whole"]],
    [241014, true, [video, picture, picture], ["cut", "cut"]],
    [241014, false, [picture], ["whole"]],
    [240728, undefined, [picture], ["cut"]],
    [240728, undefined, [picture, picture, picture], ["whole", "whole", "whole"]],
    [240728, true, [picture, picture], ["cut", "cut"]],
  ])("%s, cut %s", async (release, cut, parts, wanted) => {
    const { seen, turns } = conversation(styles[release], cut);
    await turns.add([user(...parts)]);
    expect(seen).toEqual(wanted);
  });

  test("a picture that was alone stays cut when others follow, whether the turns come together or not", async () => {
    const messages = [user(picture), user(picture, picture), user(picture)];
    const wanted = ["cut", "whole", "whole", "whole"];
    const { seen, turns } = conversation(styles[241014]);
    await turns.add(messages);
    expect(seen).toEqual(wanted);
    const later = conversation(styles[241014]);
    for (const message of messages) await later.turns.add([message]);
    expect(later.seen).toEqual(wanted);
  });
});

test("240728 refuses pictures and videos together, in one turn or in several, before any is opened", async () => {
  const { seen, turns } = conversation(styles[240728]);
  await expect(turns.add([user(picture, video)])).rejects.toThrow(mixture);
  await expect(turns.add([user(picture), user(video)])).rejects.toMatchObject({ exitCode: 2 });
  expect(seen).toEqual([]);
  await turns.add([user(video, video)]);
  await expect(turns.add([user(picture)])).rejects.toThrow(mixture);
  await turns.add([user(video)]);
  expect([seen, turns.length]).toEqual([[], 2]);
});

test("later releases take both", async () => {
  for (const release of [241014, 241101] as const) {
    const { turns } = conversation(styles[release]);
    await turns.add([user(video, picture)]);
    expect(turns.media).toHaveLength(2);
  }
});
