import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { afterEach, expect, test, vi } from "vitest";
import { complete } from "../../../src/cli/completion/cursor.js";
import { answerLines, wordsOf } from "../../../src/cli/completion/shells.js";
import { nameOfValue, valuesOfArgument, valuesOfOption } from "../../../src/cli/completion/values.js";
import { createProgram } from "../../../src/cli/main.js";
import { temporaryFolder } from "../../support/files.js";

const program = createProgram();
const home = temporaryFolder();
for (const model of ["mPLUG--mPLUG-Owl3-2B-241014", "someone--owl", "ms@iic--tuned"])
  mkdirSync(path.join(home, "models", model), { recursive: true });
for (const session of ["trip", "traum"]) {
  mkdirSync(path.join(home, "owl3/sessions", session), { recursive: true });
  writeFileSync(path.join(home, "owl3/sessions", session, "session.json"), "{}");
}
afterEach(() => void vi.unstubAllEnvs());

async function at(...words: string[]): Promise<string[] | string> {
  vi.stubEnv("OWL3_HOME", path.join(home, "models"));
  vi.stubEnv("XDG_DATA_HOME", home);
  const found = await complete(program, words);
  return found.words.length > 0 ? found.words.map(({ word }) => word) : found.paths;
}

const every = (command: Command): Command[] => [command, ...command.commands.flatMap(every)];

test("commands, also of commands, and a picture as the first word", async () => {
  expect(await at("")).toEqual(program.commands.map((command) => command.name()));
  expect(await at("ev")).toEqual(["eval"]);
  expect(await at("help", "se")).toEqual(["serve", "sessions"]);
  expect(await at("sessions", "")).toEqual(["list", "show", "export", "rm"]);
  expect(await at("sessions", "--json", "e")).toEqual(["export"]);
  expect(await at("photos/")).toBe("files");
});

test("options: all but hidden ones and those that were given and take one value", async () => {
  const all = await at("chat", "-");
  expect(all).toContain("--help");
  expect(all).toContain("--dry-run");
  expect(all).not.toContain("--n-gpu-layers");
  expect(await at("chat", "--temp", "1", "--te")).toBe("none");
  expect(await at("chat", "--stop", "x", "--sto")).toEqual(["--stop"]);
  expect(await at("sessions", "rm", "--q")).toEqual(["--quiet"]);
  expect(await at("chat", "--", "--te")).toBe("files");
});

test("values: choices, models, sessions, paths, and nothing for a number or a text", async () => {
  expect(await at("chat", "--kv-type", "")).toEqual(["f32", "f16", "q8_0"]);
  expect(await at("chat", "--kv-type=q")).toEqual(["q8_0"]);
  expect(await at("eval", "-f", "vq")).toEqual(["vqa"]);
  expect(await at("batch", "--format", "")).toEqual(["rows", "openai"]);
  expect(await at("chat", "--device", "")).toEqual(expect.arrayContaining(["auto", "cpu"]));
  expect(await at("completion", "f")).toEqual(["fish"]);
  for (const flag of ["-m", "--model"])
    expect(await at("chat", flag, "")).toEqual(["demo", "2b", "ms:iic/tuned", "someone/owl"]);
  expect(await at("chat", "-m", "ms:")).toEqual(["ms:iic/tuned"]);
  expect(await at("info", "some")).toEqual(["someone/owl"]);
  expect(await at("chat", "-m", "./x")).toBe("files");
  expect(await at("rm", "2b", "")).toEqual(["2b", "ms:iic/tuned", "someone/owl"]);
  expect(await at("pull", "7b")).toEqual(["7b", "7b-240728"]);
  expect(await at("chat", "--session", "tri")).toEqual(["trip"]);
  expect(await at("sessions", "show", "tr")).toHaveLength(2);
  expect(await at("sessions", "show", "trip", "")).toBe("none");
  expect(await at("config", "set", "")).toEqual(["model", "preview"]);
  expect(await at("config", "set", "preview", "")).toEqual(["true", "false"]);
  expect(await at("config", "set", "preview", "x")).toBe("none");
  expect(await at("config", "set", "model", "")).toEqual(["demo", "2b", "ms:iic/tuned", "someone/owl"]);
  expect(await at("config", "set", "model", "./x")).toBe("files");
  expect(await at("chat", "-p", "")).toBe("none");
  expect(await at("chat", "--temperature", "")).toBe("none");
  expect(await at("chat", "photo.jpg", "")).toBe("files");
  expect(await at("convert", "")).toBe("folders");
  expect(await at("batch", "--media-root=")).toBe("folders");
  expect(await at("nonsense", "")).toBe("files");
});

test("every option and argument that is not completed is a number or a text", () => {
  const commands = every(program);
  const options = commands.flatMap(({ options }) => options.filter((option) => option.required && !option.hidden));
  const open = options.filter((option) => !option.argChoices && valuesOfOption(option).paths === "none");
  const names = new Set(open.map(nameOfValue));
  const numbers = ["n", "x", "p", "s", "k", "mb", "mp", "i/n", "seed", "list", "time", "parts"];
  const texts = ["text", "url", "name", "names", "address", "origin", "rev", "field=column"];
  expect([...names].filter((name) => ![...numbers, ...texts].includes(name))).toEqual([]);
  const places = commands.flatMap((command) =>
    command.registeredArguments
      .filter((argument) => !argument.argChoices && valuesOfArgument(command, argument).paths === "none")
      .map((argument) => `${command.name()} ${argument.name()}`),
  );
  expect(places).toEqual([
    ...["pull name", "rm names", "show name", "export name", "rm names"],
    ...["unset key", "completion words"],
  ]);
});

test("bash takes words apart at = and :, and gets the last part back", async () => {
  expect(wordsOf("bash", ["chat", "--kv-type", "=", "q"])).toEqual({ words: ["chat", "--kv-type=q"], kept: "" });
  expect(wordsOf("bash", ["chat", "--kv-type", "="])).toEqual({ words: ["chat", "--kv-type="], kept: "" });
  const { words, kept } = wordsOf("bash", ["chat", "-m", "ms", ":", "iic"]);
  expect([words, kept]).toEqual([["chat", "-m", "ms:iic"], "ms:"]);
  const found = { words: [{ word: "ms:iic/tuned", about: "model" }], paths: "none" } as const;
  expect(answerLines("bash", { ...found, words: [...found.words] }, kept)).toEqual(["words", "iic/tuned"]);
  expect(answerLines("zsh", { ...found, words: [...found.words] }, "")).toEqual(["words", "ms\\:iic/tuned:model"]);
  expect(wordsOf("zsh", ["-m", "ms:iic"])).toEqual({ words: ["-m", "ms:iic"], kept: "" });
});
