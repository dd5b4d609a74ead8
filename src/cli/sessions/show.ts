import { UsageError } from "../../errors.js";
import { type KeptPart, type SessionRecord, textOf } from "../../sessions/record.js";
import { Session } from "../../sessions/session.js";
import type { Output } from "../output.js";

/** Prints the conversation of a session. */
export async function show(out: Output, name: string, json: boolean): Promise<void> {
  const record = (await readSession(name)).record as SessionRecord;
  if (json) return out.json({ name, ...record });
  for (const { role, content } of record.messages) {
    const media = typeof content === "string" ? [] : content.flatMap(namesOf);
    if (role === "user") for (const medium of media) out.heading(`> [${medium}]`);
    const text = textOf(content).replace(/^\n/, "");
    if (role === "assistant") out.line(`${text}\n`);
    else for (const line of text.split("\n")) out.heading(`${role === "user" ? ">" : "system:"} ${line}`);
  }
}

/** Reads a session. Throws UsageError if there is none. */
export async function readSession(name: string): Promise<Session> {
  const session = await Session.read(name);
  if (!session) throw new UsageError(`there is no session ${name}.`);
  return session;
}

function namesOf(part: KeptPart): string[] {
  if (part.type === "text") return [];
  return ("frames" in part ? part.frames : [part.medium]).map((medium) => medium.name);
}
