/** The held-out questions of test/fixtures/demo-eval, as the library takes them. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const heldOut = fileURLToPath(new URL("../../test/fixtures/demo-eval/questions.jsonl", import.meta.url));

/** The questions of a file, the paths in their messages made absolute: they are relative to its folder. */
export function readQuestions(file) {
  const full = (path) => resolve(dirname(file), path);
  const part = (one) => ({
    ...one,
    ...(one.path && { path: full(one.path) }),
    ...(one.frames && { frames: one.frames.map(full) }),
  });
  const message = ({ role, content }) => ({
    role,
    content: typeof content === "string" ? content : content.map(part),
  });
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line)).map((one) => ({ ...one, messages: one.messages.map(message) }));
}
