/** Finds the files that data name. The data are not trusted: no file outside the media root is opened. */
import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { FileError, systemReason } from "../errors.js";
import { isBelow } from "../media/root.js";
import { expandMedia } from "../media/sequence.js";
import { sampleFrames } from "../media/video/sampling.js";
import type { InputImage, InputPart, InputVideo } from "../prompt/messages.js";
import type { Medium, Prompt } from "./question.js";

/** Entries of a media root at most that are looked through for a file's name. */
const maxEntries = 2_000_000;

export class MediaRoot {
  readonly #root: string;
  #index: Promise<Map<string, string[]>> | undefined;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Opens a folder. Throws FileError. */
  static async open(folder: string): Promise<MediaRoot> {
    const root = await realpath(folder).catch((error: NodeJS.ErrnoException) => {
      throw new FileError(`the media root ${folder} can't be opened: ${systemReason(error)}.`, { cause: error });
    });
    if (!(await stat(root)).isDirectory()) throw new FileError(`The media root ${folder} is not a folder.`);
    return new MediaRoot(root);
  }

  /** The parts of a prompt as the model takes them; `frames` is how many pictures of a folder of frames are shown. */
  async parts(prompt: Prompt, frames: number): Promise<InputPart[]> {
    const parts: InputPart[] = [];
    for (const part of prompt) {
      if (typeof part !== "string") parts.push(...(await this.#media(part, frames)));
      else if (part !== "") parts.push({ type: "text", text: part });
    }
    return parts;
  }

  async #media(medium: Medium, frames: number): Promise<(InputImage | InputVideo)[]> {
    const part = await this.#medium(medium);
    const isFolder = part.type === "video" && "path" in part && (await stat(part.path)).isDirectory();
    if (!isFolder) return [part];
    const chosen = await framesOf(part.path, medium, frames);
    for (const file of chosen) await this.#inside(file);
    return chosen.map((file) => ({ type: "image", path: file }));
  }

  async #medium(medium: Medium): Promise<InputImage | InputVideo> {
    const where =
      "bytes" in medium ? { data: medium.bytes, name: medium.name } : { path: await this.find(medium.file, medium) };
    return medium.kind === "image" ? { type: "image", ...where } : { type: "video", ...where };
  }

  /**
   * Finds a file by its path below the root or below one of `folders`, else by its name anywhere below the root, if only one file has it. `endings` are
   * tried as well. Throws FileError.
   */
  async find(
    file: string,
    { folders = [], endings = [] }: { folders?: readonly string[]; endings?: readonly string[] } = {},
  ) {
    if (path.isAbsolute(file) || /^[a-z]+:|\0/i.test(file) || file.split(/[\\/]/).includes(".."))
      throw new FileError(
        `The data name ${file.slice(0, 100)}, which is not a path below the media root; nothing else is opened.`,
      );
    const names = ["", ...endings].map((ending) => file + ending);
    for (const name of names)
      for (const folder of ["", ...folders]) {
        const found = await this.#inside(path.join(this.#root, folder, name));
        if (found) return found;
      }
    this.#index ??= this.#list();
    const index = await this.#index;
    const found = names.flatMap((name) =>
      (index.get(path.basename(name)) ?? []).filter(
        (one) => one.endsWith(path.sep + path.normalize(name)) || !name.includes("/"),
      ),
    );
    if (found.length > 1) throw new FileError(`There are ${found.length} files called ${file} below ${this.#root}.`);
    const only = found[0] && (await this.#inside(found[0]));
    if (!only) throw new FileError(`there is no file ${file} below ${this.#root}.`);
    return only;
  }

  /** The real path of a file, if it exists and lies below the root. */
  async #inside(file: string): Promise<string | undefined> {
    const real = await realpath(file).catch(() => undefined);
    if (real !== undefined && real !== this.#root && !isBelow(this.#root, real))
      throw new FileError(`${file} leads out of the media root; it is not opened.`);
    return real;
  }

  async #list(): Promise<Map<string, string[]>> {
    const index = new Map<string, string[]>();
    const folders = [this.#root];
    let entries = 0;
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop())
      for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
        if (++entries > maxEntries)
          throw new FileError(`There are too many files below ${this.#root} to look for one by its name.`);
        const full = path.join(folder, entry.name);
        if (entry.isDirectory()) folders.push(full);
        const known = index.get(entry.name);
        if (known) known.push(full);
        else index.set(entry.name, [full]);
      }
    return index;
  }
}

/** Frames a second of a video that is published as a folder of pictures. */
const folderRate = 3;

/** The middles of equal intervals of a folder of frames; they are shown as pictures, as in the published evaluation. */
async function framesOf(folder: string, { start, end }: Medium, frames: number): Promise<string[]> {
  const files = await expandMedia([folder], { only: "image" });
  const times = files.map((_, i) => i / folderRate);
  const part = { ...(start !== undefined && { start }), ...(end !== undefined && { end }) };
  const chosen = sampleFrames(times, folderRate, { rule: "middles", maxFrames: frames, ...part });
  return chosen.map((i) => files[i] as string);
}
