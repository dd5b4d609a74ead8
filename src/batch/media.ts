/** Opens the files of a row. Rows come from elsewhere: what they name is a regular file, below the media root if there is one. */
import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason } from "../errors.js";
import { unreadable } from "../media/head.js";
import { isBelow } from "../media/root.js";
import { openSource } from "../media/source.js";
import type { InputImage, InputMessage, InputPart, InputVideo } from "../prompt/messages.js";
import type { RowMedium } from "./question.js";

export class RowFiles {
  readonly #root: string | undefined;

  private constructor(root: string | undefined) {
    this.#root = root;
  }

  /** @param root the folder that all files are relative to, and outside of which none is opened. Throws FileError. */
  static async open(root?: string): Promise<RowFiles> {
    if (root === undefined) return new RowFiles(undefined);
    const real = await realpath(root).catch((error: NodeJS.ErrnoException) => {
      throw new FileError(`The media root ${root} can't be opened: ${systemReason(error)}.`, { cause: error });
    });
    if (!(await stat(real)).isDirectory()) throw new FileError(`The media root ${root} is not a folder.`);
    return new RowFiles(real);
  }

  /** Where a file of a row is; `base`: the folder of the row's source. */
  locate(file: string, base: string): string {
    const from = this.#root ?? base;
    const full = path.isAbsolute(file) ? file : path.join(from, file);
    return full === "-" ? "./-" : full; // a row can't mean standard input
  }

  /** Opens a medium. Throws FileError. */
  async part({ where, kind }: RowMedium, base: string): Promise<InputImage | InputVideo> {
    const source = await openSource(await this.#checked(where, base));
    const named = { ...source, name: source.path === undefined ? source.name : where };
    if (kind === "video" && named.container) return { type: "video", source: named };
    if (kind !== undefined && kind !== named.kind)
      throw new FileError(
        `${named.name} is a ${named.kind === "image" ? "picture" : "video"}, not a ${kind === "image" ? "picture" : "video"}.`,
      );
    return { type: named.kind, source: named } as InputImage | InputVideo;
  }

  /** Opens the media of a conversation. */
  async messages(messages: readonly InputMessage[], base: string): Promise<InputMessage[]> {
    const opened: InputMessage[] = [];
    for (const { role, content } of messages) {
      if (typeof content === "string") {
        opened.push({ role, content });
        continue;
      }
      const parts: InputPart[] = [];
      for (const part of content) parts.push(await this.#messagePart(part, base));
      opened.push({ role, content: parts });
    }
    return opened;
  }

  async #messagePart(part: InputPart, base: string): Promise<InputPart> {
    if (part.type === "text") return part;
    if ("path" in part) return this.part({ where: part.path, kind: part.type }, base);
    if (!("frames" in part)) return part;
    const frames: (string | Uint8Array)[] = [];
    for (const frame of part.frames) frames.push(typeof frame === "string" ? await this.#checked(frame, base) : frame);
    return { type: "video", frames };
  }

  /** Checks that a file lies where it may; whoever opens it takes none but a regular one. */
  async #checked(where: string, base: string): Promise<string> {
    if (/^(data:|https?:\/\/)/i.test(where)) return where;
    if (where.includes("\0")) throw new FileError("A file's name has a NUL character.");
    const file = this.locate(where, base);
    const real = await realpath(file).catch((error: NodeJS.ErrnoException) => {
      throw unreadable(file, error);
    });
    if (this.#root !== undefined && !isBelow(this.#root, real))
      throw new FileError(`${where} lies outside of the media root; it is not opened.`);
    return file;
  }
}
