import path from "node:path";
import type { ChatOptions } from "../../chat/options.js";
import { UsageError } from "../../errors.js";
import { isFile } from "../../models/folder.js";
import type { InputMessage, InputPart } from "../../prompt/messages.js";
import { fingerprint } from "../../rows/fingerprint.js";
import { lastSession } from "../../sessions/list.js";
import { systemOf } from "../../sessions/record.js";
import { Session } from "../../sessions/session.js";
import type { Output } from "../output.js";
import { type ChatFlags, chatOptions, videoOptions } from "./flags.js";

/**
 * Opens the session that `--session` or `--continue` names; `--dry-run` only reads it. It is closed when the process is interrupted or ends.
 * Throws UsageError for options that a conversation can't change once it has begun.
 */
export async function openSession(flags: ChatFlags): Promise<Session | undefined> {
  if (flags.session !== undefined && flags.continue) throw new UsageError("give either --session or --continue.");
  const name = flags.continue ? await lastSession() : flags.session;
  if (flags.continue && name === undefined)
    throw new UsageError("there is no session to continue; --session NAME begins one.");
  if (name === undefined) return undefined;
  const session = flags.dryRun ? await Session.read(name) : await Session.open(name);
  if (!session) return undefined;
  if (session.record && session.record.messages.length > 0) checkFlags(flags, session);
  return session;
}

function checkFlags({ system, messages, allowSpecial }: ChatFlags, { name, record }: Session): void {
  const begin = "begin another session for that.";
  if (messages !== undefined)
    throw new UsageError(`session ${name} has a conversation already, so --messages can't give it one; ${begin}`);
  if (system !== undefined && system !== systemOf(record?.messages ?? []))
    throw new UsageError(
      `session ${name} has ${systemOf(record?.messages ?? []) === undefined ? "no" : "another"} system message, which stays; ${begin}`,
    );
  if (allowSpecial && !record?.allowSpecial)
    throw new UsageError(`session ${name} was begun without --allow-special; ${begin}`);
}

/** The model file that answered a session last, if it is still there. */
export async function modelOfSession(session: Session | undefined): Promise<string | undefined> {
  const file = session?.record?.model.path;
  return file !== undefined && path.isAbsolute(file) && (await isFile(file)) ? file : undefined;
}

/** The conversation of a session as `model` goes on with it. Says so if another model answered before. */
export async function continued(session: Session, model: string, out: Output): Promise<InputMessage[]> {
  const { fingerprint: now, name } = await fingerprint(model);
  const before = session.record?.model;
  if (before && before.fingerprint !== now)
    out.note(`${before.name} answered in session ${session.name} before; ${name} reads its texts and pictures anew.`);
  return session.messages(now);
}

/**
 * The options of a chat in a session. Which crops and frames are looked at is noted in each picture and video (withChoices), so that options of
 * this run change nothing about earlier ones.
 */
export function sessionChatOptions(flags: ChatFlags, session: Session): ChatOptions {
  const { decoder } = flags;
  const allowSpecial = flags.allowSpecial || session.record?.allowSpecial;
  return { ...chatOptions(flags), allowSpecial, cut: undefined, video: decoder ? { decoder } : {} };
}

/** Notes in pictures and videos how this run's options let them be looked at. */
export function withChoices(parts: readonly InputPart[], flags: ChatFlags): InputPart[] {
  const { cut } = flags;
  const { decoder: _, ...sampling } = videoOptions(flags);
  return parts.map((part) => {
    if (part.type === "image" && cut !== undefined) return { ...part, cut };
    if (part.type === "video" && !("frames" in part) && Object.keys(sampling).length > 0) return { ...part, sampling };
    return part;
  });
}
