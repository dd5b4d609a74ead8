import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Answer, AnswerResult } from "../../chat/answer.js";
import type { Chat } from "../../chat/chat.js";
import type { AskOptions } from "../../chat/options.js";
import { Owl } from "../../chat/owl.js";
import { nearest } from "../../check.js";
import { FileError, systemReason, UsageError, UserError } from "../../errors.js";
import { expandHome } from "../../folders.js";
import { counted } from "../../format.js";
import type { InputImage, InputPart, InputVideo } from "../../prompt/messages.js";
import { placeMedia } from "../../prompt/placement.js";
import { isSessionName } from "../../sessions/names.js";
import { explain } from "../explain.js";
import { takeInterrupt } from "../interrupt.js";
import type { Output } from "../output.js";
import { preview, sourcesOf } from "../preview/show.js";
import { askOptions, type ChatFlags, owlOptions } from "./flags.js";
import type { ChatInput } from "./input.js";
import { Keyboard } from "./keyboard.js";
import { mediaParts } from "./media.js";
import { ChatRecord, type Ended } from "./record.js";
import { savedMessages } from "./saved.js";
import { ProgressView, summary } from "./view.js";

const help = `  /image PATH   add a picture, or all of a folder, to the next question
  /video PATH   add a video to the next question
  /regen        answer the last question again
  /clear        forget everything but the system message
  /save NAME    keep the conversation as a session (owl3 chat --session NAME)
  /save FILE    write it as JSON, to a name with a dot or slash (--messages FILE)
  /help         print this list
  Ctrl-C stops an answer, Ctrl-D or /bye leaves.`;

/** The words that end a conversation here and in other programs. */
const goodbyes = ["/bye", "/exit", "/quit", "bye", "exit", "quit"];

/** Says which command was probably meant, by the list of /help. */
function instead(command: string): string {
  const near = nearest(
    `/${command}`,
    [...help.matchAll(/^ *(\/[a-z]+)/gm)].map(([, name]) => name as string),
  );
  return near === undefined ? "/help lists them." : `did you mean ${near}?`;
}

/** Holds a conversation on a terminal. */
export async function converse(input: ChatInput, flags: ChatFlags, out: Output): Promise<void> {
  const view = new ProgressView(out);
  const record = await ChatRecord.open(input, flags, out);
  const owl = await Owl.open(input.model, { ...owlOptions(flags), onProgress: view.on });
  view.stop();
  const keyboard = await Keyboard.open();
  const conversation = new Terminal(owl, record, input.media, flags, out, view);
  try {
    out.note(`${path.basename(input.model)} on ${owl.backend}; /help lists the commands, /bye leaves.`);
    conversation.greet();
    for (;;) {
      const line = await keyboard.ask(">>> ");
      if (line === undefined) break;
      if (line.trim() === "") continue;
      if (goodbyes.includes(line.trim())) break;
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
    record.close();
    await keyboard.save();
    await owl.dispose();
  }
}

class Terminal {
  readonly #chat: Chat;
  #waiting: (InputImage | InputVideo)[];
  readonly #record: ChatRecord;
  readonly #flags: ChatFlags;
  readonly #out: Output;
  readonly #view: ProgressView;

  constructor(
    owl: Owl,
    record: ChatRecord,
    media: readonly (InputImage | InputVideo)[],
    flags: ChatFlags,
    out: Output,
    view: ProgressView,
  ) {
    this.#flags = flags;
    this.#out = out;
    this.#view = view;
    this.#record = record;
    this.#chat = owl.chat(record.chatOptions);
    this.#waiting = [...media];
  }

  /** Says what the conversation begins with. */
  greet(): void {
    const { session, messages } = this.#record;
    const questions = messages.filter(({ role }) => role === "user").length;
    const so = questions === 0 ? "begins" : `has ${counted(questions, "question")} so far`;
    if (session !== undefined) this.#out.note(`session ${session} ${so}; each answer is saved.`);
    this.#announce();
  }

  #announce(): void {
    if (this.#waiting.length > 0)
      this.#out.note(
        `${countMedia(this.#waiting)} ${this.#waiting.length === 1 ? "waits" : "wait"} for your question.`,
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
        await this.#record.clear();
        return this.#out.note("forgotten.");
      case "save":
        return this.#save(rest.trim());
      default:
        throw new UsageError(`there is no command /${command}; ${instead(command)}`);
    }
  }

  async #ask(text: string): Promise<void> {
    const parts = placeMedia(text, this.#waiting, { interleave: this.#flags.interleave ?? false }) as InputPart[];
    const question = await this.#record.keep(parts);
    const before = this.#record.messages.length;
    await this.#show(
      (options) => this.#chat.ask(question, options),
      async (ended) => {
        // When nothing was said, the chat is as it was before; its turns may have been read.
        if (this.#chat.history.length !== before + 2) return;
        this.#waiting = [];
        await this.#record.answered(this.#chat, question, ended);
      },
    );
  }

  async #regenerate(): Promise<void> {
    const { messages } = this.#record;
    await this.#show(
      // The same seed would give the same answer.
      (options) => this.#chat.regenerate({ ...options, seed: undefined }),
      async (ended) => {
        if (messages.at(-1)?.role !== "assistant") return;
        messages.pop();
        if (this.#chat.history.at(-1)?.role === "assistant") await this.#record.answered(this.#chat, undefined, ended);
      },
    );
  }

  /** Streams an answer; Ctrl-C stops it and keeps the text so far. `keep` is called when it has ended, in whichever way. */
  async #show(start: (options: AskOptions) => Answer, keep: (ended: Ended) => Promise<void>): Promise<void> {
    const controller = new AbortController();
    const release = takeInterrupt(() => controller.abort());
    const started = performance.now();
    let result: AnswerResult | undefined;
    try {
      const answer = start({ ...askOptions(this.#flags), onProgress: this.#view.on, signal: controller.signal });
      for await (const piece of answer) {
        this.#view.stop();
        this.#out.text(piece.text);
      }
      this.#out.endText();
      result = await answer.result();
      this.#out.note(summary(result));
      if (result.finishReason === "length") this.#out.note("(cut off: --max-tokens or --ctx)");
    } catch (error) {
      this.#view.stop();
      this.#out.endText();
      if ((error as Error).name !== "AbortError") throw error;
      this.#out.note("(stopped)");
    } finally {
      release();
      await keep({ result, ms: performance.now() - started });
    }
  }

  async #addMedia(name: string, as?: "video"): Promise<void> {
    const file = expandPath(name);
    if (file === "")
      throw new UsageError(
        as ? "give the path of a video: /video clip.mp4" : "give the path of a picture: /image photo.jpg",
      );
    const parts = await mediaParts([file], as, this.#flags, this.#out);
    await preview(sourcesOf(parts), this.#flags, this.#out);
    this.#waiting.push(...parts);
    this.#announce();
  }

  /** Saves the conversation: a plain name is a session's, and anything else a file's. */
  async #save(name: string): Promise<void> {
    if (isSessionName(name.normalize("NFC"))) {
      await this.#record.saveAs(name);
      return this.#out.note(`saved; from now on each answer is. \`owl3 chat --session ${name}\` goes on with it.`);
    }
    const file = expandPath(name);
    if (file === "") throw new UsageError("give a name or the file to write: /save trip, or /save chat.json");
    const messages = savedMessages(this.#record.messages);
    await writeFile(file, `${JSON.stringify(messages, null, 2)}\n`).catch((error: Error) => {
      throw new FileError(`${file} can't be written: ${systemReason(error)}.`, { cause: error });
    });
    this.#out.note(`saved to ${file}.`);
  }
}

/** Counts pictures and videos: "1 picture", "2 videos", "2 pictures and 1 video". */
function countMedia(media: readonly { type: "image" | "video" }[]): string {
  const videos = media.filter(({ type }) => type === "video").length;
  const pictures = media.length - videos;
  return [pictures && counted(pictures, "picture"), videos && counted(videos, "video")].filter(Boolean).join(" and ");
}

/** Expands a path as people type it or drop it into a terminal: in quotes, with escaped spaces, with ~ for the home folder. */
export function expandPath(text: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(text);
  const plain = quoted ? (quoted[2] as string) : text.replace(/\\(.)/g, "$1");
  return expandHome(plain);
}
