import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { isModelName } from "../models/names.js";
import { looksLikeFile } from "./chat/arguments.js";

/**
 * Brings what people type by habit to the command that they mean: `owl3 photo.jpg "What?"` and `owl3 -p "What?"` are chats, `owl3 run MODEL` is
 * ollama's name of one, and `owl3 version` prints the version. Anything else stays as it is.
 */
export async function byHabit(args: readonly string[], program: Command): Promise<string[]> {
  const [first, second] = args;
  if (first === undefined) return [];
  const isCommand = program.commands.some((command) => [command.name(), ...command.aliases()].includes(first));
  if (isCommand || first === "help") return [...args];
  if (first === "version" || first === "-v") return ["--version"];
  if (first === "run") {
    const model = second !== undefined && !second.startsWith("-") && (await isModel(second));
    return model ? ["chat", "--model", second, ...args.slice(2)] : ["chat", ...args.slice(1)];
  }
  if (await startsChat(first, program)) return ["chat", ...args];
  return [...args];
}

/** Whether the first word of `owl3 run` is a model, as ollama has it, and not already a picture or the question. */
async function isModel(word: string): Promise<boolean> {
  if (/\.gguf$/i.test(word) || (isModelName(word) && !word.includes("/"))) return true;
  if (await exists(word)) return false;
  return isModelName(word) || (word !== "" && !/\s/.test(word) && !looksLikeFile(word));
}

async function startsChat(first: string, program: Command): Promise<boolean> {
  if (first.startsWith("-") && first !== "-") {
    const knows = (command: Command | undefined): boolean =>
      command?.options.some((option) => [option.short, option.long].includes(first.split("=")[0] as string)) ?? false;
    const chat = program.commands.find((command) => command.name() === "chat");
    return !knows(program) && !["-h", "--help"].includes(first) && knows(chat);
  }
  return first === "-" || /^data:|:\/\//.test(first) || looksLikeFile(first) || (await exists(first));
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
