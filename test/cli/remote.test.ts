import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { plain, Terminal } from "../support/terminal.js";

// A pseudo-terminal needs util-linux's script(1), which Linux always has; elsewhere its options differ.
const onLinux = test.skipIf(process.platform !== "linux");
let terminal: Terminal | undefined;
afterEach(() => terminal?.kill());

/** A server whose vision tower is at 3 of 16 crops until the test goes on. */
async function slowServer() {
  const waiting: ServerResponse[] = [];
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(": vision 3/16\n\n");
      waiting.push(response);
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, waiting };
}
const end = (text: string): string => {
  const choices = [{ index: 0, delta: { content: text }, finish_reason: "stop" }];
  const usage = { prompt_tokens: 1, completion_tokens: 1, crops: 16 };
  const timings = { preprocess_ms: 1, vision_ms: 2, prefill_ms: 3, decode_ms: 4 };
  return `data: ${JSON.stringify({ model: "owl", choices, usage, timings })}\n\ndata: [DONE]\n\n`;
};

onLinux("how far a server's vision tower is is shown until the answer comes", async () => {
  const { server, url, waiting } = await slowServer();
  try {
    terminal = new Terminal(["chat", "--server", url, "examples/shapes.png", "-p", "What is it?"]);
    await terminal.until(/encoding: 3 of 16 crops/);
    waiting[0]?.end(end("An owl."));
    expect(await terminal.exit).toBe(0);
    expect(plain(terminal.output)).toMatch(/An owl\.\s*$/);
  } finally {
    server.close();
  }
});

onLinux("a stop takes it off the screen, and the conversation goes on", async () => {
  const { server, url } = await slowServer();
  try {
    terminal = new Terminal(["chat", "--server", url]);
    await terminal.until(/>>> /);
    terminal.type("What is it?\r");
    await terminal.until(/encoding: 3 of 16 crops/);
    terminal.type("\u0003");
    await terminal.until(/\(stopped\)/);
    await terminal.until(/>>> /);
    terminal.type("/bye\r");
    expect(await terminal.exit).toBe(0);
    expect(terminal.output.slice(terminal.output.indexOf("(stopped)"))).not.toContain("encoding");
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
