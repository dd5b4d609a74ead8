#!/usr/bin/env node
/**
 * Damages sessions in random ways and uses them: each use must work or end with one sentence, and nothing outside the folder of sessions may change.
 *
 *   node tools/stress/sessions.mjs [--count 1000] [--seed 1]
 *
 * Needs the build (npm run build). Ends with 0, or with 1 and the damage that was survived badly.
 */
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { UserError } from "../../dist/errors.js";
import { lastSession, listSessions, removeSession } from "../../dist/sessions/list.js";
import { Session } from "../../dist/sessions/session.js";
import { generator } from "./random.mjs";

const { values } = parseArgs({
  options: { count: { type: "string", default: "1000" }, seed: { type: "string", default: "1" } },
});
let random = generator(Number(values.seed));
/** Draws an integer below n. */
const draw = (n) => Math.floor(random() * n);
const pick = (list) => list[draw(list.length)];

const base = mkdtempSync(path.join(tmpdir(), "owl3-stress-"));
process.on("exit", () => rmSync(base, { recursive: true, force: true }));
const examples = fileURLToPath(new URL("../../examples", import.meta.url));
const model = { name: "m.gguf", path: "/nowhere/m.gguf", fingerprint: "a".repeat(64) };
const picture = (name) => ({ type: "image", path: path.join(examples, name) });

/** Makes the folder of sessions with one in it, and a neighbour that nobody may touch. */
async function make() {
  const root = path.join(base, "sound", "sessions");
  mkdirSync(path.join(base, "sound", "outside"), { recursive: true });
  writeFileSync(path.join(base, "sound", "outside", "secret"), "secret");
  const session = await Session.open("trip", root);
  const content = await session.keep([
    picture("shapes.png"),
    { type: "text", text: "What?" },
    { type: "video", path: path.join(examples, "moving.mp4"), sampling: { fps: 1, frames: [1, 2] } },
  ]);
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content },
    { role: "assistant", content: "A circle.", ids: [1, 2, 3] },
  ];
  await session.save({ model, allowSpecial: false, messages });
  session.close();
}

const strange = [
  null,
  true,
  -1,
  0,
  1.5,
  1e308,
  2 ** 53,
  2 ** 31,
  "",
  "x",
  "../../outside/secret",
  "/etc/passwd",
  "\u0000",
  "\u001b[2J",
  "a".repeat(64),
  "a".repeat(100_000),
  [],
  {},
  [[]],
  { __proto__: null, sha256: ".." },
  Array(5000).fill(0),
  "1".repeat(400),
];

/** Replaces, removes or repeats a random place of a JSON value. */
function mutateValue(value) {
  const places = [];
  const walk = (at) => {
    if (typeof at !== "object" || at === null) return;
    for (const key of Object.keys(at)) {
      places.push([at, key]);
      walk(at[key]);
    }
  };
  walk(value);
  const [at, key] = pick(places);
  const how = draw(4);
  if (how === 0) delete at[key];
  else if (how === 1) at[key] = [at[key], at[key]];
  else at[key] = structuredClone(pick(strange));
  return value;
}

function mutateBytes(bytes) {
  const out = Buffer.from(bytes);
  const how = draw(4);
  if (how === 0) return out.subarray(0, draw(out.length));
  if (how === 1)
    return Buffer.concat([
      out.subarray(0, draw(out.length)),
      Buffer.from(pick(["[", "{", '"', "9".repeat(30), "\xff", "[".repeat(50_000)]), "latin1"),
      out.subarray(draw(out.length)),
    ]);
  for (let i = 0; i <= draw(8); i++) out[draw(out.length)] = draw(256);
  return out;
}

/** Damages the files of a session; returns what it did in words. */
function damage(root) {
  const folder = path.join(root, "trip");
  const record = path.join(folder, "session.json");
  const outside = path.join(root, "..", "outside");
  const media = path.join(folder, "media");
  const kept = path.join(media, pick(readdirSync(media)));
  const replace = (file, make) => {
    rmSync(file, { recursive: true, force: true });
    make();
  };
  const ways = {
    value: () => {
      let value = JSON.parse(readFileSync(record, "utf8"));
      for (let i = 0; i <= draw(3); i++) value = mutateValue(value);
      writeFileSync(record, JSON.stringify(value));
    },
    bytes: () => writeFileSync(record, mutateBytes(readFileSync(record))),
    "record is a link": () => replace(record, () => symlinkSync(path.join(outside, "secret"), record)),
    "record is a folder": () => replace(record, () => mkdirSync(record)),
    "medium is a link": () => replace(kept, () => symlinkSync(path.join(outside, "secret"), kept)),
    "medium is a folder": () => replace(kept, () => mkdirSync(kept)),
    "medium is cut": () => truncateSync(kept, draw(100)),
    "medium is gone": () => rmSync(kept),
    "medium has other bytes": () => writeFileSync(kept, Buffer.alloc(lstatSync(kept).size, draw(256))),
    "media is a link": () => replace(media, () => symlinkSync(outside, media)),
    "media is a file": () => replace(media, () => writeFileSync(media, "")),
    "lock is a link": () => symlinkSync(path.join(outside, "secret"), path.join(folder, "session.lock")),
    "lock is a folder": () => mkdirSync(path.join(folder, "session.lock")),
    "lock is old": () =>
      writeFileSync(path.join(folder, "session.lock"), pick(['{"pid":999999999,"host":"x"}', "", "[]", '{"pid":"1"}'])),
    "session is a link": () => replace(folder, () => symlinkSync(outside, folder)),
    "session is a file": () => replace(folder, () => writeFileSync(folder, "")),
  };
  const names = Object.keys(ways);
  const name = draw(3) === 0 ? pick(names) : pick(["value", "bytes"]);
  ways[name]();
  return name;
}

/** A use must succeed, or fail with one sentence. */
async function survive(what, work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw new Error(`${what}: ${error.stack}`);
    if (!/\.$/.test(error.message)) throw new Error(`${what}: no sentence: ${error.message}`);
    return undefined;
  }
}

async function use(root) {
  await survive("list", () => listSessions(root));
  await survive("last", () => lastSession(root));
  await survive("read", async () => (await Session.read("trip", root))?.messages(model.fingerprint));
  await survive("go on", async () => {
    const session = await Session.open("trip", root);
    try {
      const messages = await session.messages(pick([model.fingerprint, "b".repeat(64)]));
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
  if (draw(4) === 0) await survive("remove", () => removeSession("trip", root));
}

await make();
const sound = path.join(base, "sound");
const counts = new Map();
for (let i = 0; i < Number(values.count); i++) {
  const place = path.join(base, "copy");
  rmSync(place, { recursive: true, force: true });
  cpSync(sound, place, { recursive: true });
  random = generator(Number(values.seed) + i); // so that a damage can be made again by --seed alone
  const name = damage(path.join(place, "sessions"));
  counts.set(name, (counts.get(name) ?? 0) + 1);
  try {
    await use(path.join(place, "sessions"));
    const outside = readdirSync(path.join(place, "outside"));
    if (outside.length !== 1 || readFileSync(path.join(place, "outside", "secret"), "utf8") !== "secret")
      throw new Error(`the outside changed: ${outside}`);
    const strangers = readdirSync(place).filter((entry) => entry !== "sessions" && entry !== "outside");
    if (strangers.length > 0) throw new Error(`made outside: ${strangers}`);
    const beside = existsSync(path.join(place, "sessions")) ? readdirSync(path.join(place, "sessions")) : [];
    if (beside.some((entry) => entry !== "trip")) throw new Error(`made beside: ${beside}`);
  } catch (error) {
    console.error(`damage (${name}), seed ${Number(values.seed) + i}: ${error.message}`);
    process.exit(1);
  }
}
console.log(`${values.count} damaged sessions: ${[...counts].map(([name, n]) => `${name} ${n}`).join(", ")}`);
