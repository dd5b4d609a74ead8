import { totalmem } from "node:os";
import { expect, test } from "vitest";
import type { AskOptions } from "../../../src/chat/options.js";
import type { Owl } from "../../../src/chat/owl.js";
import type { InputPart } from "../../../src/prompt/messages.js";
import { type Fake, fakeEngine, openFake } from "../../support/fake.js";

const picture = (path: string): InputPart => ({ type: "image", path });
const text = (t: string): InputPart => ({ type: "text", text: t });

const questions: [content: string | InputPart[], options: AskOptions][] = [
  ["why?", { maxTokens: 12 }],
  [[picture("a.png"), text("what is it?")], { maxTokens: 9 }],
  [[picture("a.png"), picture("b.png"), text("and these?")], { maxTokens: 15, draft: "lookup" }],
  ["list three", { maxTokens: 6, beams: 3 }],
];
const scores = (ids: readonly number[]) => {
  const seed = ids.reduce((a, b) => (a * 31 + b) % 1009, 7);
  return [0, 1, 2, 3, 4, 5].map((i) => ({ id: 97 + ((seed + i) % 26), logprob: -0.1 - i - (seed % 7) / 10 }));
};
async function ask(owl: Owl, [content, options]: (typeof questions)[number]) {
  await using chat = owl.chat();
  const { tokens, finishReason, text: said } = await chat.ask(content, options).result();
  return { tokens, finishReason, said };
}
const steps = (fake: Fake): number => fake.passes.length;

test("sharing: chats that ask at the same time share passes and get the answers that each alone gets", async () => {
  const alone = [];
  let passes = 0;
  for (const question of questions) {
    const fake = fakeEngine();
    fake.scores = scores;
    await using owl = await openFake(fake);
    alone.push(await ask(owl, question));
    passes += steps(fake);
  }
  const fake = fakeEngine();
  fake.scores = scores;
  await using owl = await openFake(fake);
  expect(await Promise.all(questions.map((question) => ask(owl, question)))).toEqual(alone);
  // As many as the longest answer has tokens, and a few while the pictures are encoded.
  expect(steps(fake)).toBeLessThanOrEqual(15 + 4);
  expect(steps(fake)).toBeLessThan(passes / 2);
});

test("sharing: a picture that two chats show is encoded once, and stays as long as one of them shows it", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const [one, two] = [owl.chat(), owl.chat()];
  const [first, second] = await Promise.all(
    [one, two].map((chat) => chat.ask([picture("a.png"), text("?")], { maxTokens: 3 }).result()),
  );
  expect(fake.calls.filter((call) => call.startsWith("encode"))).toEqual(["encode 1"]); // its crops are the same, too
  expect(second?.text).toBe(first?.text);
  await one.dispose();
  const later = await two.ask("more", { maxTokens: 3 }).result();
  expect(later.usage.crops).toBe(2);
  expect(fake.calls.filter((call) => call.startsWith("encode"))).toHaveLength(1);
});

test("sharing: what one chat said before is not computed again for another", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const said = await owl
    .chat({ system: "be brief" })
    .ask([picture("a.png"), text("what?")], { maxTokens: 3 })
    .result();
  const other = await owl
    .chat({ system: "be brief" })
    .ask([picture("a.png"), text("who?")], { maxTokens: 3 })
    .result();
  expect(said.usage.prefilledTokens).toBe(said.usage.promptTokens);
  expect(other.usage.prefilledTokens).toBe("o?|A:".length);
  const fresh = fakeEngine();
  await using alone = await openFake(fresh);
  const again = await alone
    .chat({ system: "be brief" })
    .ask([picture("a.png"), text("who?")], { maxTokens: 3 })
    .result();
  expect(other.tokens).toEqual(again.tokens);
});

test("sharing: what fails or stops in one chat leaves the others alone", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const stop = new AbortController();
  const [missing, stopped, good] = await Promise.allSettled([
    ask(owl, [[picture("missing.png")], {}]),
    (async () => {
      for await (const _ of owl.chat().ask("stop me", { signal: stop.signal })) stop.abort();
    })(),
    ask(owl, ["why?", { maxTokens: 12 }]),
  ]);
  expect(missing).toMatchObject({ status: "rejected", reason: { message: "missing.png is missing" } });
  expect(stopped).toMatchObject({ status: "rejected", reason: { name: "AbortError" } });
  const fresh = fakeEngine();
  await using alone = await openFake(fresh);
  expect(good).toMatchObject({ value: await ask(alone, ["why?", { maxTokens: 12 }]) });
});

test("sharing: an answer that is not read on is not computed, while others go on", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const reading = owl.chat().ask("slowly")[Symbol.asyncIterator]();
  await reading.next();
  await reading.next();
  fake.passes.length = 0;
  await ask(owl, ["why?", { maxTokens: 12 }]);
  expect(fake.passes.map((parts) => parts.length)).toEqual(Array(12).fill(1));
  await reading.return(undefined as never);
});

test("sharing: dispose ends the answers of all chats", async () => {
  const fake = fakeEngine();
  const owl = await openFake(fake);
  const answers = questions.slice(0, 3).map((question) => ask(owl, [question[0], { maxTokens: 500 }]));
  const settled = Promise.allSettled(answers);
  while (fake.passes.length < 10) await new Promise((resolve) => setImmediate(resolve));
  await owl.dispose();
  for (const one of await settled) expect(one.status).toBe("rejected");
  expect([fake.sessions.size, fake.embeds.size]).toEqual([0, 0]);
});

test("sharing: a fork shows the media of its chat, which stay until both let them go, and goes on by itself", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const alone = await ask(owl, [[picture("a.png"), text("?")], { maxTokens: 5 }]);
  fake.calls.length = 0;
  const messages = [{ role: "user" as const, content: [picture("a.png"), text("?")] }];
  const chat = owl.chat({ messages });
  await chat.load();
  const forks = [chat.fork(), chat.fork()];
  expect(fake.opened.size).toBe(1);
  const answers = await Promise.all([chat, ...forks].map((one) => one.answer({ maxTokens: 5 }).text()));
  expect(answers).toEqual(Array(3).fill(alone.said));
  expect(fake.calls.filter((call) => call.startsWith("load"))).toEqual(["load a.png"]);
  await chat.dispose();
  await forks[0]?.ask("more", { maxTokens: 3 }).result();
  expect(forks.map(({ history }) => history.length)).toEqual([4, 2]);
  expect(() => chat.fork()).toThrow(/disposed/);
});

test("sharing: the one that encodes for a fork is stopped, and the fork goes on", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const chat = owl.chat({ messages: [{ role: "user", content: [picture("a.png"), text("?")] }] });
  await chat.load();
  const fork = chat.fork();
  const stop = new AbortController();
  fake.onEncode = () => {
    fake.onEncode = undefined;
    stop.abort();
  };
  const first = chat.answer({ maxTokens: 3, signal: stop.signal }).text();
  const second = fork.answer({ maxTokens: 3 }).result();
  await expect(first).rejects.toThrow();
  await chat.dispose();
  expect((await second).usage.crops).toBe(2);
  await fork.dispose();
  expect(fake.opened.size).toBe(0);
});

test("sharing: what is kept of answers that are over is bounded, however many there were, and told", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const letters = Array.from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  for (const letter of letters) await ask(owl, [[picture(`${letter}.png`), text(`${letter} what?`)], { maxTokens: 4 }]);
  const { kv, crops } = owl.memoryUse();
  expect(kv.kept.sequences).toBe(32);
  expect(kv.kept.bytes).toBeLessThanOrEqual(kv.kept.limit);
  expect(kv.kept.limit).toBeLessThanOrEqual(totalmem() / 8);
  // The fake engine's pages have 64 bytes; each answer has one page.
  expect([kv.pages, kv.bytes]).toEqual([32, 32 * 64]);
  expect(crops.bytes).toBe(crops.unused.bytes);
  expect(crops.bytes).toBe(4 * fake.embeds.size);
});
