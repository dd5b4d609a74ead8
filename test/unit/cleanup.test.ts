import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { cleanUp, onInterrupt } from "../../src/cleanup.js";
import { replaceBy, viaTemporary } from "../../src/files.js";
import { lockFile } from "../../src/lock.js";
import { temporaryFolder } from "../support/files.js";

const folder = temporaryFolder();

test("cleanups run once, the last first, whatever one of them throws", () => {
  const ran: string[] = [];
  onInterrupt(() => ran.push("first"));
  onInterrupt(() => {
    throw new Error("broken");
  });
  const forget = onInterrupt(() => ran.push("forgotten"));
  onInterrupt(() => ran.push("last"));
  expect([forget(), forget()]).toEqual([true, false]);
  cleanUp();
  cleanUp();
  expect(ran).toEqual(["last", "first"]);
});

test("an interruption removes what is half written and unlocks what is locked", async () => {
  const file = path.join(folder, "made.txt");
  const lock = path.join(folder, "made.lock");
  const unlock = lockFile(lock, () => "busy");
  await viaTemporary(file, async (temporary) => {
    mkdirSync(temporary);
    writeFileSync(path.join(temporary, "half"), "x");
    expect(readdirSync(folder)).toHaveLength(2);
    cleanUp();
  });
  expect(readdirSync(folder)).toEqual([]);
  // By now another process may have the lock.
  writeFileSync(lock, "another's");
  unlock();
  expect(existsSync(lock)).toBe(true);
});

test("an interruption while a thread opens a new file leaves none", async () => {
  const file = path.join(folder, "opened.txt");
  const made = replaceBy(file, 0o600, (handle) => handle.writeFile("whole"));
  cleanUp();
  await expect(made).rejects.toThrow("ENOENT");
  expect(readdirSync(folder)).not.toContain("opened.txt");
});

test("what has its name stays, and what fails leaves nothing", async () => {
  const file = path.join(folder, "whole.txt");
  await viaTemporary(file, async (temporary) => {
    writeFileSync(temporary, "whole");
    await rename(temporary, file);
  });
  const failing = viaTemporary(file, async (temporary) => {
    writeFileSync(temporary, "half");
    throw new Error("no space");
  });
  await expect(failing).rejects.toThrow("no space");
  cleanUp();
  expect(readdirSync(folder).filter((name) => name.startsWith("whole"))).toEqual(["whole.txt"]);
});
