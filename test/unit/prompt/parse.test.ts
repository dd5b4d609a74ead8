import { expect, test } from "vitest";
import { messagesOf, parseMessages } from "../../../src/prompt/parse.js";

test("a conversation as JSON is checked part by part", () => {
  const content = [
    { type: "text", text: "a" },
    { type: "image", path: "x.png" },
    { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
    { type: "video", path: "v.mp4" },
    { type: "video", frames: ["1.png", "2.png"] },
  ];
  const [message] = parseMessages(JSON.stringify([{ role: "user", content, images: null }]), "m.json");
  expect(parseMessages('[{"role":"user","content":"a","images":[]}]', "m")).toEqual([{ role: "user", content: "a" }]);
  expect(message?.content).toEqual([
    content[0],
    content[1],
    { type: "image", path: "data:image/png;base64,AAAA" },
    content[3],
    content[4],
  ]);
  for (const [bad, wanted] of [
    ['[{"role":"user","content":"","extra":1}]', 'message 1: unknown key "extra"; known are role, content, images.'],
    ['[{"role":"user","contnet":""}]', 'did you mean "content"?'],
    ['{"messages":[],"temperature":1}', 'm.json: unknown key "temperature"'],
    ['[{"role":"user","content":[{"type":"text","txet":"a"}]}]', 'part 1: unknown key "txet"; did you mean "text"?'],
    ['[{"role":"user","content":[{"type":"image","data":"AAAA"}]}]', 'unknown key "data"'],
    ['[{"role":"assistant","content":"x","images":["a.png"]}]', "only a user's"],
    ['[{"role":"user","content":"x","images":"a.png"}]', "images must be a list"],
    ['[{"role":"user","content":[],"images":["a.png"]}]', "content must be a string where there are images"],
    [`[${'{"role":"user","content":""},'.repeat(10_000)}{"role":"user","content":""}]`, "more than 10000 messages"],
    ["{", "m.json is not JSON"],
    ["{}", "a list of messages"],
    ["[]", "a list of messages"],
    ["[1]", "message 1"],
    ['[{"role":"tool","content":""}]', "message 1: role"],
    ['[{"role":"user","content":3}]', "message 1: content"],
    ['[{"role":"user","content":[{"type":"audio"}]}]', "message 1, part 1: type"],
    ['[{"role":"user","content":[{"type":"image"}]}]', "part 1: path must be a string"],
    ['[{"role":"system","content":[{"type":"image","path":"x"}]}]', "only a user's"],
    ['[{"role":"user","content":[{"type":"video","frames":[]}]}]', "frames"],
  ] as const)
    expect(() => parseMessages(bad, "m.json")).toThrow(wanted);
});

test("ollama's images are paths or base64, and come before the text", () => {
  const base64 = Buffer.alloc(60).toString("base64");
  const images = ["photos/coffee.png", base64, "file:///tmp/a.png"];
  expect(parseMessages(JSON.stringify([{ role: "user", content: "What is it?", images }]), "m")[0]?.content).toEqual([
    { type: "image", path: "photos/coffee.png" },
    { type: "text", text: "\n" },
    { type: "image", path: `data:;base64,${base64}` },
    { type: "text", text: "\n" },
    { type: "image", path: "/tmp/a.png" },
    { type: "text", text: "\nWhat is it?" },
  ]);
});

test("file: URLs become paths, addresses are refused, and a system message comes first", () => {
  const image = (url: string) =>
    JSON.stringify({ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] });
  expect(parseMessages(image("file:///tmp/a%20b.png"), "m")[0]?.content).toEqual([
    { type: "image", path: "/tmp/a b.png" },
  ]);
  expect(() => parseMessages(image("https://example.org/a.png"), "m")).toThrow("only file: and data: URLs");
  expect(() => parseMessages(image(""), "m")).toThrow('only file: and data: URLs are opened, and this is ""');
  expect(() => parseMessages(image("file://elsewhere/a.png"), "m")).toThrow("is not a local path");
  const late = [
    { role: "user", content: "a" },
    { role: "system", content: "b" },
  ];
  expect(() => parseMessages(JSON.stringify(late), "m")).toThrow("only the first message");
});

test("a program's messages may have bytes, ids and how to look; a file's may not", () => {
  const data = new Uint8Array([1]);
  const content = [
    { type: "image", data, name: "a", cut: false },
    { type: "video", path: "v.mp4", sampling: { fps: 2, frames: [0, 3] } },
  ];
  const given = [
    { role: "user", content },
    { role: "assistant", content: "x", ids: [1, 2] },
  ];
  expect(messagesOf(given, "m", true)).toEqual(given);
  for (const [bad, want] of [
    [[{ role: "user", content: "x", ids: [1] }], "ids must be"],
    [[{ role: "assistant", content: "x", ids: [-1] }], "ids must be"],
    [[{ role: "user", content: [{ type: "video", path: "v", cut: true }] }], "cut is of a picture"],
    [[{ role: "user", content: [{ type: "image", path: "v", cut: 1 }] }], "cut must be"],
    [[{ role: "user", content: [{ type: "image", path: "v", sampling: {} }] }], "sampling is of a video"],
    [[{ role: "user", content: [{ type: "video", path: "v", sampling: { fsp: 1 } }] }], 'did you mean "fps"?'],
    [[{ role: "user", content: [{ type: "image", data: "AAAA" }] }], "data must be a Uint8Array, not"],
    [[{ role: "user", content: [{ type: "image", source: "a.png" }] }], "source: expected an opened source"],
  ] as const)
    expect(() => messagesOf(bad, "m", true)).toThrow(want);
  const kept = [
    {
      role: "user",
      content: [
        { type: "video", frames: [data, "2.png"] },
        { type: "image", data },
      ],
    },
  ];
  expect(messagesOf(kept, "m", true)).toEqual(kept);
  const source = { name: "opened" };
  const opened = [{ role: "user", content: [{ type: "image", source }] }];
  expect(messagesOf(opened, "m", true)).toEqual(opened);
  expect(() => messagesOf(given, "m")).toThrow('unknown key "data"');
  expect(() => messagesOf(given.slice(1), "m")).toThrow('unknown key "ids"');
});
