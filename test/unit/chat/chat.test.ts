import { expect, test } from "vitest";
import type { InputPart } from "../../../src/prompt/messages.js";
import { eos, type Fake, fakeEngine, openFake } from "../../support/fake.js";

const picture = (path: string): InputPart => ({ type: "image", path });
const text = (t: string): InputPart => ({ type: "text", text: t });
const prefills = (fake: Fake): string[] => fake.calls.filter((call) => call.startsWith("prefill"));

test("chat: an answer streams, ends by length, and its pieces make the text", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const answer = owl.chat().ask("hello", { maxTokens: 5 });
  const pieces: string[] = [];
  for await (const piece of answer) pieces.push(piece.text);
  const result = await answer.result();
  expect(pieces.join("")).toBe(result.text);
  expect(result).toMatchObject({ finishReason: "length", usage: { completionTokens: 5, crops: 0 } });
  expect(result.tokens).toHaveLength(5);
  expect(result.tokens[0]).toEqual({ id: expect.any(Number), text: result.text[0], logprob: -0.5, top: [] });
});

test("chat: the end marker ends it and is no part of it; a stop string likewise", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  fake.script = (ids) => [104, 105, 33, eos][ids.length - 11];
  const ended = await owl.chat().ask("hello").result();
  expect(ended).toMatchObject({ text: "hi!", finishReason: "stop" });
  expect(ended.tokens.map((token) => token.id)).toEqual([104, 105, 33]);
  const stopped = await owl
    .chat()
    .ask("hello", { stop: ["i!"] })
    .result();
  expect(stopped).toMatchObject({ text: "h", finishReason: "stop" });
});

test("chat: a second question about the same picture encodes nothing and prefills only what is new", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const chat = owl.chat({ system: "be brief" });
  const { timings } = await chat.ask([picture("a.png"), text("what?")], { maxTokens: 4 }).result();
  expect(timings.visionMs).toBeGreaterThan(0);
  const first = [...fake.calls];
  expect(first.filter((call) => call.startsWith("encode")).length).toBeGreaterThan(0);
  fake.calls.length = 0;
  const second = await chat.ask("and now?", { maxTokens: 4 }).result();
  expect(fake.calls.filter((call) => !call.startsWith("prefill"))).toEqual([]);
  // The last token of the answer (never stepped), "|", the question and the answer's head.
  expect(second.usage.prefilledTokens).toBe("x|\nU:and now?|A:".length);
  expect(second.usage.crops).toBe(2);
  expect(second.timings.visionMs).toBe(0);

  const fresh = owl.chat({
    system: "be brief",
    messages: [
      { role: "user", content: [picture("a.png"), text("what?")] },
      { role: "assistant", content: chat.history[2]?.text ?? "" },
      { role: "user", content: "and now?" },
    ],
  });
  expect((await fresh.answer({ maxTokens: 4 }).result()).text).toBe(second.text);
});

test("chat: another picture in an earlier place is not taken for the one in the cache", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const chat = owl.chat();
  await chat.ask([picture("a.png"), text("what?")], { maxTokens: 2 }).result();
  chat.clear();
  const b = await chat.ask([picture("b.png"), text("what?")], { maxTokens: 6 }).result();
  const fresh = await owl
    .chat()
    .ask([picture("b.png"), text("what?")], { maxTokens: 6 })
    .result();
  expect(b.text).toBe(fresh.text);
  expect(fake.embeds.size).toBeGreaterThan(0);
});

test("chat: regenerate answers again from the cache", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const chat = owl.chat();
  const one = await chat.ask("why?", { maxTokens: 4 }).result();
  fake.calls.length = 0;
  const two = await chat.regenerate({ maxTokens: 4 }).result();
  expect(two.text).toBe(one.text);
  expect(two.usage.prefilledTokens).toBe(1);
  expect(chat.history).toHaveLength(2);
  chat.clear();
  expect(() => chat.regenerate()).toThrow(/no answer yet/);
});

test("chat: long prompts are prefilled in chunks, with progress", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const seen: number[] = [];
  await owl
    .chat()
    .ask("x".repeat(1200), {
      maxTokens: 1,
      onProgress: (p) => {
        if (p.stage === "prefill") seen.push(p.done);
      },
    })
    .result();
  expect(prefills(fake)).toEqual([
    "prefill 512 at 0 with 0",
    "prefill 512 at 512 with 0",
    "prefill 182 at 1024 with 0",
  ]);
  expect(seen).toEqual([0, 512, 1024, 1206]);
});

test("chat: a stop in the middle keeps what was said", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const chat = owl.chat();
  const controller = new AbortController();
  const pieces: string[] = [];
  const reading = (async () => {
    for await (const piece of chat.ask("go", { signal: controller.signal })) {
      pieces.push(piece.text);
      if (pieces.length === 3) controller.abort();
    }
  })();
  await expect(reading).rejects.toMatchObject({ name: "AbortError" });
  expect(chat.history.at(-1)).toMatchObject({ role: "assistant", text: pieces.join("") });
  expect((await chat.ask("more", { maxTokens: 2 }).result()).tokens).toHaveLength(2);
});

test("chat: breaking off the loop keeps what was said, too", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const chat = owl.chat();
  for await (const _ of chat.ask("go")) break;
  expect(chat.history).toHaveLength(2);
  expect(chat.history[1]?.text).toHaveLength(1);
});

test("chat: what fails or stops before the first token leaves the chat as it was", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const chat = owl.chat({ system: "s" });
  const parts = [picture("a.png"), picture("missing.png"), text("?")];
  await expect(chat.ask(parts).result()).rejects.toThrow(/missing/);
  expect(fake.opened.size).toBe(0);
  await expect(chat.ask("x", { signal: AbortSignal.abort() }).result()).rejects.toMatchObject({ name: "AbortError" });
  await expect(chat.ask("x", { temperature: -1 }).result()).rejects.toThrow(/temperature/);
  await expect(chat.ask("x", { maxTokens: 0 }).result()).rejects.toThrow(/maxTokens/);
  expect(chat.history.filter((turn) => turn.role !== "system")).toEqual([]);
  expect((await chat.ask("x", { maxTokens: 1 }).result()).usage.promptTokens).toBe("S:s|\nU:x|A:".length);
});

test("chat: the input is copied, not kept or changed", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const parts = Object.freeze([Object.freeze(picture("a.png")), Object.freeze(text("hi"))]);
  const messages = Object.freeze([Object.freeze({ role: "user" as const, content: parts as InputPart[] })]);
  const before = JSON.stringify(messages);
  await owl.chat({ messages }).answer({ maxTokens: 1 }).result();
  await owl.chat().ask(parts, { maxTokens: 1 }).result();
  expect(JSON.stringify(messages)).toBe(before);
});

test("chat: pictures may be loaded before the answer, which is the same", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const messages = [{ role: "user" as const, content: [picture("a.png"), text("what?")] }];
  const once = await owl.chat({ messages }).answer({ maxTokens: 3 }).result();
  const chat = owl.chat({ messages });
  const sources: string[] = [];
  await chat.load({ onProgress: (progress) => progress.stage === "preprocess" && sources.push(progress.source) });
  expect(sources).toEqual(["a.png"]);
  expect(chat.history).toHaveLength(1);
  sources.length = 0;
  const { text: said } = await chat.answer({ maxTokens: 3, onProgress: ({ stage }) => sources.push(stage) }).result();
  expect(said).toBe(once.text);
  expect(sources).not.toContain("preprocess");
  const stopped = owl.chat({ messages });
  await expect(stopped.load({ signal: AbortSignal.abort() })).rejects.toThrow("abort");
  expect(stopped.history).toEqual([]);
  expect((await stopped.answer({ maxTokens: 3 }).result()).text).toBe(once.text);
});

test("chat: a context that is too short is refused, one that was not asked for is what the model knows", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  await expect(owl.chat({ contextLength: 64 }).ask("x".repeat(100)).result()).rejects.toMatchObject({
    name: "ContextError",
    ...{ promptTokens: 106, contextLength: 64, chosen: true, exitCode: 2 },
  });
  expect(() => owl.chat({ contextLength: 1e6 })).toThrow(/32768/);
  const short = await owl.chat({ contextLength: 20 }).ask("1234567890", { maxTokens: 99 }).result();
  expect(short).toMatchObject({ finishReason: "length", usage: { completionTokens: 4 } });
  const chat = owl.chat();
  await chat.ask("a", { maxTokens: 1 }).result();
  await chat.ask("x".repeat(5000), { maxTokens: 1 }).result();
  expect(fake.sessions.size).toBe(1);
});

test("chat: what does not fit into memory is refused before work starts", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  fake.planTotal = 1e18;
  await expect(
    owl
      .chat()
      .ask([picture("a.png"), text("?")])
      .result(),
  ).rejects.toMatchObject({
    name: "MemoryError",
    exitCode: 5,
    missing: { of: "answer", needed: 1e18 - 10 },
  });
  expect(fake.calls).toEqual(["load a.png"]);
});

test("chat: one answer at a time, each read once", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const chat = owl.chat();
  const first = chat.ask("one");
  const reading = first[Symbol.asyncIterator]();
  await reading.next();
  await expect(chat.ask("two").result()).rejects.toThrow(/under way/);
  expect(() => chat.clear()).toThrow(/under way/);
  await expect(first.result()).rejects.toThrow(/only once/);
  await reading.return(undefined as never);
  expect((await chat.ask("two", { maxTokens: 1 }).result()).tokens).toHaveLength(1);
});

test("chat: dispose frees everything, twice, also in the middle of an answer", async () => {
  const fake = fakeEngine();
  const owl = await openFake(fake);
  const chat = owl.chat();
  const reading = chat.ask([picture("a.png"), text("?")])[Symbol.asyncIterator]();
  await reading.next();
  const running = reading.next();
  await owl.dispose();
  await owl.dispose();
  await running.catch(() => {});
  expect([fake.sessions.size, fake.embeds.size]).toEqual([0, 0]);
  expect(fake.calls.filter((call) => call === "dispose")).toHaveLength(1);
  await expect(chat.ask("x").result()).rejects.toThrow(/disposed/);
  expect(() => owl.chat()).toThrow(/disposed/);
});

test("chat: open refuses what is no file", async () => {
  const { Owl } = await import("../../../src/chat/owl.js");
  const { binding } = fakeEngine();
  await expect(Owl.openWith(binding, "/no/such.gguf")).rejects.toMatchObject({ exitCode: 3 });
  await expect(Owl.openWith(binding, "/tmp")).rejects.toThrow(/folder/);
});

test("chat: turns from elsewhere keep their ids if these spell them, and an answer to them can be given again", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const history = (ids?: number[]) => [
    { role: "user" as const, content: "hello" },
    { role: "assistant" as const, content: "hi", ...(ids && { ids }) },
  ];
  const idsOf = async (ids?: number[]) => {
    const chat = owl.chat({ messages: history(ids) });
    await chat.ask("and?", { maxTokens: 1 }).result();
    return chat.history[1]?.ids;
  };
  expect(await idsOf([104, 105])).toEqual([104, 105]);
  expect(await idsOf([104, 106])).toBeUndefined();
  expect(await idsOf()).toBeUndefined();

  const chat = owl.chat({ messages: history() });
  const { text: again } = await chat.regenerate({ maxTokens: 3 }).result();
  const fresh = await owl.chat().ask("hello", { maxTokens: 3 }).result();
  expect(again).toBe(fresh.text);
  expect(chat.history.map(({ role }) => role)).toEqual(["user", "assistant"]);
  expect(() => owl.chat({ messages: history().slice(0, 1) }).regenerate()).toThrow("there is no answer yet");
});

test("chat: usage tells the crops that the vision tower ran", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const ask = () =>
    owl
      .chat()
      .ask([picture("a.png"), text("what?")], { maxTokens: 1 })
      .result();
  expect((await ask()).usage).toMatchObject({ crops: 2, encodedCrops: 1 }); // both have the same pixels
  expect((await ask()).usage).toMatchObject({ crops: 2, encodedCrops: 0 });
});
