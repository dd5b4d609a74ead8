import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Owl } from "../../src/chat/owl.js";
import type { InputMessage, InputPart } from "../../src/prompt/messages.js";
import { yesNoCandidates } from "../../src/score/yes-no.js";
import { fixtures } from "../support/files.js";
import { converter } from "../support/model.js";

// tools/reference/scores.py computed the log-probabilities of these answers in PyTorch, each by teacher forcing.
interface Answer {
  text: string;
  ids: number[];
  logprobs: number[];
  /** Standard deviations of the logits that each log-probability comes from. */
  deviations: number[];
}
const golden = join(fixtures, "golden");
const read = (file: string) => JSON.parse(readFileSync(join(golden, file), "utf8"));
const cases: {
  name: string;
  messages: { role: InputMessage["role"]; content: string }[];
  media: (string | string[])[];
}[] = read("cases.json");
const scores: { name: string; answers: Answer[] }[] = read("scores.json");

/** Logits may differ by this much, in their standard deviations (expectAgreement), and so a log-probability by twice that. */
const bound = 2 * 2e-3;

function conversation({ messages, media }: (typeof cases)[number]): InputMessage[] {
  const left = [...media];
  const file = (name: string): string => join(golden, "media", name);
  const part = (piece: string): InputPart => {
    if (!/^<\|(image|video)\|>$/.test(piece)) return { type: "text", text: piece };
    const item = left.shift() as string | string[];
    return typeof item === "string" ? { type: "image", path: file(item) } : { type: "video", frames: item.map(file) };
  };
  return messages.map(({ role, content }) => ({
    role,
    content: content
      .split(/(<\|(?:image|video)\|>)/)
      .filter(Boolean)
      .map(part),
  }));
}

for (const type of ["f32", "bf16"] as const)
  describe(`log-probabilities as ${type} against the float32 reference`, async () => {
    const convertedTo = converter("golden/model");
    const path = await convertedTo(type);
    for (const one of cases)
      test(one.name, async () => {
        await using owl = await Owl.open(path, { threads: 2 });
        const { answers } = scores.find(({ name }) => name === one.name) as (typeof scores)[number];
        const messages = conversation(one);
        const { candidates } = await owl.score(
          messages,
          answers.map(({ text }) => text),
        );
        for (const [i, { tokens, logprob }] of candidates.entries()) {
          const { ids, logprobs, deviations } = answers[i] as Answer;
          expect(tokens.map(({ id }) => id)).toEqual(ids);
          for (const [at, token] of tokens.entries())
            expect(Math.abs(token.logprob - (logprobs[at] as number))).toBeLessThan(bound * (deviations[at] as number));
          const sum = logprobs.reduce((a, b) => a + b, 0);
          expect(Math.abs(logprob - sum)).toBeLessThan(bound * deviations.reduce((a, b) => a + b, 0));
        }
        const { yes, no } = await owl.yesNo(messages);
        const probability = (texts: readonly string[]): number =>
          answers
            .filter(({ text }) => texts.includes(text))
            .reduce((sum, { logprobs }) => sum + Math.exp(logprobs.reduce((a, b) => a + b, 0)), 0);
        const half = yesNoCandidates.length / 2;
        const wanted = [probability(yesNoCandidates.slice(0, half)), probability(yesNoCandidates.slice(half))];
        for (const [i, got] of [yes, no].entries()) {
          expect(wanted[i]).toBeGreaterThan(0);
          expect(got / (wanted[i] as number)).toBeCloseTo(1, 1);
          expect(Math.abs(got - (wanted[i] as number))).toBeLessThan(5e-3);
        }
      });
  });
