import { fileURLToPath } from "node:url";
import { UsageError } from "../errors.js";
import type { InputMessage, InputPart, Role } from "./messages.js";

const maxMessages = 10_000;

/**
 * Parses a conversation that is given as JSON: `[{role, content}]`, where content is a string or parts `{type: "text", text}`,
 * `{type: "image", path}`, `{type: "video", path}`, `{type: "video", frames: [paths]}`, and OpenAI's `image_url` with file and data URLs.
 * `{messages: [...]}` around it is accepted, too. `name` is the name of the source in errors. Throws UsageError.
 */
export function parseMessages(json: string, name: string): InputMessage[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`${name} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (typeof value === "object" && value !== null && "messages" in value) value = value.messages;
  return messagesOf(value, name);
}

/** Makes a conversation of a list of messages, as parseMessages reads them. Throws UsageError. */
export function messagesOf(value: unknown, name: string): InputMessage[] {
  if (!Array.isArray(value) || value.length === 0) throw new UsageError(`${name}: expected a list of messages`);
  if (value.length > maxMessages) throw new UsageError(`${name} holds more than ${maxMessages} messages`);
  return value.map((item, i) => {
    const message = parseMessage(item, `${name}: message ${i + 1}`);
    if (message.role === "system" && i > 0)
      throw new UsageError(`${name}: only the first message can be the system's, not message ${i + 1}`);
    return message;
  });
}

function parseMessage(value: unknown, where: string): InputMessage {
  const { role, content } = object(value, where, '{"role", "content"}');
  if (role !== "system" && role !== "user" && role !== "assistant")
    throw new UsageError(`${where}: role must be "system", "user" or "assistant"`);
  if (typeof content === "string") return { role, content };
  if (!Array.isArray(content)) throw new UsageError(`${where}: content must be a string or a list of parts`);
  return { role, content: content.map((part, i) => parsePart(part, role, `${where}, part ${i + 1}`)) };
}

function parsePart(value: unknown, role: Role, where: string): InputPart {
  const part = object(value, where, '{"type", ...}');
  if (part.type === "text") return { type: "text", text: string(part.text, `${where}: text`) };
  if (role !== "user") throw new UsageError(`${where}: only a user's message can hold pictures or videos`);
  if (part.type === "image") return { type: "image", path: string(part.path, `${where}: path`) };
  if (part.type === "image_url") {
    const url = typeof part.image_url === "string" ? part.image_url : object(part.image_url, where, '{"url"}').url;
    return { type: "image", path: pathOf(string(url, `${where}: image_url.url`), where) };
  }
  if (part.type === "video") {
    if (part.frames === undefined) return { type: "video", path: string(part.path, `${where}: path`) };
    if (!Array.isArray(part.frames) || part.frames.length === 0)
      throw new UsageError(`${where}: frames must be a list of paths`);
    return { type: "video", frames: part.frames.map((frame) => string(frame, `${where}: a frame`)) };
  }
  throw new UsageError(`${where}: type must be "text", "image", "image_url" or "video"`);
}

/** Converts file: URLs to paths; data: URLs stay as they are; nothing is fetched. */
function pathOf(url: string, where: string): string {
  if (/^data:/i.test(url)) return url;
  if (!/^file:/i.test(url))
    throw new UsageError(`${where}: only file: and data: URLs are opened, and this is ${url.slice(0, 60)}`);
  try {
    return fileURLToPath(url);
  } catch {
    throw new UsageError(`${where}: ${url.slice(0, 100)} is not a local path`);
  }
}

function object(value: unknown, where: string, shape: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UsageError(`${where}: expected ${shape}`);
  return value as Record<string, unknown>;
}

function string(value: unknown, where: string): string {
  if (typeof value !== "string") throw new UsageError(`${where} must be a string`);
  return value;
}
