import path from "node:path";
import type { AnswerResult } from "../../chat/answer.js";
import type { Chat } from "../../chat/chat.js";
import type { ChatOptions } from "../../chat/options.js";
import { UsageError, UserError } from "../../errors.js";
import { addEntry, isLogging } from "../../logs/logs.js";
import type { InputMessage, InputPart } from "../../prompt/messages.js";
import { fingerprint } from "../../rows/fingerprint.js";
import { Session } from "../../sessions/session.js";
import { explain } from "../explain.js";
import type { Output } from "../output.js";
import { type ChatFlags, chatOptions } from "./flags.js";
import type { ChatInput } from "./input.js";
import { entryOf } from "./log-entry.js";
import { sessionChatOptions, withChoices } from "./session.js";

/** How an answer ended; `result` is absent where the user stopped it. */
export interface Ended {
  result: AnswerResult | undefined;
  /** Milliseconds since the question. */
  ms: number;
}

/** The part of a chat that lasts: its turns as they were asked, which its session keeps, and the log. */
export class ChatRecord {
  /** The conversation with its system message. */
  readonly messages: InputMessage[];
  readonly #model: string;
  #fingerprint: ReturnType<typeof fingerprint> | undefined;
  readonly #flags: ChatFlags;
  readonly #out: Output;
  #session: Session | undefined;

  private constructor(input: ChatInput, flags: ChatFlags, out: Output, messages: InputMessage[]) {
    this.#model = input.model;
    this.#session = input.session;
    this.#flags = flags;
    this.#out = out;
    this.messages = messages;
  }

  /** Begins with the turns of the input. In a new session their media are copied. */
  static async open(input: ChatInput, flags: ChatFlags, out: Output): Promise<ChatRecord> {
    const { messages, session } = input;
    const given = flags.system !== undefined && messages[0]?.role !== "system";
    const system: InputMessage[] = given ? [{ role: "system", content: flags.system ?? "" }] : [];
    const record = new ChatRecord(input, flags, out, [...system, ...messages]);
    if (session && !session.record) record.messages.splice(0, Infinity, ...(await record.#keptIn(session)));
    return record;
  }

  /** The name of the session, if the chat has one. */
  get session(): string | undefined {
    return this.#session?.name;
  }

  /** The options of the chat, with its turns so far. */
  get chatOptions(): ChatOptions {
    const options = this.#session ? sessionChatOptions(this.#flags, this.#session) : chatOptions(this.#flags);
    return { ...options, system: undefined, messages: this.messages };
  }

  /** The parts of a question as they are to be asked: a session asks about its copies of media. */
  async keep(question: InputPart[]): Promise<InputPart[]> {
    return this.#session ? this.#session.keep(withChoices(question, this.#flags)) : question;
  }

  /** Takes over the last answer of a chat, which is to `question` or to the last turn, logs it and saves the session. */
  async answered(chat: Chat, question: InputPart[] | undefined, ended: Ended): Promise<void> {
    const { text = "", ids } = chat.history.at(-1) ?? {};
    if (question) this.messages.push({ role: "user", content: question });
    this.messages.push({ role: "assistant", content: text, ...(ids && { ids }) });
    await this.#log(ended);
    await this.save();
  }

  /** Saves the session, if there is one and all is answered. Throws FileError. */
  async save(): Promise<void> {
    if (this.#session && this.messages.at(-1)?.role !== "user") await this.#saveIn(this.#session, this.messages);
  }

  /** Begins a session of this conversation and goes on in it. Throws UsageError if there is one of this name. */
  async saveAs(name: string): Promise<void> {
    if (this.#session?.name === name.normalize("NFC")) return this.save();
    if (this.messages.at(-1)?.role !== "assistant") throw new UsageError("there is no answer yet that could be saved.");
    const session = await Session.open(name);
    try {
      if (session.record) throw new UsageError(`there is a session ${session.name} already; choose another name.`);
      const messages = await this.#keptIn(session);
      await this.#saveIn(session, messages);
      this.messages.splice(0, messages.length, ...messages);
    } catch (error) {
      session.close();
      throw error;
    }
    this.#session?.close();
    this.#session = session;
  }

  async clear(): Promise<void> {
    const kept = this.messages.filter(({ role }) => role === "system");
    this.messages.splice(0, this.messages.length, ...kept);
    await this.save();
  }

  close(): void {
    this.#session?.close();
  }

  async #saveIn(session: Session, messages: readonly InputMessage[]): Promise<void> {
    this.#fingerprint ??= fingerprint(this.#model);
    const { name, fingerprint: hash } = await this.#fingerprint;
    const model = { name, path: path.resolve(this.#model), fingerprint: hash };
    await session.save({ model, allowSpecial: this.chatOptions.allowSpecial ?? false, messages });
  }

  /** The conversation with its media copied into a new session. In a session before, they had their choices already. */
  async #keptIn(session: Session): Promise<InputMessage[]> {
    const inSession = this.#session?.record !== undefined;
    const kept: InputMessage[] = [];
    for (const message of this.messages) {
      const { role, content } = message;
      if (typeof content === "string" || role !== "user") kept.push(message);
      else
        kept.push({ ...message, content: await session.keep(inSession ? content : withChoices(content, this.#flags)) });
    }
    return kept;
  }

  /** A log that can't be written is no reason to fail. */
  async #log(ended: Ended): Promise<void> {
    if (!this.#flags.log || !(await isLogging())) return;
    try {
      await addEntry(await entryOf(this.messages, { model: this.#model, session: this.session, ...ended }));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#out.warn(`this answer was not logged: ${explain(error).message}`);
    }
  }
}
