/** The record of a session, session.json: its turns, and the model that answered last. It is not trusted: parseRecord() checks all of it. */
import { FileError } from "../errors.js";
import type { FrameChoice, InputPart, Role } from "../prompt/messages.js";
import { type Check, integer, list, number, object, optional, text } from "./check.js";
import { isHash } from "./names.js";

const formatNumber = 1;
const maxMessages = 10_000;
const maxIds = 1 << 24;
const maxName = 4096;

/** A medium that is kept in the session's folder under its hash. */
export interface KeptMedium {
  sha256: string;
  /** In bytes. */
  size: number;
  /** Its name in messages: the path that it was given by. */
  name: string;
}

export type KeptPart =
  | { type: "text"; text: string }
  | { type: "image"; medium: KeptMedium; cut?: boolean }
  | { type: "video"; medium: KeptMedium; sampling?: FrameChoice }
  | { type: "video"; frames: KeptMedium[] };

export interface KeptMessage {
  role: Role;
  content: string | KeptPart[];
  /** The ids that an answer was generated as, and the fingerprint of the model that generated it. */
  ids?: number[];
  model?: string;
}

export interface SessionModel {
  name: string;
  /** Its GGUF file. */
  path: string;
  fingerprint: string;
}

export interface SessionRecord {
  /** Times are in ISO 8601. */
  created: string;
  updated: string;
  /** The model that answered last. */
  model: SessionModel;
  /** Whether special tokens in texts act as such. */
  allowSpecial: boolean;
  messages: KeptMessage[];
}

/** Writes a record as the text of its file. */
export function formatRecord(record: SessionRecord): string {
  return `${JSON.stringify({ owl3_session: formatNumber, ...record })}\n`;
}

/** Reads the text of a record; `name` is the session's. Throws FileError. */
export function parseRecord(json: string, name: string): SessionRecord {
  try {
    return record(JSON.parse(json), "the record");
  } catch (error) {
    throw new FileError(`session ${name} is damaged: ${(error as Error).message.replace(/\.$/, "")}.`, {
      cause: error,
    });
  }
}

const record: Check<SessionRecord> = (value, where) => {
  const given = object(value, where);
  if (given.owl3_session !== formatNumber) {
    const found = typeof given.owl3_session === "number" ? String(given.owl3_session) : "unknown";
    throw new Error(`its format is ${found}, and this owl3 reads format ${formatNumber}`);
  }
  const messages = list(message, maxMessages)(given.messages, "messages");
  if (messages.some(({ role }, i) => role === "system" && i > 0)) throw new Error("a later message is the system's");
  if (messages.at(-1)?.role === "user") throw new Error("its last question has no answer");
  if (typeof given.allowSpecial !== "boolean") throw new Error("allowSpecial is not true or false");
  return {
    created: time(given.created, "created"),
    updated: time(given.updated, "updated"),
    model: model(given.model, "model"),
    allowSpecial: given.allowSpecial,
    messages,
  };
};

const model: Check<SessionModel> = (value, where) => {
  const given = object(value, where);
  return {
    name: short(given.name, `${where}.name`),
    path: short(given.path, `${where}.path`),
    fingerprint: fingerprint(given.fingerprint, `${where}.fingerprint`),
  };
};

const message: Check<KeptMessage> = (value, where) => {
  const { role, content, ids, model: by } = object(value, where);
  if (role !== "system" && role !== "user" && role !== "assistant") throw new Error(`${where}.role is none`);
  if (role === "user" && Array.isArray(content))
    return { role, content: list(part, maxMessages)(content, `${where}.content`) };
  return {
    role,
    content: text(content, `${where}.content`),
    ...(role === "assistant" && {
      ...optional("ids", list(integer(0, 2 ** 31 - 1), maxIds), ids, where),
      ...optional("model", fingerprint, by, where),
    }),
  };
};

const part: Check<KeptPart> = (value, where) => {
  const given = object(value, where);
  switch (given.type) {
    case "text":
      return { type: "text", text: text(given.text, `${where}.text`) };
    case "image":
      return {
        type: "image",
        medium: medium(given.medium, `${where}.medium`),
        ...optional("cut", flag, given.cut, where),
      };
    case "video":
      if (given.frames !== undefined)
        return { type: "video", frames: list(medium, 4096)(given.frames, `${where}.frames`) };
      return {
        type: "video",
        medium: medium(given.medium, `${where}.medium`),
        ...optional("sampling", sampling, given.sampling, where),
      };
    default:
      throw new Error(`${where}.type is none`);
  }
};

const medium: Check<KeptMedium> = (value, where) => {
  const { sha256, size, name } = object(value, where);
  if (!isHash(sha256)) throw new Error(`${where}.sha256 is no hash`);
  return { sha256, size: integer(1)(size, `${where}.size`), name: short(name, `${where}.name`) };
};

const sampling: Check<FrameChoice> = (value, where) => {
  const { fps, maxFrames, start, end, frames } = object(value, where);
  return {
    ...optional("fps", number(1e-6, 1e6), fps, where),
    ...optional("maxFrames", integer(1, 4096), maxFrames, where),
    ...optional("start", number(0, 1e9), start, where),
    ...optional("end", number(0, 1e9), end, where),
    ...optional("frames", list(integer(0), 4096), frames, where),
  };
};

/** A name or a path, which messages show. */
const short: Check<string> = (value, where) => {
  const given = text(value, where);
  if (given === "" || given.length > maxName) throw new Error(`${where} has ${given.length} characters`);
  return given;
};

const flag: Check<boolean> = (value, where) => {
  if (typeof value !== "boolean") throw new Error(`${where} is not true or false`);
  return value;
};

const fingerprint: Check<string> = (value, where) => {
  if (!isHash(value)) throw new Error(`${where} is no fingerprint`);
  return value;
};

const time: Check<string> = (value, where) => {
  const given = text(value, where);
  if (!/^\d{4}-\d\d-\d\dT[\d:.]{1,16}Z$/.test(given) || Number.isNaN(Date.parse(given)))
    throw new Error(`${where} is no time`);
  return given;
};

/** The media of a record, in their order. */
export function mediaOf(messages: readonly KeptMessage[]): KeptMedium[] {
  return messages.flatMap(({ content }) =>
    typeof content === "string"
      ? []
      : content.flatMap((part) => (part.type === "text" ? [] : "frames" in part ? part.frames : [part.medium])),
  );
}

/** The text of a turn, without its media. */
export function textOf(content: string | readonly (InputPart | KeptPart)[]): string {
  if (typeof content === "string") return content;
  return content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** The system message of a conversation. */
export function systemOf([first]: readonly KeptMessage[]): string | undefined {
  return first?.role === "system" ? textOf(first.content) : undefined;
}
