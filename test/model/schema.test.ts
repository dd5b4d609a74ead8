import { readFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, expect, test } from "vitest";
import { type AnswerFormat, type AskOptions, Owl, SchemaError } from "../../src/index.js";
import { root } from "../support/files.js";

const owl = await Owl.open(path.join(root, "models/owl3-demo.gguf"), { threads: 2 });
afterAll(() => owl.dispose());
const question = [
  { type: "image" as const, path: path.join(root, "examples/shapes.png") },
  { type: "text" as const, text: "What is in this picture?" },
];

async function ask(options: AskOptions) {
  const chat = owl.chat();
  try {
    return await chat.ask(question, { maxTokens: 200, ...options }).result();
  } finally {
    await chat.dispose();
  }
}

const { schema } = JSON.parse(readFileSync(path.join(root, "test/fixtures/schema/real/detections.json"), "utf8")) as {
  schema: object;
};
const validate = new Ajv2020({ strict: false }).compile(schema);
const small = {
  type: "object",
  properties: {
    shape: { enum: ["circle", "star", "ring"] },
    color: { type: "string", maxLength: 12 },
    n: { maximum: 9, minimum: 0, type: "integer" },
  },
  required: ["shape", "color", "n"],
  additionalProperties: false,
};

test("sampled, greedy, searched and drafted answers are valid", { timeout: 120_000 }, async () => {
  const runs: AskOptions[] = [
    {},
    { draft: "lookup" },
    { beams: 3 },
    { beams: 4, repetitionPenalty: 1.2 },
    ...[1, 2, 3].map((seed) => ({ temperature: 1.5, seed, topP: 0.95 })),
    { temperature: 5, topK: 3, seed: 9, repetitionPenalty: 1.1, draft: "lookup" },
  ];
  const validSmall = new Ajv2020().compile(small);
  for (const run of runs) {
    const { text, finishReason } = await ask({ ...run, format: { schema: small } });
    expect([run, finishReason]).toEqual([run, "stop"]);
    expect(validSmall(JSON.parse(text)), text).toBe(true);
  }
  const { text, finishReason } = await ask({ format: { schema }, temperature: 3, seed: 4, maxTokens: 3000 });
  if (finishReason === "stop") expect(validate(JSON.parse(text)), text).toBe(true);
});

test("drafts change no answer, to the bit", async () => {
  const format = { schema: small };
  for (const temperature of [0, 1]) {
    const one = await ask({ format, temperature, seed: 7 });
    const two = await ask({ format, temperature, seed: 7, draft: "lookup" });
    expect(two.tokens).toEqual(one.tokens);
  }
});

test("log-probabilities and alternatives stay those of the model", async () => {
  const free = await ask({ logprobs: 5, maxTokens: 1 });
  const bound = await ask({ logprobs: 5, maxTokens: 1, format: { choices: ["zebra", "quagga"] } });
  expect(bound.tokens[0]?.top).toEqual(free.tokens[0]?.top);
  expect(bound.tokens[0]?.logprob).toBeLessThan(free.tokens[0]?.logprob ?? 0);
  expect("zebra quagga").toContain(bound.tokens[0]?.text);
});

test("choices and patterns", async () => {
  for (const beams of [1, 2]) {
    expect(["Yes.", "No."]).toContain((await ask({ format: { choices: ["Yes.", "No."] }, beams })).text);
    expect((await ask({ format: { regex: "(red|blue|green) [a-z]{3,8}" }, beams })).text).toMatch(
      /^(red|blue|green) [a-z]{3,8}$/,
    );
  }
  const only = await ask({ format: { choices: ["déjà vu 🦉"] } });
  expect([only.text, only.finishReason]).toEqual(["déjà vu 🦉", "stop"]);
});

test("an answer that is cut off is the beginning of one, and says so", async () => {
  const { text, finishReason } = await ask({ format: { schema: small }, maxTokens: 4 });
  expect(finishReason).toBe("length");
  expect(text.startsWith('{"')).toBe(true);
});

test("answers at the same time, and turns of a conversation, have each their own form", async () => {
  const formats: AnswerFormat[] = [{ schema: small }, { schema: small }, { choices: ["a", "b"] }, { jsonObject: true }];
  const together = await Promise.all(formats.map((format) => ask({ format, maxTokens: 60 })));
  for (const [i, format] of formats.entries())
    expect(together[i]?.text).toBe((await ask({ format, maxTokens: 60 })).text);
  const chat = owl.chat();
  const first = await chat.ask(question, { format: { choices: ["one", "two"] } }).text();
  const second = await chat.ask("And now?", { format: { regex: "[0-9]{2}" } }).text();
  await chat.dispose();
  expect(["one", "two"]).toContain(first);
  expect(second).toMatch(/^[0-9]{2}$/);
});

test("the system message tells of the schema unless it shall not", async () => {
  const preview = (options: object) =>
    Owl.preview(owl.path, [{ role: "user", content: "Hi" }], { format: { schema: small }, ...options });
  const told = (await preview({ system: "Be brief." })).prompt;
  expect(told).toContain(`Be brief.\n\nAnswer with JSON`);
  expect(told).toContain(JSON.stringify(small));
  expect((await preview({})).prompt).toContain("<|im_start|>system\nAnswer with JSON");
  expect((await preview({ schemaPrompt: false })).prompt).not.toContain("JSON");
});

test("a schema that can't be followed is an error with its place, and the chat goes on", async () => {
  const chat = owl.chat();
  const bad = chat.ask("Hi", { format: { schema: { items: { kind: 1 } } } }).text();
  await expect(bad).rejects.toThrow(SchemaError);
  await expect(bad).rejects.toThrow("/items/kind");
  expect(await chat.ask("Hi", { format: { choices: ["ok"] } }).text()).toBe("ok");
  await chat.dispose();
});
