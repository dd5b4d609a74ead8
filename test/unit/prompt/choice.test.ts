import { expect, test } from "vitest";
import { lettered, questionAbout, withOptions } from "../../../src/prompt/choice.js";

test("choice: options are shown below the last question, whose parts stay", () => {
  const image = { type: "image" as const, path: "a.png" };
  const earlier = { role: "system" as const, content: "Be brief." };
  const below = "\nOptions:\nA. cat\nB. dog\nAnswer with the option’s letter from the given choices directly.";
  expect(
    withOptions([earlier, { role: "user", content: [image, { type: "text", text: "\nWhich?" }] }], ["cat", "dog"]),
  ).toEqual([
    earlier,
    {
      role: "user",
      content: [image, { type: "text", text: "\nWhich?" }, { type: "text", text: below }],
    },
  ]);
  expect(withOptions([{ role: "user", content: "Which?" }], ["cat", "dog"])[0]?.content).toEqual([
    { type: "text", text: "Which?" },
    { type: "text", text: below },
  ]);
});

test("choice: a conversation that ends with an answer stays as it is", () => {
  const messages = [{ role: "assistant" as const, content: "A" }];
  expect(withOptions(messages, ["cat", "dog"])).toEqual(messages);
});

test("choice: there are letters for 26 options", () => {
  const many = Array.from({ length: 26 }, (_, i) => `${i}`);
  expect(lettered(many).split("\n").at(-1)).toBe("Z. 25");
  expect(() => lettered([...many, "one more"])).toThrow("there are 27 options, and letters for 26 of them.");
});

test("choice: what is looked for takes the place of {} in a question", () => {
  expect(questionAbout(" a dog ")).toBe("Do you see a dog?");
  expect(questionAbout("a $& dog", 'Does this figure show "{}"?')).toBe('Does this figure show "a $& dog"?');
  expect(() => questionAbout("  ")).toThrow("what is looked for is empty.");
  for (const wrong of ["Is it there?", "{} or {}?", ""])
    expect(() => questionAbout("a dog", wrong)).toThrow("the question needs one {}");
});
