#!/usr/bin/env node
/**
 * Damages sessions in random ways and uses them: node tools/stress/sessions.mjs [--count N] [--seed N] [--minutes N] [--from N]. Build first (npm run build).
 *
 * Each use must work or end with one sentence, and nothing outside the folder of sessions may change. The last line is "N passed, N failed".
 */
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { UserError } from "../../dist/errors.js";
import { lastSession, listSessions, removeSession } from "../../dist/sessions/list.js";
import { Session } from "../../dist/sessions/session.js";
import { Counts, caseOptions, demand, mutateBytes, mutateJson, runCases, survive } from "./cases.mjs";
import { example, temporaryFolder } from "./places.mjs";

const base = temporaryFolder("sessions");
const model = { name: "m.gguf", path: "/nowhere/m.gguf", fingerprint: "a".repeat(64) };
const picture = (name) => ({ type: "image", path: example(name) });

/** Makes the folder of sessions with one in it, and a neighbour that nobody may touch. */
async function make() {
  const root = path.join(base, "sound", "sessions");
  mkdirSync(path.join(base, "sound", "outside"), { recursive: true });
  writeFileSync(path.join(base, "sound", "outside", "secret"), "secret");
  const session = await Session.open("trip", root);
  const content = await session.keep([
    picture("shapes.png"),
    { type: "text", text: "What?" },
    { type: "video", path: example("moving.mp4"), sampling: { fps: 1, frames: [1, 2] } },
  ]);
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content },
    { role: "assistant", content: "A circle.", ids: [1, 2, 3] },
  ];
  await session.save({ model, allowSpecial: false, messages });
  session.close();
}

/** Damages the files of a session; returns what it did in words. */
function damage(draw, root) {
  const folder = path.join(root, "trip");
  const record = path.join(folder, "session.json");
  const outside = path.join(root, "..", "outside");
  const media = path.join(folder, "media");
  const kept = path.join(media, draw.pick(readdirSync(media)));
  const replace = (file, make) => {
    rmSync(file, { recursive: true, force: true });
    make();
  };
  const ways = {
    value: () => writeFileSync(record, mutateJson(draw, JSON.parse(readFileSync(record, "utf8")))),
    bytes: () => writeFileSync(record, mutateBytes(draw, readFileSync(record))),
    "record is a link": () => replace(record, () => symlinkSync(path.join(outside, "secret"), record)),
    "record is a folder": () => replace(record, () => mkdirSync(record)),
    "medium is a link": () => replace(kept, () => symlinkSync(path.join(outside, "secret"), kept)),
    "medium is a folder": () => replace(kept, () => mkdirSync(kept)),
    "medium is cut": () => truncateSync(kept, draw.below(100)),
    "medium is gone": () => rmSync(kept),
    "medium has other bytes": () => writeFileSync(kept, Buffer.alloc(lstatSync(kept).size, draw.below(256))),
    "media is a link": () => replace(media, () => symlinkSync(outside, media)),
    "media is a file": () => replace(media, () => writeFileSync(media, "")),
    "lock is a link": () => symlinkSync(path.join(outside, "secret"), path.join(folder, "session.lock")),
    "lock is a folder": () => mkdirSync(path.join(folder, "session.lock")),
    "lock is old": () =>
      writeFileSync(
        path.join(folder, "session.lock"),
        draw.pick(['{"pid":999999999,"host":"x"}', "", "[]", '{"pid":"1"}']),
      ),
    "session is a link": () => replace(folder, () => symlinkSync(outside, folder)),
    "session is a file": () => replace(folder, () => writeFileSync(folder, "")),
  };
  const names = Object.keys(ways);
  const name = draw.oneIn(3) ? draw.pick(names) : draw.pick(["value", "bytes"]);
  ways[name]();
  return name;
}

async function use(draw, root) {
  await survive(UserError, () => listSessions(root));
  await survive(UserError, () => lastSession(root));
  await survive(UserError, async () => (await Session.read("trip", root))?.messages(model.fingerprint));
  await survive(UserError, async () => {
    const session = await Session.open("trip", root);
    try {
      const messages = await session.messages(draw.pick([model.fingerprint, "b".repeat(64)]));
      const content = await session.keep([picture("print.png"), { type: "text", text: "And?" }]);
      await session.save({
        model,
        allowSpecial: false,
        messages: [...messages, { role: "user", content }, { role: "assistant", content: "Yes." }],
      });
      if ((await Session.read("trip", root)) === undefined) throw new Error("what was saved is gone");
    } finally {
      session.close();
    }
  });
  if (draw.oneIn(4)) await survive(UserError, () => removeSession("trip", root));
}

await make();
const sound = path.join(base, "sound");
const counts = new Counts();
await runCases(
  caseOptions(1000),
  async (draw) => {
    const place = path.join(base, "copy");
    rmSync(place, { recursive: true, force: true });
    cpSync(sound, place, { recursive: true });
    const name = damage(draw, path.join(place, "sessions"));
    counts.add(name);
    await use(draw, path.join(place, "sessions")).catch((error) => {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    });
    const outside = readdirSync(path.join(place, "outside"));
    const secret = readFileSync(path.join(place, "outside", "secret"), "utf8");
    demand(outside.length === 1 && secret === "secret", () => `${name}: the outside changed: ${outside}`);
    const strangers = readdirSync(place).filter((entry) => entry !== "sessions" && entry !== "outside");
    demand(strangers.length === 0, () => `${name}: made outside: ${strangers}`);
    const beside = existsSync(path.join(place, "sessions")) ? readdirSync(path.join(place, "sessions")) : [];
    demand(
      beside.every((entry) => entry === "trip"),
      () => `${name}: made beside: ${beside}`,
    );
  },
  () => counts.told(),
);
