import path from "node:path";
import { expect, test } from "vitest";
import { convertCheckpoint, Owl, quantizeFile, UsageError } from "../../src/index.js";
import { root } from "../support/files.js";

const demo = path.join(root, "models/owl3-demo.gguf");
/** A caller without types. */
// biome-ignore lint/suspicious/noExplicitAny: what TypeScript would refuse is passed on purpose
const any = (value: unknown): any => value;

async function refused(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
}

test("wrong arguments are refused in a sentence that names them", async () => {
  for (const model of [undefined, null, 5, "", {}, new URL("file:///x.gguf")]) {
    expect(await refused(() => Owl.open(any(model)))).toContain("open(): the model must be");
    expect(await refused(() => Owl.preview(any(model), []))).toContain("preview(): the model must be");
  }
  expect(await refused(() => Owl.open(demo, any({ thread: 2 })))).toContain('did you mean "threads"?');
  expect(await refused(() => Owl.open(demo, any({ threads: "2" })))).toContain("threads must be a number");
  expect(await refused(() => Owl.preview(demo, any("hi")))).toContain("a list of messages");
  expect(await refused(() => convertCheckpoint(any(undefined), "x.gguf", { type: "f32" }))).toContain("a path must be");
  expect(await refused(() => convertCheckpoint("x", "x.gguf", any(undefined)))).toContain("type must be given");
  expect(await refused(() => quantizeFile("x", "y", any({ type: "q9" })))).toContain("type must be");

  const lost = await Owl.open("dmeo").catch((error: Error) => error);
  expect((lost as Error).message).toBe("there is no model or file dmeo; did you mean demo?");
  await using owl = await Owl.open("demo");
  expect(owl.path).toBe(demo);
  expect(await refused(() => owl.chat(any({ sytem: "x" })))).toContain('did you mean "system"?');
  expect(await refused(() => owl.chat({ messages: any([{ role: "user" }]) }))).toContain("message 1: content");
  expect(await refused(() => owl.chat({ video: any({ fsp: 1 }) }))).toContain('did you mean "fps"?');
  expect(await refused(() => owl.score(any(undefined), ["a"]))).toContain("score(): expected a list");
  expect(await refused(() => owl.score([{ role: "user", content: "x" }], any("a")))).toContain("a list of strings");
  await using chat = owl.chat();
  for (const [content, want] of [
    [undefined, "content must be a string or a list of parts, not undefined"],
    [5, "not 5"],
    [() => 1, "not a function"],
    ["", "the question is empty"],
    [[{ type: "image", path: new URL("file:///x.png") }], "part 1: path must be a string"],
    [[{ type: "image_url", url: "x" }], 'unknown key "url"'],
    [[{ type: "image", data: "x" }], "data must be a Uint8Array"],
    [[{ type: "image", path: "a.png", alt: "b" }], 'unknown key "alt"'],
  ] as const)
    expect(await refused(() => chat.ask(any(content)).text())).toContain(want);
  expect(await refused(() => chat.ask("hi", any({ max_tokens: 2 })).text())).toContain('did you mean "maxTokens"?');
  expect(await refused(() => chat.ask("hi", any({ signal: 1 })).text())).toContain("signal must be an AbortSignal");
  expect(await refused(() => chat.answer(any(5)))).toContain("must be an object");
  expect(await chat.ask("What is in this picture?").text()).toBe("I see no picture.");
});
