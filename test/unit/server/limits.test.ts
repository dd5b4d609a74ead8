import { expect, test } from "vitest";
import { error } from "../../../src/server/answers-schema.js";
import { fakeServer } from "../../support/server.js";

const question = (text = "x") => ({ messages: [{ role: "user", content: text }] });
const codeOf = async (answer: Response) => [answer.status, error.parse(await answer.json()).error.code];

test("a body larger than allowed is refused, announced or not", async () => {
  const { post, app, engine } = fakeServer({ bodies: { bytes: 1000, totalBytes: 4000 } });
  expect(await codeOf(await post("/v1/chat/completions", question("x".repeat(1000))))).toEqual([413, "body_too_large"]);
  let sent = 0;
  const endless = new ReadableStream({
    pull(out) {
      sent += 100;
      out.enqueue(new Uint8Array(100).fill(32));
    },
  });
  const init = { method: "POST", body: endless, duplex: "half", headers: { host: "localhost" } };
  expect(await codeOf(await app.request("/v1/chat/completions", init as RequestInit))).toEqual([413, "body_too_large"]);
  expect(sent).toBeLessThan(2000);
  expect(engine.requests).toEqual([]);
  expect((await post("/v1/chat/completions", question())).status).toBe(200);
});

test("the bodies of all requests together are bounded, and given back when their answers are over", async () => {
  const { post, engine } = fakeServer({ bodies: { bytes: 1000, totalBytes: 1500 }, parallel: 4 });
  engine.pauseAfter = 0;
  const large = question(`${"x".repeat(800)}`);
  const first = post("/v1/chat/completions", large);
  const streamed = post("/v1/chat/completions", { ...question("y"), stream: true });
  while (engine.running < 2) await new Promise((resolve) => setImmediate(resolve));
  const refused = await post("/v1/chat/completions", large);
  expect(refused.headers.get("retry-after")).toBe("5");
  expect(await codeOf(refused)).toEqual([429, "bodies_too_large"]);
  engine.go();
  await (await first).text();
  await (await streamed).text();
  for (let i = 0; i < 5; i++) expect((await post("/v1/chat/completions", large)).status).toBe(200);
});

test("bodies that would take much more memory than their bytes are refused", async () => {
  const { post } = fakeServer({ bodies: { bytes: 1e7, totalBytes: 1e7 } });
  const deep = `{"messages":${"[".repeat(100)}${"]".repeat(100)}}`;
  expect(await codeOf(await post("/v1/chat/completions", deep))).toEqual([400, "invalid_value"]);
  const wide = `{"messages":[${"0,".repeat(1_100_000)}0]}`;
  expect(await codeOf(await post("/v1/chat/completions", wide))).toEqual([400, "invalid_value"]);
  const notText = Buffer.concat([Buffer.from('{"messages":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  const init = { body: notText as unknown as string };
  expect(await codeOf(await post("/v1/chat/completions", "", init))).toEqual([400, "invalid_json"]);
});

test("nothing of a request is in the log", async () => {
  const { post, get, lines } = fakeServer();
  await post("/v1/chat/completions", question("a secret"));
  await post("/v1/chat/completions", { ...question("a secret"), model: "secret" });
  await post("/v1/chat/completions", { messages: [{ role: "secret", content: "a secret" }] });
  await get("/secret");
  expect(lines).toHaveLength(4);
  expect(lines.join("\n")).not.toContain("secret");
  expect(lines[0]).toMatch(/^req_\w+ POST \/v1\/chat\/completions 200 \d+ ms$/);
});

test("metrics: counts of tokens and answers, in Prometheus' text", async () => {
  const { post, get } = fakeServer();
  await post("/v1/chat/completions", question("one two three"));
  await post("/v1/chat/completions", { ...question("one two"), max_tokens: 1 });
  const text = await (await get("/metrics")).text();
  for (const line of text.trimEnd().split("\n"))
    expect(line).toMatch(
      /^(# (HELP|TYPE) owl3:[a-z0-9_]+ .+|owl3:[a-z0-9_]+(\{[a-z_]+="[^"]*"\})? \d+(\.\d+)?(e-?\d+)?)$/,
    );
  for (const line of [
    "owl3:prompt_tokens_total 20",
    "owl3:generation_tokens_total 4",
    'owl3:request_success_total{finished_reason="length"} 1',
    'owl3:http_responses_total{status="200"} 2',
    "owl3:num_requests_running 0",
    "owl3:e2e_request_latency_seconds_count 2",
  ])
    expect(text.split("\n")).toContain(line);
});
