import { expect, test } from "vitest";
import { runAnswers } from "../../../src/worker/answers.js";
import type { AnswerEvent, AnswerRequest } from "../../../src/worker/protocol.js";
import { fakeEngine, openFake } from "../../support/fake.js";

const request = (n: number, path = "a.png"): AnswerRequest => ({
  n,
  messages: [
    {
      role: "user",
      content: [
        { type: "image", path },
        { type: "text", text: "what is it?" },
      ],
    },
  ],
  sampling: { temperature: 1, seed: 5 },
  maxTokens: 6,
  stop: [],
});
const count = (calls: readonly string[], start: string) => calls.filter((call) => call.startsWith(start)).length;

async function run(n: number, path?: string) {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const events: AnswerEvent[] = [];
  await runAnswers(owl, request(n, path), {}, new AbortController().signal, (event) => events.push(event));
  const texts = Array.from({ length: n }, () => "");
  for (const event of events) if (event.type === "piece") texts[event.choice] += event.text;
  return { fake, events, texts };
}

test("several answers decode their media once, encode them once, and are those that each alone would be", async () => {
  const one = await run(1);
  const three = await run(3);
  expect(three.texts).toEqual(Array(3).fill(one.texts[0]));
  expect(three.texts[0]).toHaveLength(6);
  for (const start of ["load", "encode"]) expect(count(three.fake.calls, start)).toBe(count(one.fake.calls, start));
  expect(count(three.fake.calls, "load")).toBe(1);
  expect(three.fake.opened.size).toBe(0);
  const ends = three.events.flatMap((event) => (event.type === "end" ? [event] : []));
  expect(ends.map(({ usage }) => [usage.promptTokens, usage.crops])).toEqual(Array(3).fill([19, 2]));
});

test("the progress of the vision tower comes before all pieces, once for all answers", async () => {
  for (const n of [1, 3]) {
    const { events } = await run(n);
    const first = events.findIndex(({ type }) => type !== "vision");
    expect(events.slice(first).some(({ type }) => type === "vision")).toBe(false);
    expect(events.slice(0, first)).toEqual([0, 1, 2].map((done) => ({ type: "vision", done, total: 2 })));
  }
});

test("what is wrong with a medium ends all answers, and nothing stays open", async () => {
  const fake = fakeEngine();
  await using owl = await openFake(fake);
  const running = runAnswers(owl, request(2, "missing.png"), {}, new AbortController().signal, () => {});
  await expect(running).rejects.toThrow("missing.png is missing");
  expect([fake.opened.size, fake.passes.length]).toEqual([0, 0]);
});
