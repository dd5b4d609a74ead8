import { createServer as createHttp } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { OwlClient } from "../../../src/client/client.js";

const question = [{ role: "user" as const, content: "What?" }];

/** Asks a server that lives as long as the question. */
async function ask(server: Server, options = {}) {
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const client = new OwlClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    const pieces = client.answer(question, options);
    for (;;) {
      const { done, value } = await pieces.next();
      if (done) return value;
    }
  } finally {
    server.close();
  }
}

test("the progress of the vision tower is told, in pieces of any size, and other comments are passed over", async () => {
  const head = { model: "owl", choices: [{ index: 0, delta: { content: "A" }, finish_reason: "stop" }] };
  const usage = { prompt_tokens: 1, completion_tokens: 1, crops: 16 };
  const timings = { preprocess_ms: 1, vision_ms: 2, prefill_ms: 3, decode_ms: 4 };
  const parts = [": vision 3/1", "6\n\n: ping\n", "\n: vision 16/16\n\ndata: "];
  const body = [...parts, `${JSON.stringify({ ...head, usage, timings })}\n\ndata: [DONE]\n\n`];
  const server = createHttp((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const next = (): void => {
      const part = body.shift();
      if (part === undefined) response.end();
      else response.write(part, () => setTimeout(next, 5));
    };
    next();
  });
  const seen: number[][] = [];
  const answer = await ask(server, { onVision: (...counts: number[]) => seen.push(counts) });
  expect(seen).toEqual([
    [3, 16],
    [16, 16],
  ]);
  expect(answer).toMatchObject({ text: "A", usage: { crops: 16 } });
});

test("a server that hangs up is told in words", async () => {
  const server = createServer((socket) => socket.destroy());
  await expect(ask(server)).rejects.toThrow(/^http:\/\/127\.0\.0\.1:\d+ can't be reached: it closed the connection\.$/);
});
