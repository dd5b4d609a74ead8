/** Turns of a request → messages for the engine. The APIs differ in how they write a conversation, and meet here. */
import { realpath } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { UserError } from "../errors.js";
import { isBelow } from "../media/root.js";
import { dataUrl } from "../media/source.js";
import type { InputImage, InputMessage, InputPart, InputVideo } from "../prompt/messages.js";
import { badRequest } from "./errors.js";
import type { Fetch, FetchFor } from "./fetch.js";

/** A medium as a request names it: a URL, or bytes that the API writes in another way. `param` is where it stands in the body. */
export type Named = { url: string; param: string } | { bytes: Uint8Array; param: string };
export type TurnPart =
  | { type: "text"; text: string }
  | { type: "image"; medium: Named; cut?: boolean }
  | { type: "video"; medium: Named }
  | { type: "frames"; frames: Named[] };
export interface Turn {
  role: "system" | "user" | "assistant";
  parts: TurnPart[];
  param: string;
}

export interface MediaOptions {
  /** Pictures of a request at most; the frames of a video that is given as frames count as well. */
  maxPictures: number;
  /** Absent: addresses are refused. */
  fetch?: Fetch | undefined;
  /** The folder below which file: URLs are opened; absent: they are refused. */
  mediaRoot?: string | undefined;
}

/** Opens the media of a conversation and makes messages of it. Throws ApiError. */
export class MessageReader {
  readonly #options: MediaOptions;

  constructor(options: MediaOptions) {
    this.#options = options;
  }

  async messages(turns: readonly Turn[], request: FetchFor): Promise<InputMessage[]> {
    const { maxPictures } = this.#options;
    const named = turns.flatMap(({ parts }) => parts).flatMap(mediaOf);
    if (named.length > maxPictures)
      throw badRequest(
        `the request has ${named.length} pictures and videos, and ${maxPictures} are allowed.`,
        named[maxPictures]?.param,
      );
    const system = turns.findIndex(({ role }) => role !== "system");
    const late = turns.slice(system < 0 ? turns.length : system).find(({ role }) => role === "system");
    if (late) throw badRequest("only the first messages can be the system's.", late.param);
    const last = turns.at(-1);
    if (last?.role !== "user") throw badRequest("the last message must be the user's.", last?.param);

    const leading = turns.slice(0, system).map(textOf).filter(Boolean);
    const messages: InputMessage[] = leading.length > 0 ? [{ role: "system", content: leading.join("\n\n") }] : [];
    const count = { image: 0, video: 0 };
    for (const { role, parts, param } of turns.slice(system)) {
      if (role === "assistant") messages.push({ role, content: textOf({ parts }) });
      else messages.push({ role: "user", content: await this.#user(parts, param, count, request) });
    }
    return messages;
  }

  async #user(
    parts: readonly TurnPart[],
    param: string,
    count: { image: number; video: number },
    request: FetchFor,
  ): Promise<InputPart[]> {
    const out: InputPart[] = [];
    for (const part of mediaFirst(parts)) {
      const text = part.type === "text" ? part.text : undefined;
      if (text === "") continue;
      // The model was trained with a line break after a picture, which clients leave to the server.
      if (out.length > 0 && out.at(-1)?.type !== "text" && !/^\s/.test(text ?? ""))
        out.push({ type: "text", text: "\n" });
      if (text !== undefined) out.push({ type: "text", text });
      else out.push(await this.#medium(part as Exclude<TurnPart, { type: "text" }>, count, request));
    }
    if (out.length === 0) throw badRequest("the message is empty.", param);
    return out;
  }

  async #medium(
    part: Exclude<TurnPart, { type: "text" }>,
    count: { image: number; video: number },
    request: FetchFor,
  ): Promise<InputImage | InputVideo> {
    if (part.type === "frames") {
      const video = `video ${++count.video}`;
      const frames: (string | Uint8Array)[] = [];
      for (const [i, frame] of part.frames.entries()) {
        const opened = await this.#open(frame, `frame ${i + 1} of ${video}`, request);
        frames.push("data" in opened ? opened.data : opened.path);
      }
      return { type: "video", frames };
    }
    const { type } = part;
    const name = `${type === "image" ? "picture" : "video"} ${++count[type]}`;
    const medium = { ...(await this.#open(part.medium, name, request)), name };
    if (type === "video") return { type, ...medium };
    return { type, ...medium, ...(part.cut !== undefined && { cut: part.cut }) };
  }

  async #open(medium: Named, name: string, request: FetchFor): Promise<{ data: Uint8Array } | { path: string }> {
    if ("bytes" in medium) return { data: medium.bytes };
    const { url, param } = medium;
    const { fetch, mediaRoot } = this.#options;
    if (/^data:/i.test(url)) {
      try {
        return { data: dataUrl(url) };
      } catch (error) {
        throw error instanceof UserError ? badRequest(error.message, param, "invalid_media") : error;
      }
    }
    if (/^file:/i.test(url) && mediaRoot !== undefined) return { path: await fileBelow(mediaRoot, url, name, param) };
    if (/^https?:/i.test(url) && fetch) return { data: await fetch(url, name, param, request) };
    const allowed = ["data:", ...(fetch ? ["http:", "https:"] : []), ...(mediaRoot === undefined ? [] : ["file:"])];
    throw badRequest(
      `${name} is a URL that is not opened here; allowed are ${allowed.join(", ")}.`,
      param,
      "url_not_allowed",
    );
  }
}

/** Messages never tell whether a file outside of the root exists. */
async function fileBelow(root: string, url: string, name: string, param: string): Promise<string> {
  const outside = badRequest(`${name} is no file below the server's media root.`, param, "url_not_allowed");
  try {
    const base = await realpath(root);
    const file = await realpath(fileURLToPath(url));
    if (isBelow(base, file)) return file;
  } catch {
    // A file that is not there, or a URL that names none.
  }
  throw outside;
}

/**
 * The model was trained with pictures before the question about them. Many clients write them after it; a message with text between or after its pictures
 * keeps its order.
 */
function mediaFirst(parts: readonly TurnPart[]): readonly TurnPart[] {
  const said = parts.filter((part) => part.type !== "text" || part.text !== "");
  const media = said.filter(({ type }) => type !== "text");
  const texts = said.slice(0, said.length - media.length);
  return texts.every(({ type }) => type === "text") ? [...media, ...texts] : said;
}

function mediaOf(part: TurnPart): Named[] {
  if (part.type === "text") return [];
  return part.type === "frames" ? part.frames : [part.medium];
}

const textOf = ({ parts }: Pick<Turn, "parts">): string =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("");
