import type { FindOptions, Moment } from "../../chat/find.js";
import type { Owl } from "../../chat/owl.js";
import type { OnProgress } from "../../chat/progress.js";
import { questionAbout } from "../../prompt/choice.js";
import { mediaPart } from "../chat/media.js";
import type { FindFlags } from "./flags.js";

/** A picture that was looked at, or a clip and the windows of it that were. */
export type Looked =
  | { path: string; kind: "picture"; probability: number; no: number }
  | { path: string; kind: "clip"; windows: Moment[] };

export interface Search {
  owl: Owl;
  text: string;
  flags: FindFlags;
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
}

/** Looks at a picture or a clip, and gives `keep` what it finds out as soon as there is something, so that an error later on loses nothing. */
export async function look(name: string, search: Search, keep: (looked: Looked) => void): Promise<void> {
  const { owl, text, flags, signal, onProgress } = search;
  const { ctx, kvType, cut, question, window, stride, frames, start, end, decoder } = flags;
  const how = { contextLength: ctx, kvType, signal, onProgress };
  const part = await mediaPart(name);
  if (!("source" in part)) throw new Error(`${name} was not opened`); // mediaPart() always opens
  const path = part.source.name;
  if (part.type === "image") {
    const content = [part, { type: "text" as const, text: `\n${questionAbout(text, question)}` }];
    const { yes, no } = await owl.yesNo([{ role: "user", content }], { ...how, cut });
    return keep({ path, kind: "picture", probability: yes, no });
  }
  const windows: Moment[] = [];
  keep({ path, kind: "clip", windows });
  const video: FindOptions["video"] = {
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
    ...(decoder && { decoder }),
  };
  for await (const moment of owl.find(part, text, { ...how, question, window, stride, frames, video }))
    windows.push(moment);
}
