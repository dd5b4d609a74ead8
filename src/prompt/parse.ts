import { fileURLToPath } from "node:url";
import { checkKeys, checkShape, kinds, type Shape, shown } from "../check.js";
import { UsageError } from "../errors.js";
import type { FrameChoice, InputImage, InputMessage, InputPart, InputVideo, Role } from "./messages.js";
import { placeMedia } from "./placement.js";

const maxMessages = 10_000;

/**
 * Parses a conversation that is given as JSON: `[{role, content}]`, where content is a string or parts `{type: "text", text}`,
 * `{type: "image", path}`, `{type: "video", path}`, `{type: "video", frames: [paths]}`, and OpenAI's `image_url` with file and data URLs; or
 * as ollama has it, with the pictures beside the text in `images`: paths or base64. `{messages: [...]}` around it is accepted, too. `name`
 * is the name of the source in errors. Throws UsageError.
 */
export function parseMessages(json: string, name: string): InputMessage[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`${name} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (typeof value === "object" && value !== null && "messages" in value) {
    checkKeys(value, ["messages"], name);
    value = value.messages;
  }
  return messagesOf(value, name);
}

/**
 * Makes a conversation of a list of messages, as parseMessages reads them. `bytes`: they come from a program, whose media may be bytes or opened.
 * Throws UsageError.
 */
export function messagesOf(value: unknown, name: string, bytes = false): InputMessage[] {
  if (!Array.isArray(value) || value.length === 0) throw new UsageError(`${name}: expected a list of messages`);
  if (value.length > maxMessages) throw new UsageError(`${name} holds more than ${maxMessages} messages`);
  return value.map((item, i) => {
    const message = parseMessage(item, `${name}: message ${i + 1}`, bytes);
    if (message.role === "system" && i > 0)
      throw new UsageError(`${name}: only the first message can be the system's, not message ${i + 1}`);
    return message;
  });
}

/** Checks the content of a message: a text, or parts. Throws UsageError. */
export function toContent(content: unknown, role: Role, where: string, bytes = false): string | InputPart[] {
  if (typeof content === "string") return content;
  if (!Array.isArray(content))
    throw new UsageError(`${where}: content must be a string or a list of parts, not ${shown(content)}`);
  return content.map((part, i) => parsePart(part, role, `${where}, part ${i + 1}`, bytes));
}

function parseMessage(value: unknown, where: string, bytes: boolean): InputMessage {
  const { role, content, images, ids, ...rest } = object(value, where, '{"role", "content"}');
  checkKeys(rest, ["role", "content", "images"], where);
  if (ids !== undefined && !bytes) checkKeys({ ids }, ["role", "content", "images"], where);
  if (ids !== undefined && (role !== "assistant" || !kinds.numbers.is(ids)))
    throw new UsageError(`${where}: ids must be a list of numbers from 0, of an assistant's message`);
  if (role !== "system" && role !== "user" && role !== "assistant")
    throw new UsageError(`${where}: role must be "system", "user" or "assistant"`);
  const parts = toContent(content, role, where, bytes);
  if (images === undefined) return { role, content: parts, ...(ids !== undefined && { ids: ids as number[] }) };
  if (!Array.isArray(images)) throw new UsageError(`${where}: images must be a list`);
  if (images.length === 0) return { role, content: parts };
  if (role !== "user") throw new UsageError(`${where}: only a user's message can hold pictures or videos`);
  if (typeof parts !== "string") throw new UsageError(`${where}: content must be a string where there are images`);
  const media = images.map((image) => ({
    type: "image" as const,
    path: anyPath(string(image, `${where}: each of images`), where),
  }));
  return { role, content: placeMedia<InputPart>(parts, media, { literal: true }) };
}

function parsePart(value: unknown, role: Role, where: string, bytes: boolean): InputPart {
  const part = object(value, where, '{"type", ...}');
  if (part.type === "text") {
    checkKeys(part, ["type", "text"], where);
    return { type: "text", text: string(part.text, `${where}: text`) };
  }
  if (part.type !== "image" && part.type !== "image_url" && part.type !== "video")
    throw new UsageError(`${where}: type must be "text", "image", "image_url" or "video"`);
  if (role !== "user") throw new UsageError(`${where}: only a user's message can hold pictures or videos`);
  if (part.type === "image_url") {
    checkKeys(part, ["type", "image_url"], where);
    const link =
      typeof part.image_url === "string" ? { url: part.image_url } : object(part.image_url, where, '{"url"}');
    // How closely OpenAI's models look has no counterpart here.
    checkKeys(link, ["url", "detail"], where);
    return { type: "image", path: pathOf(string(link.url, `${where}: image_url.url`), where) };
  }
  if (!bytes) return mediumOf(part, part.type, where);
  const { cut, sampling, ...medium } = part;
  return { ...mediumOf(medium, part.type, where, true), ...choiceOf(part.type, cut, sampling, where) } as InputPart;
}

/** Reads where a picture or video is. */
function mediumOf(
  part: Record<string, unknown>,
  type: "image" | "video",
  where: string,
  bytes = false,
): InputImage | InputVideo {
  if (bytes && (part.data !== undefined || part.source !== undefined)) return held(part, type, where);
  if (type === "image" || part.frames === undefined) {
    checkKeys(part, ["type", "path", ...(bytes ? ["name"] : []), ...(type === "video" ? ["frames"] : [])], where);
    const name = part.name === undefined ? {} : { name: string(part.name, `${where}: name`) };
    return { type, path: string(part.path, `${where}: path`), ...name } as InputImage | InputVideo;
  }
  checkKeys(part, ["type", "frames"], where);
  if (!Array.isArray(part.frames) || part.frames.length === 0)
    throw new UsageError(`${where}: frames must be a list of paths`);
  const frames = part.frames.map((frame) =>
    bytes && frame instanceof Uint8Array ? frame : string(frame, `${where}: a frame`),
  );
  return { type, frames };
}

const frameChoice: Shape<FrameChoice> = {
  ...{ fps: kinds.number, maxFrames: kinds.number, start: kinds.number, end: kinds.number, frames: kinds.numbers },
};

/** Checks how a program wants a picture or video to be looked at. */
function choiceOf(type: "image" | "video", cut: unknown, sampling: unknown, where: string): object {
  if (type === "video") {
    if (cut !== undefined) throw new UsageError(`${where}: cut is of a picture, not of a video`);
    checkShape(sampling, frameChoice, `${where}: sampling`);
    return sampling === undefined ? {} : { sampling };
  }
  if (sampling !== undefined) throw new UsageError(`${where}: sampling is of a video, not of a picture`);
  if (cut !== undefined && !kinds.flag.is(cut)) throw new UsageError(`${where}: cut must be true or false`);
  return cut === undefined ? {} : { cut };
}

/** A picture or video whose bytes the caller has, or which it has opened. */
function held(part: Record<string, unknown>, type: "image" | "video", where: string): InputImage | InputVideo {
  if (part.source !== undefined) {
    checkKeys(part, ["type", "source"], where);
    return { type, source: object(part.source, `${where}: source`, "an opened source") } as unknown as
      | InputImage
      | InputVideo;
  }
  checkKeys(part, ["type", "data", "name"], where);
  if (!(part.data instanceof Uint8Array))
    throw new UsageError(`${where}: data must be a Uint8Array, not ${shown(part.data)}`);
  const name = part.name === undefined ? {} : { name: string(part.name, `${where}: name`) };
  return { type, data: part.data, ...name } as InputImage | InputVideo;
}

/** A path of ollama's `images`, which may also be the base64 of a file: no picture is shorter than this, and hardly a path so long has no dot. */
function anyPath(text: string, where: string): string {
  if (text.length >= 64 && /^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(text)) return `data:;base64,${text}`;
  return /^[a-z]{2,}:/i.test(text) ? pathOf(text, where) : text;
}

/** Converts file: URLs to paths; data: URLs stay as they are; nothing is fetched. Throws UsageError. */
export function pathOf(url: string, where: string): string {
  if (/^data:/i.test(url)) return url;
  if (!/^file:/i.test(url))
    throw new UsageError(`${where}: only file: and data: URLs are opened, and this is ${shown(url)}`);
  try {
    return fileURLToPath(url);
  } catch {
    throw new UsageError(`${where}: ${shown(url)} is not a local path`);
  }
}

/** The members of an object; those that are null count as absent. */
function object(value: unknown, where: string, shape: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UsageError(`${where}: expected ${shape}, not ${shown(value)}`);
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null && item !== undefined));
}

function string(value: unknown, where: string): string {
  if (typeof value !== "string") throw new UsageError(`${where} must be a string, not ${shown(value)}`);
  return value;
}
