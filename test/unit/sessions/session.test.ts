import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import type { InputMessage, InputPart } from "../../../src/prompt/messages.js";
import { lastSession, listSessions, removeSession } from "../../../src/sessions/list.js";
import { isSessionName, sessionsFolder } from "../../../src/sessions/names.js";
import { Session } from "../../../src/sessions/session.js";
import { root as repository, temporaryFolder } from "../../support/files.js";

const folder = temporaryFolder();
const example = (name: string): string => path.join(repository, "examples", name);
const a = { name: "a.gguf", path: "/a.gguf", fingerprint: "a".repeat(64) };
const b = { name: "b.gguf", path: "/b.gguf", fingerprint: "b".repeat(64) };
let count = 0;
let root: string;
beforeEach(() => {
  root = path.join(folder, String(count++), "sessions");
});

const answer = (content: string, ids?: number[]): InputMessage => ({
  role: "assistant",
  content,
  ...(ids && { ids }),
});

/** Keeps one question about a picture. */
async function begin(name: string, parts: InputPart[] = [{ type: "image", path: example("shapes.png") }]) {
  const session = await Session.open(name, root);
  const content = await session.keep([...parts, { type: "text", text: "What?" }]);
  const messages = [{ role: "user" as const, content }, answer("A circle.", [1, 2])];
  await session.save({ model: a, allowSpecial: false, messages });
  session.close();
}

async function reopened<T>(name: string, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await Session.open(name, root);
  try {
    return await use(session);
  } finally {
    session.close();
  }
}

test("names: letters of any script, and nothing that is a path", () => {
  for (const name of ["trip", "2026-11-27", "Urlaub_2", "旅行", "été"])
    expect([name, isSessionName(name)]).toEqual([name, true]);
  const wrong = [
    "",
    ".",
    "..",
    "a/b",
    "../a",
    "a\\b",
    "-rf",
    ".hidden",
    "a.json",
    "a b",
    "a\n",
    "CON",
    "lpt1",
    "x".repeat(101),
    "a\u0000",
  ];
  for (const name of wrong) expect([name, isSessionName(name)]).toEqual([name, false]);
});

test("names: a wrong one is refused before anything is made", async () => {
  await expect(Session.open("../trip", root)).rejects.toThrow(/can't name a session/);
  await expect(Session.read("/etc", root)).rejects.toThrow(/can't name a session/);
  await expect(removeSession("..", root)).rejects.toThrow(/can't name a session/);
  expect(existsSync(root)).toBe(false);
});

test("the folder follows XDG_DATA_HOME, and a relative one is ignored", () => {
  expect(sessionsFolder({ XDG_DATA_HOME: "/data" })).toBe("/data/owl3/sessions");
  expect(sessionsFolder({ XDG_DATA_HOME: "data" })).toMatch(/^\/.*\.local\/share\/owl3\/sessions$/);
});

test("a session comes back with its turns, and its media after the originals are gone", async () => {
  const picture = path.join(folder, "gone.png");
  copyFileSync(example("shapes.png"), picture);
  const bytes = readFileSync(example("print.png"));
  const parts: InputPart[] = [
    { type: "image", path: picture, cut: true },
    { type: "image", data: bytes, name: "from stdin" },
    { type: "image", path: `data:image/png;base64,${bytes.toString("base64")}` },
    { type: "video", path: example("moving.mp4"), sampling: { fps: 2, frames: [1, 3] } },
    { type: "video", frames: [example("before.png"), example("after.png")] },
  ];
  await begin("trip", parts);
  rmSync(picture);
  const [question, answered] = await reopened("trip", (session) => session.messages(a.fingerprint));
  const media = path.join(root, "trip", "media");
  expect(question?.content).toMatchObject([
    { type: "image", cut: true, source: { name: picture, kind: "image" } },
    { type: "image", source: { name: "from stdin" } },
    { type: "image", source: { name: "the data: URL" } },
    { type: "video", sampling: { fps: 2, frames: [1, 3] }, source: { name: example("moving.mp4"), container: "mov" } },
    { type: "video", frames: [expect.stringContaining(media), expect.stringContaining(media)] },
    { type: "text", text: "What?" },
  ]);
  const [first, second, third] = (question?.content ?? []) as { source: { path: string } }[];
  expect(readFileSync(first?.source.path ?? "")).toEqual(readFileSync(example("shapes.png")));
  expect(second?.source.path).toBe(third?.source.path);
  expect(answered).toEqual({ role: "assistant", content: "A circle.", ids: [1, 2] });
  expect(readdirSync(media)).toHaveLength(5);
});

test("files are of the user alone, and nothing else is left beside them", async () => {
  await begin("trip");
  const mode = (...names: string[]): number => statSync(path.join(root, ...names)).mode & 0o777;
  const [medium = ""] = readdirSync(path.join(root, "trip/media"));
  expect([mode("trip"), mode("trip/media"), mode("trip/session.json"), mode("trip/media", medium)]).toEqual([
    0o700, 0o700, 0o600, 0o600,
  ]);
  expect(readdirSync(path.join(root, "trip")).sort()).toEqual(["media", "session.json"]);
});

test("ids are of the model that made them, and stay while another goes on", async () => {
  await begin("trip");
  await reopened("trip", async (session) => {
    const messages = await session.messages(b.fingerprint);
    expect(messages[1]).toEqual({ role: "assistant", content: "A circle." });
    messages.push({ role: "user", content: "And?" }, answer("A star.", [7]));
    await session.save({ model: b, allowSpecial: false, messages });
  });
  const back = await reopened("trip", (session) => session.messages(a.fingerprint));
  expect(back.map(({ ids }) => ids)).toEqual([undefined, [1, 2], undefined, undefined]);
  expect((await Session.read("trip", root))?.record?.model).toEqual(b);
});

test("a session that is never saved leaves nothing", async () => {
  await reopened("trip", (session) => session.keep([{ type: "image", path: example("shapes.png") }]));
  expect(readdirSync(root)).toEqual([]);
});

test("media that no turn has any more go when it is saved", async () => {
  await begin("trip");
  await reopened("trip", (session) => session.save({ model: a, allowSpecial: false, messages: [] }));
  expect(readdirSync(path.join(root, "trip/media"))).toEqual([]);
  expect(await reopened("trip", (session) => session.messages(a.fingerprint))).toEqual([]);
});

test("one process at a time has a session; a lock of a process that died is taken over", async () => {
  await begin("trip");
  const session = await Session.open("trip", root);
  await expect(Session.open("trip", root)).rejects.toThrow(/session trip is in use by another owl3 \(process \d+\)/);
  await expect(removeSession("trip", root)).rejects.toThrow(/in use/);
  expect((await Session.read("trip", root))?.record?.messages).toHaveLength(2);
  session.close();
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(path.join(root, "trip/session.lock"), JSON.stringify({ pid: dead, host: hostname() }));
  expect(await reopened("trip", async ({ name }) => name)).toBe("trip");
});

test("list: the last saved first, a damaged one with its reason, and no strangers", async () => {
  expect(await listSessions(root)).toEqual([]);
  expect(await lastSession(root)).toBeUndefined();
  await begin("old");
  await begin("bad");
  await new Promise((resolve) => setTimeout(resolve, 20));
  await begin("new");
  writeFileSync(path.join(root, "bad/session.json"), "{}");
  mkdirSync(path.join(root, "no session"));
  mkdirSync(path.join(root, "empty"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await reopened("old", async (session) =>
    session.save({ model: a, allowSpecial: false, messages: await session.messages(undefined) }),
  );
  const listed = await listSessions(root);
  expect(listed.map(({ name }) => name)).toEqual(["old", "bad", "new"]);
  expect(listed[0]?.content).toMatchObject({ questions: 1, media: 1, bytes: statSync(example("shapes.png")).size });
  expect(listed[1]?.damage).toMatch(/^session bad is damaged: its format is unknown/);
  expect(await lastSession(root)).toBe("old");
  await removeSession("bad", root);
  await removeSession("old", root);
  expect(readdirSync(root).sort()).toEqual(["empty", "new", "no session"]);
  await expect(removeSession("empty", root)).rejects.toThrow("there is no session empty.");
});

test("hostile records: a sentence for each, never another file", async () => {
  await begin("trip");
  const file = path.join(root, "trip/session.json");
  const sound = readFileSync(file, "utf8");
  const cases: [from: string | RegExp, to: string, message: RegExp][] = [
    [
      /"sha256":"[0-9a-f]+"/,
      '"sha256":"../../../etc/passwd"',
      /messages\[0\]\.content\[0\]\.medium\.sha256 is no hash/,
    ],
    ['"owl3_session":1', '"owl3_session":2', /its format is 2, and this owl3 reads format 1/],
    ['"role":"assistant"', '"role":"user"', /its last question has no answer/],
    ['"role":"user"', '"role":"root"', /messages\[0\]\.role is none/],
    ["[1,2]", "[1e99]", /messages\[1\]\.ids\[0\] is no integer/],
    ["[1,2]", "[-1]", /ids\[0\] is no number from 0 to 2147483647/],
    [/"size":\d+/, '"size":1e400', /size is no integer/],
    [/"created":"[^"]*"/, '"created":"yesterday"', /created is no time/],
    [/^.{60}.*\n$/, "[", /damaged/],
    [/$/, "x", /damaged/],
  ];
  for (const [from, to, message] of cases) {
    const text = sound.replace(from, to);
    expect(text).not.toBe(sound);
    writeFileSync(file, text);
    await expect(Session.open("trip", root)).rejects.toThrow(message);
  }
  writeFileSync(file, sound.replace(/"size":\d+/, '"size":9007199254740991'));
  await expect(reopened("trip", (session) => session.messages(undefined))).rejects.toThrow(
    `session trip: its copy of ${example("shapes.png")} is damaged.`,
  );
});

const stress = path.join(repository, "tools/stress/sessions.mjs");
test("sessions damaged at random", () => {
  const run = spawnSync(process.execPath, [stress, "--count", "150", "--seed", "7"], { encoding: "utf8" });
  expect([run.status, run.stderr]).toEqual([0, ""]);
});

const script = path.join(repository, "test/support/broken-disk.mjs");
for (const how of ["kill", "ENOSPC"])
  test(`the old session or the new one is there when the disk breaks at any step: ${how}`, async () => {
    await begin("trip");
    const sound = path.dirname(root);
    for (let n = 1; ; n++) {
      root = path.join(folder, `${how}-${n}`, "sessions");
      mkdirSync(root, { recursive: true });
      spawnSync("cp", ["-r", path.join(sound, "sessions/trip"), root]);
      const run = spawnSync(process.execPath, [script, root, example("print.png"), String(n), how], {
        encoding: "utf8",
      });
      expect(run.stderr).toBe("");
      if (/^\d+$/.test(run.stdout.trim())) {
        expect(n).toBeGreaterThan(5);
        break;
      }
      if (how === "kill") expect(run.signal).toBe("SIGKILL");
      else expect(run.stdout).toMatch(/^FileError: session trip can't .*: the disk is full\.\n$/);
      const messages = await reopened("trip", (session) => session.messages(a.fingerprint));
      expect([2, 4]).toContain(messages.length);
      const rest = readdirSync(path.join(root, "trip"), { recursive: true }).map(String);
      expect(rest.filter((name) => !/^(session\.json|media|media\/[0-9a-f]{64})$/.test(name))).toEqual([]);
      expect(rest.filter((name) => name.startsWith("media/"))).toHaveLength(messages.length / 2);
    }
  });
