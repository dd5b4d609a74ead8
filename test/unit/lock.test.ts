import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockFile } from "../../src/lock.js";
import { temporaryFolder } from "../support/files.js";

const folder = temporaryFolder();
const busy = (owner: string): string => `busy (${owner}).`;
const old = new Date(Date.now() - 600_000);

test("lock: held until it is released", () => {
  const file = join(folder, "a.lock");
  const unlock = lockFile(file, busy);
  expect(() => lockFile(file, busy)).toThrow(`busy (process ${process.pid}).`);
  unlock();
  expect(existsSync(file)).toBe(false);
  lockFile(file, busy)();
  expect(() => lockFile(join(folder, "absent/a.lock"), busy)).toThrow("can't be written: no such file or folder");
});

test("lock: that of a process that is gone is taken over, also when its id was given to another one", () => {
  const file = join(folder, "b.lock");
  const me = () => JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ pid: 999_999_999, host: hostname() }));
  const first = lockFile(file, busy);
  const mine = me();
  expect(mine.pid).toBe(process.pid);
  first();
  if (process.platform === "linux") {
    writeFileSync(file, JSON.stringify({ ...mine, began: "1" }));
    lockFile(file, busy)();
  }
  writeFileSync(file, "{");
  expect(() => lockFile(file, busy)).toThrow("busy (of unknown id).");
  utimesSync(file, old, old);
  lockFile(file, busy)();
  expect(readdirSync(folder).filter((name) => name.startsWith("b."))).toEqual([]);
});

test("lock: that of another machine counts while its owner gives signs of life", () => {
  const file = join(folder, "c.lock");
  writeFileSync(file, JSON.stringify({ pid: 12, host: "elsewhere" }));
  expect(() => lockFile(file, busy)).toThrow("busy (process 12 on elsewhere).");
  utimesSync(file, old, old);
  lockFile(file, busy)();
});
