import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { place, run } from "../support/cli.js";
import { root } from "../support/files.js";

const shapes = path.join(root, "examples/shapes.png");
const blind = "I see no picture.\n";

/** A new user for each test. */
let home: string;
beforeEach(() => {
  home = place();
});
function owl3(args: string[], more: Record<string, string> = {}) {
  const user = { HOME: home, USERPROFILE: home, XDG_DATA_HOME: path.join(home, "data"), OWL3_MODEL: "" };
  const cache = { OWL3_CACHE_DIR: path.join(home, "cache") };
  return run(args, { env: { ...process.env, ...user, ...cache, ...more } });
}

test("nothing before on, what matters after, nothing after off", () => {
  const ask = (...more: string[]) => owl3(["chat", shapes, "-p", "What is in this picture?", "-q", ...more]);
  expect(ask().code).toBe(0);
  expect(owl3(["logs"]).err).toBe("No answer was logged. `owl3 logs on` begins to log.\n");
  expect(owl3(["logs", "status"]).out).toMatch(/^logging is off\n/);
  const folder = owl3(["logs", "path"]).out.trim();
  expect(folder).toBe(path.join(home, "data/owl3/logs"));
  expect(existsSync(folder)).toBe(false);

  expect(owl3(["logs", "on"]).err).toContain("are logged in");
  const { out } = ask();
  expect(ask("--no-log").code).toBe(0);
  expect(owl3(["chat", "-p", "Hello", "-q"], { OWL3_NO_LOG: "1" }).code).toBe(0);
  owl3(["chat", "-p", "What is a convolution?", "-q", "--session", "trip", "--system", "Be brief."]);
  const entries = JSON.parse(owl3(["logs", "--json"]).out);
  expect(entries).toHaveLength(2);
  expect(entries[0]).toMatchObject({
    ...{ model: "owl3-demo.gguf", prompt: "\nWhat is in this picture?", answer: out.trim(), finish: "stop" },
    media: [{ path: shapes, bytes: statSync(shapes).size, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    usage: { crops: 7 },
  });
  expect(entries[1]).toMatchObject({ session: "trip", system: "Be brief.", media: [] });
  const [file = ""] = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
  expect(statSync(path.join(folder, file)).mode & 0o777).toBe(0o600);
  expect(readFileSync(path.join(folder, file)).length).toBeLessThan(3000);

  expect(owl3(["logs", "-q", "CONVOLUTION", "-r"]).out).toBe(
    "I only know simple shapes, colors, small letters and digits.\n",
  );
  expect(owl3(["logs", "-n", "1"]).out).toMatch(
    /^# .*owl3-demo\.gguf, session trip\nsystem: Be brief\.\n> What is a convolution\?\n/,
  );
  expect(owl3(["logs", "-q", "zebra"]).err).toBe("No answer in the log has that text.\n");
  expect(owl3(["logs", "off"]).code).toBe(0);
  ask();
  expect(JSON.parse(owl3(["logs", "--json", "-n", "9"]).out)).toHaveLength(2);
});

test("a log that can't be written is a warning, and the answer is there", () => {
  owl3(["logs", "on"]);
  mkdirSync(path.join(home, "data/owl3/logs", `${new Date().toISOString().slice(0, 7)}.jsonl`));
  const { code, out, err } = owl3(["chat", "-p", "What is this?"]);
  expect([code, out]).toEqual([0, blind]);
  expect(err).toMatch(/warning: this answer was not logged: .*can't be written/);
});
