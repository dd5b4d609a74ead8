import { afterAll, describe, expect, test } from "vitest";
import type { PromptTensors } from "../../src/chat/options.js";
import { Owl } from "../../src/chat/owl.js";
import { promptTokenizer } from "../../src/chat/prompt-tokenizer.js";
import { native } from "../../src/native/native.js";
import type { MediaSlot, NativeSession } from "../../src/native/session.js";
import type { InputMessage, InputPart } from "../../src/prompt/messages.js";
import { yesNoCandidates } from "../../src/score/yes-no.js";
import { root } from "../support/files.js";
import { append, converter, open, prefill, session } from "../support/model.js";

const convertedTo = converter("golden/model");
const candidates = [
  "A",
  "a red circle",
  "a red square",
  "Yes.",
  "a red circle and something else that goes on for a while",
];
const conversations: Record<string, InputMessage[]> = {
  "text alone": [{ role: "user", content: "What is it?" }],
  "a picture": [
    {
      role: "user",
      content: [
        { type: "image", path: `${root}/examples/shapes.png` },
        { type: "text", text: "\nWhat is it?" },
      ],
    },
  ],
};

/** log softmax of a row at `id`, in double precision. */
function logSoftmax(row: Float32Array, id: number): number {
  const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = row.reduce((total, x) => total + Math.exp(x - max), 0);
  return (row[id] as number) - max - Math.log(sum);
}

for (const type of ["f32", "q8_0"] as const)
  describe(`log-probabilities of given answers, ${type}`, async () => {
    const file = await convertedTo(type);
    const owl = await Owl.open(file, { threads: 2 });
    afterAll(() => owl.dispose());
    const model = await open(file);
    const tokenizer = promptTokenizer(model.metadata, file);

    /** Prompt and candidate in a session of their own, one id a pass: the log-probability of each id by the engine and from its logits. */
    async function forced(messages: InputMessage[], ids: number[]): Promise<{ engine: number[]; softmax: number[] }> {
      const { ids: prompt, mediaOffset: offsets } = await Owl.preview(file, messages);
      let pixels: Uint8Array[] = [];
      await using chat = owl.chat({ messages });
      const onPrefilled = (tensors: PromptTensors): void => {
        pixels = tensors.pixels;
      };
      await chat.answer({ maxTokens: 1, onPrefilled }).result();
      const embeds = offsets.length > 0 ? await model.encode(Buffer.concat(pixels), offsets.length) : undefined;
      const s = session(model);
      const sequence = s.create();
      let { logits } = await prefill(s, sequence, { ids: Int32Array.from(prompt), offsets }, embeds, 100);
      const softmax: number[] = [];
      for (const id of ids) {
        softmax.push(logSoftmax(logits, id));
        logits = (await append(s, [{ sequence, ids: Int32Array.of(id) }]))[0]?.logits as Float32Array;
      }
      s.truncate(sequence, prompt.length - 1);
      const media: MediaSlot[] = [];
      const engine = await oneByOne(s, sequence, [prompt.at(-1) as number, ...ids], media);
      s.dispose();
      embeds?.dispose();
      return { engine, softmax };
    }

    for (const [name, messages] of Object.entries(conversations))
      test(`${name}: equal to teacher forcing one id a pass, to the bit, and to the logits' softmax`, async () => {
        const scores = await owl.score(messages, candidates);
        for (const [i, { tokens, logprob, perToken }] of scores.candidates.entries()) {
          expect(tokens.map(({ id }) => id)).toEqual(tokenizer.encode(candidates[i] as string));
          const { engine, softmax } = await forced(
            messages,
            tokens.map(({ id }) => id),
          );
          expect(tokens.map((token) => token.logprob)).toEqual(engine);
          for (const [at, token] of tokens.entries()) expect(token.logprob).toBeCloseTo(softmax[at] as number, 4);
          expect(logprob).toBeCloseTo(
            softmax.reduce((a, b) => a + b, 0),
            3,
          );
          expect(perToken).toBeCloseTo(logprob / tokens.length, 10);
        }
        expect(scores.candidates.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 10);
      });

    test("a score is the same alone, with others, beside an answer, and after it", async () => {
      const messages = conversations["a picture"] as InputMessage[];
      const alone = await Promise.all(
        candidates.map(async (text) => (await owl.score(messages, [text])).candidates[0]?.logprob),
      );
      await using chat = owl.chat({ messages });
      const [together, text] = await Promise.all([
        owl.score(messages, candidates),
        chat.answer({ maxTokens: 12, temperature: 0 }).text(),
      ]);
      expect(together.candidates.map(({ logprob }) => logprob)).toEqual(alone);
      const after = await owl.score(messages, candidates);
      expect(after.candidates).toEqual(together.candidates);
      await using again = owl.chat({ messages });
      expect(await again.answer({ maxTokens: 12, temperature: 0 }).text()).toBe(text);
    });

    test("the greedy answer's first token is the likeliest one", async () => {
      const messages = conversations["text alone"] as InputMessage[];
      await using chat = owl.chat({ messages });
      const { tokens } = await chat
        .answer({ maxTokens: 1, temperature: 0, repetitionPenalty: 1, logprobs: 5 })
        .result();
      const top = tokens[0]?.top ?? [];
      const { candidates: scored } = await owl.score(
        messages,
        top.map(({ text }) => text).filter((one) => one !== ""),
      );
      for (const { tokens: ids, logprob } of scored)
        if (ids.length === 1) expect(logprob).toBe(top.find(({ id }) => id === ids[0]?.id)?.logprob);
    });

    test("by letter: the question shows the options, and the letters are scored", async () => {
      const [question] = conversations["a picture"] as [InputMessage];
      const below =
        "\nOptions:\nA. a red circle\nB. a red square\nAnswer with the option’s letter from the given choices directly.";
      const shown = {
        ...question,
        content: [...(question.content as InputPart[]), { type: "text" as const, text: below }],
      };
      const letters = await owl.score([question], ["a red circle", "a red square"], { letters: true });
      const same = await owl.score([shown], ["A", "B"]);
      expect(letters.candidates.map(({ text, letter }) => [letter, text])).toEqual([
        ["A", "a red circle"],
        ["B", "a red square"],
      ]);
      expect(letters.candidates.map(({ tokens, share }) => [tokens, share])).toEqual(
        same.candidates.map(({ tokens, share }) => [tokens, share]),
      );
      expect(letters.usage).toEqual(same.usage);
    });

    test("yes and no are the sums over their spellings", async () => {
      const messages = conversations["a picture"] as InputMessage[];
      const { yes, no, spellings, usage } = await owl.yesNo(messages);
      const { candidates: scored, usage: same } = await owl.score(messages, yesNoCandidates);
      expect(spellings.map(({ text, probability }) => [text, probability])).toEqual(
        scored.map(({ text, logprob }) => [text, Math.exp(logprob)]),
      );
      const sum = (of: string): number =>
        spellings.filter(({ answer }) => answer === of).reduce((total, { probability }) => total + probability, 0);
      expect([yes, no]).toEqual([sum("yes"), sum("no")]);
      expect(usage).toEqual(same);
    });

    test("a whole answer has its end marker as the last token", async () => {
      const messages = conversations["text alone"] as InputMessage[];
      const [open] = (await owl.score(messages, ["Yes."])).candidates;
      const [whole] = (await owl.score(messages, ["Yes."], { end: true })).candidates;
      expect(whole?.tokens.slice(0, -1)).toEqual(open?.tokens);
      expect(whole?.tokens.at(-1)?.text).toBe("<|im_end|>");
    });
  });

test("what can't be scored is refused in a sentence", async () => {
  await using owl = await Owl.open(await convertedTo("f32"), { threads: 2 });
  const messages = conversations["text alone"] as InputMessage[];
  await expect(owl.score(messages, [])).rejects.toThrow("there is no candidate to score.");
  await expect(owl.score(messages, [""])).rejects.toThrow("a candidate is empty.");
  await expect(owl.score(messages, ["a", "b", "a"])).rejects.toThrow('the candidate "a" is given twice.');
  await expect(owl.score(messages, ["caf\u00e9", "cafe\u0301"])).rejects.toThrow("is given twice.");
  await expect(
    owl.score(
      messages,
      Array.from({ length: 27 }, (_, i) => `${i}`),
      { letters: true },
    ),
  ).rejects.toThrow("27 options");
  await expect(owl.score(messages, ["x ".repeat(400)], { contextLength: 100 })).rejects.toThrow(
    "the context holds 100",
  );
  const stop = new AbortController();
  stop.abort();
  await expect(owl.score(messages, ["a"], { signal: stop.signal })).rejects.toThrow("abort");
  await owl.dispose();
  await expect(owl.score(messages, ["a"])).rejects.toThrow("this model was disposed");
});

test("targets that are no ids, and a sampler beside them, are refused", async () => {
  const model = await open(await convertedTo("f32"));
  const s = session(model);
  const part = { sequence: s.create(), ids: Int32Array.of(1, 2) };
  const advance = async (more: object): Promise<unknown> => s.advance([{ ...part, ...more }]);
  await expect(advance({ targets: [Int32Array.of(1 << 24)] })).rejects.toThrow("no id of this model");
  await expect(advance({ targets: [Int32Array.of(-1)] })).rejects.toThrow("no id of this model");
  await expect(advance({ targets: [[1]] })).rejects.toThrow("targets");
  await expect(advance({ targets: Array(3).fill(Int32Array.of(1)) })).rejects.toThrow("no more rows than ids");
  const sampler = native().createSampler({
    ...{ temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 },
    ...{ seed: 0, logprobs: 0 },
  });
  await expect(advance({ targets: [Int32Array.of(1)], sampler })).rejects.toThrow("either drawn from or scored");
  s.dispose();
});

/** Appends ids one by one; returns the log-probability of each but the first after those before it. */
async function oneByOne(
  s: NativeSession,
  sequence: number,
  ids: readonly number[],
  media: MediaSlot[],
): Promise<number[]> {
  const logprobs: number[] = [];
  for (const [i, id] of ids.slice(0, -1).entries()) {
    const targets = [Int32Array.of(ids[i + 1] as number)];
    const [after] = await s.advance([{ sequence, ids: Int32Array.of(id), media, targets }]);
    logprobs.push(...(after?.scores ?? []));
  }
  return logprobs;
}
