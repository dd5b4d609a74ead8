import { constants } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason } from "../../errors.js";
import type { InputMessage, InputPart } from "../../prompt/messages.js";
import { savedMessages } from "../chat/saved.js";
import type { Output } from "../output.js";
import { readSession } from "./show.js";

/** Prints a session as the JSON that --messages reads, or writes that and copies of its media into a new folder. */
export async function exportSession(out: Output, name: string, folder: string | undefined): Promise<void> {
  const messages = await (await readSession(name)).messages(undefined);
  if (folder === undefined) return out.line(JSON.stringify(savedMessages(messages), null, 2));
  try {
    await mkdir(folder);
    const copied = new Copies(path.resolve(folder));
    const moved: InputMessage[] = [];
    for (const message of messages) moved.push(await copied.message(message));
    const file = path.join(folder, "messages.json");
    await writeFile(file, `${JSON.stringify(savedMessages(moved), null, 2)}\n`, { flag: "wx" });
    out.note(`\`owl3 chat --messages ${file}\` goes on with it.`);
  } catch (error) {
    if (error instanceof FileError) throw error;
    const advice = (error as NodeJS.ErrnoException).code === "EEXIST" ? "; name a new one" : "";
    throw new FileError(`${folder} can't be written: ${systemReason(error)}${advice}.`, { cause: error });
  }
}

/** Copies of media in a folder, by the names that they were given by. */
class Copies {
  readonly #folder: string;
  /** The copy of each file. */
  readonly #made = new Map<string, string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async message(message: InputMessage): Promise<InputMessage> {
    if (typeof message.content === "string") return message;
    const content: InputPart[] = [];
    for (const part of message.content) content.push(await this.#part(part));
    return { ...message, content };
  }

  async #part(part: InputPart): Promise<InputPart> {
    if (part.type === "text") return part;
    if ("frames" in part) {
      const frames: string[] = [];
      for (const frame of part.frames) frames.push(await this.#copy(String(frame), "frame"));
      return { type: "video", frames };
    }
    if (!("source" in part) || part.source.path === undefined) return part;
    const path = await this.#copy(part.source.path, part.source.name);
    return part.type === "image" ? { type: "image", path } : { type: "video", path };
  }

  /** Names in a session are not trusted: a copy has the plain characters of the last part of its name, after a number. */
  async #copy(file: string, name: string): Promise<string> {
    const known = this.#made.get(file);
    if (known) return known;
    const plain = (name.split(/[/\\]/).pop() ?? "").replace(/[^\p{L}\p{M}\p{N}._-]/gu, "_").slice(-60);
    const copy = path.join(this.#folder, `${this.#made.size + 1}-${plain}`);
    await copyFile(file, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    this.#made.set(file, copy);
    return copy;
  }
}
