import { rmdirSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { onInterrupt } from "../cleanup.js";
import { FileError, UserError } from "../errors.js";
import { replaceFile } from "../files.js";
import { lockFile } from "../lock.js";
import { openSource } from "../media/source.js";
import type { InputImage, InputMessage, InputPart, InputVideo } from "../prompt/messages.js";
import { explained, kindOf, readTextFile } from "./files.js";
import { keepMedium, openKept, removeUnused } from "./media.js";
import { mediumFile, type SessionPaths, sessionName, sessionPaths, sessionsFolder } from "./names.js";
import {
  formatRecord,
  type KeptMedium,
  type KeptMessage,
  type KeptPart,
  mediaOf,
  parseRecord,
  type SessionModel,
  type SessionRecord,
  textOf,
} from "./record.js";

const maxRecord = 64 * 2 ** 20;

/** The content of a session that is saved. */
export interface SessionState {
  model: SessionModel;
  allowSpecial: boolean;
  /** The whole conversation, which ends with an answer; its media are those that keep() or messages() gave. */
  messages: readonly InputMessage[];
}

/**
 * A conversation on disk: a record of its turns and copies of its media. One process at a time has it open to write. A session that is never saved
 * leaves nothing.
 */
export class Session {
  readonly name: string;
  readonly #paths: SessionPaths;
  #record: SessionRecord | undefined;
  #unlock: (() => void) | undefined;
  #forget: (() => void) | undefined;
  /** The media that are kept, by their files. */
  readonly #kept = new Map<string, KeptMedium>();
  /** The records of answers that messages() gave: the ids of another model's answer stay with it. */
  readonly #answers = new WeakMap<InputMessage, KeptMessage>();

  private constructor(name: string, paths: SessionPaths, record: SessionRecord | undefined) {
    this.name = name;
    this.#paths = paths;
    this.#record = record;
  }

  /** Opens a session to go on with it, or begins one. Throws FileError, UsageError, and UserError if another process has it. */
  static async open(text: string, root: string = sessionsFolder()): Promise<Session> {
    const name = sessionName(text);
    const paths = sessionPaths(root, name);
    await checkFolder(paths);
    await explained(`session ${name} can't be made`, () => mkdir(paths.folder, { recursive: true, mode: 0o700 }));
    const unlock = await lockSession(paths, name);
    let session: Session | undefined;
    try {
      const record = await readRecord(paths, name);
      session = new Session(name, paths, record);
      session.#unlock = unlock;
      session.#forget = onInterrupt(() => session?.close());
      if (record) await explained(`session ${name} can't be read`, () => removeUnused(paths, hashesOf(record)));
      return session;
    } catch (error) {
      session?.close();
      unlock();
      throw error;
    }
  }

  /** Reads a session without locking it; undefined if there is none. Throws FileError or UsageError. */
  static async read(text: string, root: string = sessionsFolder()): Promise<Session | undefined> {
    const name = sessionName(text);
    const paths = sessionPaths(root, name);
    await checkFolder(paths);
    const record = await readRecord(paths, name);
    return record && new Session(name, paths, record);
  }

  /** As it was read or saved last; undefined: it is new. */
  get record(): SessionRecord | undefined {
    return this.#record;
  }

  /**
   * The conversation, with the kept copies as its media. Answers have their ids if the model with this fingerprint generated them. Throws
   * FileError.
   */
  async messages(fingerprint: string | undefined): Promise<InputMessage[]> {
    const messages: InputMessage[] = [];
    for (const kept of this.#record?.messages ?? []) {
      const { role, ids, model } = kept;
      const content = typeof kept.content === "string" ? kept.content : await this.#partsOf(kept.content);
      const message = { role, content, ...(ids && model === fingerprint && { ids }) };
      this.#answers.set(message, kept);
      messages.push(message);
    }
    return messages;
  }

  /** Copies the media of parts into the session's folder; the parts that it returns have the copies as theirs. Throws FileError or UsageError. */
  async keep(parts: readonly InputPart[]): Promise<InputPart[]> {
    const kept: InputPart[] = [];
    for (const part of parts) kept.push(part.type === "text" ? part : await this.#keepPart(part));
    return kept;
  }

  /** Saves the conversation: the record on disk is the old one or the new one. Throws FileError. */
  async save({ model, allowSpecial, messages }: SessionState): Promise<void> {
    if (!this.#unlock) throw new UserError(`session ${this.name} is not open to be saved.`);
    const updated = new Date().toISOString();
    const record: SessionRecord = {
      created: this.#record?.created ?? updated,
      updated,
      model,
      allowSpecial,
      messages: messages.map((message) => this.#recordOf(message, model.fingerprint)),
    };
    await explained(`session ${this.name} can't be saved`, async () => {
      await replaceFile(this.#paths.record, formatRecord(record));
      this.#record = record;
      await removeUnused(this.#paths, hashesOf(record));
    });
  }

  /** Lets another process have it, which also happens when this one is interrupted. A second call does nothing. */
  close(): void {
    const unlock = this.#unlock;
    this.#unlock = undefined;
    if (!unlock) return;
    this.#forget?.();
    if (!this.#record) rmSync(this.#paths.media, { recursive: true, force: true });
    unlock();
    if (this.#record) return;
    try {
      rmdirSync(this.#paths.folder);
    } catch {
      // Another process has begun a session of this name, or somebody keeps files there.
    }
  }

  async #partsOf(parts: readonly KeptPart[]): Promise<InputPart[]> {
    const opened: InputPart[] = [];
    for (const part of parts) {
      if (part.type === "text") opened.push(part);
      else if ("frames" in part) {
        const frames: string[] = [];
        for (const frame of part.frames) frames.push((await this.#open(frame)).path as string);
        opened.push({ type: "video", frames });
      } else {
        const { medium, ...rest } = part;
        opened.push({ ...rest, source: await this.#open(medium) });
      }
    }
    return opened;
  }

  async #open(medium: KeptMedium) {
    const source = await openKept(this.#paths, this.name, medium);
    this.#kept.set(source.path as string, medium);
    return source;
  }

  async #keepPart(part: InputImage | InputVideo): Promise<InputPart> {
    if ("frames" in part) {
      const frames: string[] = [];
      for (const frame of part.frames) frames.push(await this.#keepMedium(frame));
      return { type: "video", frames };
    }
    const { name } = "source" in part ? part.source : { name: "data" in part ? part.name : undefined };
    const medium =
      "source" in part
        ? part.source
        : await openSource("path" in part ? part.path : part.data, name === undefined ? {} : { name });
    const path = await this.#keepMedium(medium);
    const source = { name: medium.name, kind: medium.kind, container: medium.container, path };
    return part.type === "image"
      ? { type: "image", source, ...(part.cut !== undefined && { cut: part.cut }) }
      : { type: "video", source, ...(part.sampling && { sampling: part.sampling }) };
  }

  /** Returns the path of the copy. */
  async #keepMedium(
    medium: Parameters<typeof openSource>[0] | Awaited<ReturnType<typeof openSource>>,
  ): Promise<string> {
    const opened = typeof medium === "string" || medium instanceof Uint8Array ? await openSource(medium) : medium;
    if (opened.path !== undefined && this.#kept.has(opened.path)) return opened.path;
    const kept = await explained(`session ${this.name} can't keep ${opened.name}`, () =>
      keepMedium(this.#paths, opened),
    );
    const file = mediumFile(this.#paths, kept.sha256);
    this.#kept.set(file, kept);
    return file;
  }

  #recordOf(message: InputMessage, fingerprint: string): KeptMessage {
    const { role, content, ids } = message;
    const known = this.#answers.get(message);
    if (known) return known;
    if (typeof content === "string" || role !== "user")
      return { role, content: textOf(content), ...(ids && { ids: [...ids], model: fingerprint }) };
    return { role, content: content.map((part) => this.#recordOfPart(part)) };
  }

  #recordOfPart(part: InputPart): KeptPart {
    if (part.type === "text") return part;
    if ("frames" in part) return { type: "video", frames: part.frames.map((frame) => this.#keptAs(frame)) };
    const file = "source" in part ? part.source.path : undefined;
    const medium = { ...this.#keptAs(file), ...("source" in part && { name: part.source.name }) };
    return part.type === "image"
      ? { type: "image", medium, ...(part.cut !== undefined && { cut: part.cut }) }
      : { type: "video", medium, ...(part.sampling && { sampling: part.sampling }) };
  }

  #keptAs(file: unknown): KeptMedium {
    const kept = typeof file === "string" ? this.#kept.get(file) : undefined;
    if (!kept) throw new Error("a medium of the conversation was not kept");
    return kept;
  }
}

/** Locks a session for this process; returns the function that unlocks it. Throws FileError, and UserError if another process has it. */
export async function lockSession({ lock }: SessionPaths, name: string): Promise<() => void> {
  const found = await kindOf(lock);
  if (found && found.kind !== "file") throw new FileError(`${lock} is no lock; remove it.`);
  return lockFile(lock, (owner) => `session ${name} is in use by another owl3 (${owner}).`);
}

async function checkFolder({ folder }: SessionPaths): Promise<void> {
  const found = await explained(`${folder} can't be read`, () => kindOf(folder));
  if (found && found.kind !== "folder") throw new FileError(`${folder} is no session: it is no folder.`);
}

/** Reads the record; undefined if there is none. Throws FileError. */
export async function readRecord(paths: SessionPaths, name: string): Promise<SessionRecord | undefined> {
  return explained(`session ${name} can't be read`, async () => {
    const found = await kindOf(paths.record);
    if (!found) return undefined;
    if (found.kind !== "file")
      throw new FileError(`session ${name} is damaged: ${path.basename(paths.record)} is no regular file.`);
    return parseRecord(await readTextFile(paths.record, maxRecord), name);
  });
}

function hashesOf({ messages }: SessionRecord): Set<string> {
  return new Set(mediaOf(messages).map(({ sha256 }) => sha256));
}
