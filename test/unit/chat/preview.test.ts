import { expect, test } from "vitest";
import type { AskOptions } from "../../../src/chat/options.js";
import type { PreviewOptions } from "../../../src/chat/preview.js";
import type { InputMessage } from "../../../src/prompt/messages.js";
import { fakeEngine, openFake, previewFake } from "../../support/fake.js";

const picture = { type: "image" as const, path: "a.png" };
const question = (words: string): InputMessage[] => [
  { role: "user", content: [picture, { type: "text", text: words }] },
];

test("preview: prompt, ids, offsets and media of a run, without a model", async () => {
  const fake = fakeEngine();
  const seen = await previewFake(fake, question("?"), { system: "be brief" });
  expect(seen).toMatchObject({
    prompt: "S:be brief|\nU:##?|A:",
    mediaOffset: [14, 15],
    media: [{ path: "a.png", crops: 2 }],
    contextLength: "S:be brief|\nU:##?|A:".length + 512,
    memory: { total: 1000 },
  });
  expect(String.fromCharCode(...seen.ids)).toBe(seen.prompt);
  expect([fake.calls, fake.sessions.size, fake.opened.size]).toEqual([["load a.png"], 0, 0]);
});

test("preview: its memory is planned for the very work that the run plans", async () => {
  const cases: [words: string, options: PreviewOptions][] = [
    ["?", {}],
    ["x".repeat(5000), {}],
    ["?", { maxTokens: 30_000 }],
    ["?", { contextLength: 100, kvType: "q8_0" }],
    ["?", { beams: 5, kvType: "f16", maxTokens: 5000 }],
  ];
  for (const [words, options] of cases) {
    const fake = fakeEngine();
    await using owl = await openFake(fake);
    fake.scores = () => [{ id: 3, logprob: -0.1 }];
    const { contextLength, kvType, ...asked } = options;
    const chat = owl.chat({ contextLength, kvType, messages: question(words) });
    await chat.answer(asked as AskOptions).result();
    await previewFake(fake, question(words), options);
    const [, run] = fake.works; // behind the one that layers were placed for
    const previewed = fake.works.at(-1);
    expect({ ...previewed, kvType: previewed?.kvType ?? "f32" }).toEqual(run);
  }
});

test("preview: refuses what the run would refuse", async () => {
  const fake = fakeEngine();
  const error = { name: "ContextError", promptTokens: 108, contextLength: 64, chosen: true };
  await expect(previewFake(fake, question("x".repeat(100)), { contextLength: 64 })).rejects.toMatchObject(error);
  await expect(previewFake(fake, question("?"), { contextLength: 1e6 })).rejects.toThrow(/32768/);
  await expect(previewFake(fake, question("?"), { maxTokens: 0 })).rejects.toThrow(/maxTokens/);
  await expect(previewFake(fake, question("?"), { temperature: -1 })).rejects.toThrow(/temperature/);
});
