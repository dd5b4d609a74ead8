import { formatBytes } from "../../format.js";
import { type ListedSession, listSessions } from "../../sessions/list.js";
import { sessionsFolder } from "../../sessions/names.js";
import { localTime } from "../format.js";
import type { Output } from "../output.js";

/** Prints the sessions, the last one first. */
export async function list(out: Output, json: boolean): Promise<void> {
  const folder = sessionsFolder();
  const sessions = await listSessions(folder);
  if (json) return out.json({ folder, sessions: sessions.map(report) });
  if (sessions.length === 0) return out.note(`No sessions in ${folder}. \`owl3 chat --session NAME\` begins one.`);
  for (const session of sessions) out.line(line(session));
}

function line({ name, updated, content, damage }: ListedSession): string {
  if (!content) return `${name}: ${damage}`;
  const { questions, media, bytes, record } = content;
  const parts = [
    `${questions} ${questions === 1 ? "question" : "questions"}`,
    ...(media > 0
      ? [`${media} ${media === 1 ? "picture or video" : "pictures and videos"} (${formatBytes(bytes)})`]
      : []),
    record.model.name,
    localTime(updated),
  ];
  return `${name}: ${parts.join(", ")}`;
}

function report({ name, updated, content, damage }: ListedSession): object {
  const { record, ...counts } = content ?? {};
  return {
    name,
    updated: updated.toISOString(),
    ...(record && { created: record.created, model: record.model, ...counts }),
    ...(damage !== undefined && { error: damage }),
  };
}
