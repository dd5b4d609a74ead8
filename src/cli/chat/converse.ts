import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import type { Answer } from "../../chat/answer.js";
import type { Chat } from "../../chat/chat.js";
import type { AskOptions } from "../../chat/options.js";
import { Owl } from "../../chat/owl.js";
import { FileError, UsageError, UserError } from "../../errors.js";
import { expandMedia } from "../../media/sequence.js";
import type { InputImage, InputMessage, InputPart, InputVideo } from "../../prompt/messages.js";
import { placeMedia } from "../../prompt/placement.js";
import { explain } from "../explain.js";
import { takeInterrupt } from "../interrupt.js";
import type { Output } from "../output.js";
import { askOptions, type ChatFlags, chatOptions, owlOptions } from "./flags.js";
import type { ChatInput } from "./input.js";
import { Keyboard } from "./keyboard.js";
import { mediaPart } from "./media.js";
import { ProgressView, summary } from "./view.js";

const help = `  /image PATH   add a picture, or all of a folder, to the next question
  /video PATH   add a video to the next question
  /regen        answer the last question again
  /clear        forget everything but the system message
  /save FILE    write the conversation as JSON (owl3 chat --messages FILE resumes it)
  /help         print this list
  Ctrl-C stops an answer, Ctrl-D leaves.`;

/** Holds a conversation on a terminal. */
export async function converse(input: ChatInput, flags: ChatFlags, out: Output): Promise<void> {
  const view = new ProgressView(out);
  const owl = await Owl.open(input.model, { ...owlOptions(flags), onProgress: view.on });
  view.stop();
  const keyboard = await Keyboard.open();
  const conversation = new Terminal(owl, input, flags, out, view);
  try {
    out.note(`${path.basename(input.model)} on ${owl.backend}; /help lists the commands, Ctrl-D leaves.`);
    conversation.announce();
    for (;;) {
      const line = await keyboard.ask(">>> ");
      if (line === undefined) break;
      if (line.trim() === "") continue;
      try {
        await conversation.take(line.trim());
      } catch (error) {
        view.stop();
        // A wrong path or a full context must not end the conversation.
        if (!(error instanceof UserError)) throw error;
        out.warn(explain(error).message);
      }
    }
  } finally {
    view.stop();
    await keyboard.save();
    await owl.dispose();
  }
}

class Terminal {
  readonly #chat: Chat;
  #waiting: (InputImage | InputVideo)[];
  /** The conversation as it was asked, for /save. */
  #asked: InputMessage[];
  readonly #flags: ChatFlags;
  readonly #out: Output;
  readonly #view: ProgressView;

  constructor(owl: Owl, input: ChatInput, flags: ChatFlags, out: Output, view: ProgressView) {
    this.#flags = flags;
    this.#out = out;
    this.#view = view;
    this.#chat = owl.chat({ ...chatOptions(flags), messages: input.messages });
    this.#waiting = [...input.media];
    this.#asked = [
      ...(flags.system === undefined ? [] : [{ role: "system" as const, content: flags.system }]),
      ...input.messages,
    ];
  }

  announce(): void {
    if (this.#waiting.length > 0)
      this.#out.note(
        `${this.#waiting.length} ${this.#waiting.length === 1 ? "picture or video waits" : "pictures and videos wait"} for your question.`,
      );
  }

  /** Handles a line of the user: a command or a question. */
  async take(line: string): Promise<void> {
    const [, command, rest = ""] = /^\/([a-z]+)(?:\s+(.*))?$/s.exec(line) ?? [];
    switch (command) {
      case undefined:
        return this.#ask(line);
      case "help":
        return this.#out.line(help);
      case "image":
        return this.#addMedia(rest.trim());
      case "video":
        return this.#addMedia(rest.trim(), "video");
      case "regen":
        return this.#regenerate();
      case "clear":
        this.#chat.clear();
        this.#waiting = [];
        this.#asked = this.#asked.filter((message) => message.role === "system");
        return this.#out.note("forgotten.");
      case "save":
        return this.#save(rest.trim());
      default:
        throw new UsageError(`there is no command /${command}; /help lists them.`);
    }
  }

  async #ask(text: string): Promise<void> {
    const question = placeMedia(text, this.#waiting, { interleave: this.#flags.interleave ?? false }) as InputPart[];
    const before = this.#chat.history.length;
    try {
      await this.#show((options) => this.#chat.ask(question, options));
    } finally {
      if (this.#chat.history.length > before) {
        this.#waiting = [];
        this.#asked.push({ role: "user", content: question });
        this.#noteAnswer();
      }
    }
  }

  async #regenerate(): Promise<void> {
    const answered = this.#chat.history.at(-1)?.role === "assistant";
    try {
      // The same seed would give the same answer.
      await this.#show((options) => this.#chat.regenerate({ ...options, seed: undefined }));
    } finally {
      if (answered) {
        this.#asked.pop();
        this.#noteAnswer();
      }
    }
  }

  #noteAnswer(): void {
    const last = this.#chat.history.at(-1);
    if (last?.role === "assistant") this.#asked.push({ role: "assistant", content: last.text });
  }

  /** Streams an answer; Ctrl-C stops it and keeps the text so far. */
  async #show(start: (options: AskOptions) => Answer): Promise<void> {
    const controller = new AbortController();
    const release = takeInterrupt(() => controller.abort());
    try {
      const answer = start({ ...askOptions(this.#flags), onProgress: this.#view.on, signal: controller.signal });
      for await (const piece of answer) {
        this.#view.stop();
        this.#out.text(piece.text);
      }
      this.#out.endText();
      const result = await answer.result();
      this.#out.note(summary(result));
      if (result.finishReason === "length") this.#out.note("(cut off: --max-tokens or --ctx)");
    } catch (error) {
      this.#view.stop();
      this.#out.endText();
      if ((error as Error).name !== "AbortError") throw error;
      this.#out.note("(stopped)");
    } finally {
      release();
    }
  }

  async #addMedia(name: string, as?: "video"): Promise<void> {
    const file = expandPath(name);
    if (file === "")
      throw new UsageError(
        as ? "give the path of a video: /video clip.mp4" : "give the path of a picture: /image photo.jpg",
      );
    const parts = [];
    for (const each of await expandMedia([file])) parts.push(await mediaPart(each, as));
    this.#waiting.push(...parts);
    this.announce();
  }

  async #save(name: string): Promise<void> {
    const file = expandPath(name);
    if (file === "") throw new UsageError("give the file to write: /save chat.json");
    const messages = this.#asked.map(({ role, content }) => ({
      role,
      content: typeof content === "string" ? content : content.map(saved),
    }));
    await writeFile(file, `${JSON.stringify(messages, null, 2)}\n`).catch((error: Error) => {
      throw new FileError(`${file} can't be written: ${error.message}`, { cause: error });
    });
    this.#out.note(`saved to ${file}.`);
  }
}

/** Converts a part to the form that --messages reads, with absolute paths; a picture without a path is embedded as a data: URL. */
function saved(part: InputPart): unknown {
  if (part.type === "text") return part;
  if ("path" in part) return { ...part, path: /^[a-z]+:/i.test(part.path) ? part.path : path.resolve(part.path) };
  if ("frames" in part) return { ...part, frames: part.frames.map((frame) => path.resolve(frame)) };
  const file = "source" in part ? part.source.path : undefined;
  if (file !== undefined) return { type: part.type, path: path.resolve(file) };
  if (part.type === "video") throw new FileError("a video from stdin can't be saved: give it as a file.");
  const data = "source" in part ? (part.source.bytes as Uint8Array) : part.data;
  const url = `data:application/octet-stream;base64,${Buffer.from(data).toString("base64")}`;
  return { type: "image_url", image_url: { url } };
}

/** Expands a path as people type it or drop it into a terminal: in quotes, with escaped spaces, with ~ for the home folder. */
export function expandPath(text: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(text);
  const plain = quoted ? (quoted[2] as string) : text.replace(/\\(.)/g, "$1");
  return plain === "~" || plain.startsWith("~/") ? path.join(homedir(), plain.slice(1)) : plain;
}
