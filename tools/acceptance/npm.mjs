// Clients of npm: node npm.mjs URL PICTURE, in a folder with openai, ollama, ai and @ai-sdk/openai-compatible. Prints "ok NAME" or "FAIL NAME".
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, file] = process.argv.slice(2);
// Packages are those of the folder where this runs, not of the folder where it lies.
const require = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const picture = readFileSync(file);
const question = "What is in this picture?";
const expected = /^A large red circle/;
const image_url = { url: `data:image/png;base64,${picture.toString("base64")}` };
const messages = [
  {
    role: "user",
    content: [
      { type: "image_url", image_url },
      { type: "text", text: question },
    ],
  },
];

let failed = 0;
async function check(name, work) {
  try {
    await work();
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error.stack ?? error}`);
  }
}

const OpenAI = (await load("openai")).default;
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: process.env.OWL3_API_KEY, maxRetries: 0 });
await check("openai (npm): models", async () => {
  const { data } = await openai.models.list();
  assert.equal((await openai.models.retrieve(data[0].id)).id, "owl3-demo");
});
await check("openai (npm): a picture, several answers, logprobs", async () => {
  const made = await openai.chat.completions.create({
    ...{
      model: "owl3-demo",
      messages,
      n: 2,
      logprobs: true,
      top_logprobs: 2,
      seed: 1,
      stop: null,
      max_completion_tokens: 50,
    },
  });
  assert.match(made.choices[1].message.content, expected);
  assert.equal(made.choices[0].logprobs.content[0].top_logprobs.length, 2);
  assert.equal(made.choices[0].finish_reason, "stop");
  assert.match(made._request_id, /^req_/);
});
await check("openai (npm): a stream with usage", async () => {
  let text = "";
  let usage;
  const stream = await openai.chat.completions.create({
    ...{ model: "owl3-demo", messages, stream: true, stream_options: { include_usage: true } },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.match(text, expected);
  assert.ok(usage.total_tokens > usage.completion_tokens);
});
await check("openai (npm): its helper of streams", async () => {
  const stream = openai.chat.completions.stream({ model: "owl3-demo", messages });
  assert.match(await stream.finalContent(), expected);
});
await check("openai (npm): a stream that is stopped", async () => {
  const stream = await openai.chat.completions.create({
    ...{
      model: "owl3-demo",
      messages: [{ role: "user", content: "Go on." }],
      temperature: 1.9,
      max_tokens: 2000,
      stream: true,
    },
  });
  for await (const _ of stream) break;
});
await check("openai (npm): responses, whole and as a stream", async () => {
  const input = [
    {
      role: "user",
      content: [
        { type: "input_image", image_url: image_url.url, detail: "auto" },
        { type: "input_text", text: question },
      ],
    },
  ];
  const whole = await openai.responses.create({ model: "owl3-demo", input });
  assert.match(whole.output_text, expected);
  let text = "";
  let last;
  for await (const event of await openai.responses.create({ model: "owl3-demo", input, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
    last = event;
  }
  assert.equal(text, whole.output_text);
  assert.equal(last.type, "response.completed");
});
await check("openai (npm): errors", async () => {
  const wrong = (body) => openai.chat.completions.create({ model: "owl3-demo", messages, ...body });
  await assert.rejects(
    wrong({ model: "gpt-9" }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
  );
  await assert.rejects(
    wrong({ tools: [{ type: "function", function: { name: "f" } }] }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "tools",
  );
  const other = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
  await assert.rejects(other.models.list(), OpenAI.AuthenticationError);
});

const { Ollama } = await load("ollama");
const headers = { Authorization: `Bearer ${process.env.OWL3_API_KEY}` };
const ollama = new Ollama({ host: url, headers });
await check("ollama (npm): list, show, ps", async () => {
  const { models } = await ollama.list();
  const shown = await ollama.show({ model: models[0].name });
  assert.deepEqual(shown.capabilities, ["completion", "vision"]);
  assert.equal((await ollama.ps()).models.length, 1);
});
await check("ollama (npm): chat, whole and as a stream, and generate", async () => {
  const asked = { model: "owl3-demo", messages: [{ role: "user", content: question, images: [picture] }] };
  const whole = await ollama.chat(asked);
  assert.match(whole.message.content, expected);
  let text = "";
  for await (const part of await ollama.chat({ ...asked, stream: true })) text += part.message.content;
  assert.equal(text, whole.message.content);
  const made = await ollama.generate({ model: "owl3-demo", prompt: question, images: [picture] });
  assert.equal(made.response, text);
  await assert.rejects(ollama.chat({ ...asked, model: "other" }), /no model/);
});

const { generateText, streamText } = await load("ai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const provider = createOpenAICompatible({
  name: "owl3",
  baseURL: `${url}/v1`,
  apiKey: process.env.OWL3_API_KEY,
  includeUsage: true,
});
const prompt = {
  messages: [
    {
      role: "user",
      content: [
        { type: "image", image: picture },
        { type: "text", text: question },
      ],
    },
  ],
};
await check("ai with @ai-sdk/openai-compatible: a picture, whole and as a stream", async () => {
  const whole = await generateText({ model: provider("owl3-demo"), ...prompt });
  assert.match(whole.text, expected);
  const stream = streamText({ model: provider("owl3-demo"), ...prompt });
  let text = "";
  for await (const part of stream.textStream) text += part;
  assert.equal(text, whole.text);
  assert.ok((await stream.usage).outputTokens > 0);
  assert.equal(await stream.finishReason, "stop");
});
if (process.env.MORE) {
  const { ChatOpenAI } = await load("@langchain/openai");
  const chat = new ChatOpenAI({
    model: "owl3-demo",
    apiKey: process.env.OWL3_API_KEY,
    configuration: { baseURL: `${url}/v1` },
  });
  await check("@langchain/openai", async () => {
    assert.match((await chat.invoke([["user", messages[0].content]])).content, expected);
  });
}
process.exit(failed ? 1 : 0);
