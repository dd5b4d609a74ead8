import path from "node:path";
import { FileError } from "../../errors.js";
import type { InputMessage, InputPart } from "../../prompt/messages.js";

/** Converts a conversation to the JSON that --messages reads. Throws FileError. */
export function savedMessages(messages: readonly InputMessage[]): unknown[] {
  return messages.map(({ role, content }) => ({
    role,
    content: typeof content === "string" ? content : content.map(saved),
  }));
}

/** Converts a part to the form that --messages reads, with absolute paths; a picture without a path is embedded as a data: URL. */
function saved(part: InputPart): unknown {
  if (part.type === "text") return part;
  if ("path" in part)
    return { type: part.type, path: /^[a-z]+:/i.test(part.path) ? part.path : path.resolve(part.path) };
  if ("frames" in part) return { ...part, frames: part.frames.map(savedFrame) };
  const file = "source" in part ? part.source.path : undefined;
  if (file !== undefined) return { type: part.type, path: path.resolve(file) };
  if (part.type === "video") throw new FileError("a video from stdin can't be saved: give it as a file.");
  const data = "source" in part ? (part.source.bytes as Uint8Array) : part.data;
  return { type: "image_url", image_url: { url: dataUrl(data) } };
}

function savedFrame(frame: string | Uint8Array): string {
  if (typeof frame !== "string") return dataUrl(frame);
  return /^data:/i.test(frame) ? frame : path.resolve(frame);
}

const dataUrl = (bytes: Uint8Array): string =>
  `data:application/octet-stream;base64,${Buffer.from(bytes).toString("base64")}`;
