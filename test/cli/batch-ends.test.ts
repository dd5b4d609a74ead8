// Runs of owl3 batch that end early: killed, stopped, refused, with failed rows or without a reader.
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { batch, makeRows, parsed, read, rowsFile, sorted, star, whole } from "../support/batch.js";
import { binary, endOf, owl3, run } from "../support/cli.js";
import { root } from "../support/files.js";

vi.setConfig({ testTimeout: 120_000 });

describe("owl3 batch: a run that ends early", () => {
  const start = (
    args: string[],
    stdio: "ignore" | "pipe" = "ignore",
  ): ChildProcess & { err: string; ended: Promise<unknown> } => {
    const child = spawn(process.execPath, [binary, "batch", ...args], { cwd: root, stdio: [stdio, "pipe", "pipe"] });
    const told = Object.assign(child, { err: "", ended: endOf(child) });
    child.stderr?.on("data", (piece) => {
      told.err += piece;
    });
    child.stdout?.resume();
    return told;
  };
  const linesOf = (file: string): number => (existsSync(file) ? read(file).split("\n").length - 1 : 0);
  const until = async (ready: () => boolean): Promise<void> => {
    while (!ready()) await new Promise((wait) => setTimeout(wait, 10));
  };

  test("killed at random moments it loses nothing but the rows under way, and ends as if undisturbed", async () => {
    const { file, results } = rowsFile(makeRows(24));
    const args = [file, "-o", results, "--no-cache", "--concurrency", "3", "-q"];
    let kept = 0;
    for (let kill = 0; kill < 3; kill++) {
      const child = start(args);
      await until(() => linesOf(results) >= kept + 2 || child.exitCode !== null);
      await new Promise((wait) => setTimeout(wait, 60 * Math.random()));
      child.kill("SIGKILL");
      await child.ended;
      expect(linesOf(results)).toBeGreaterThanOrEqual(kept);
      kept = linesOf(results);
    }
    expect(batch(...args).code).toBe(0);
    expect(sorted(read(results))).toBe(sorted(whole()));
  });

  test("Ctrl-C once lets the rows under way finish, and the same command goes on", async () => {
    const { file, results } = rowsFile(makeRows(200));
    const args = [file, "-o", results, "--no-cache"];
    const child = start(args);
    await until(() => linesOf(results) >= 2);
    child.kill("SIGINT");
    expect(await child.ended).toBe("SIGINT");
    expect(child.err).toContain("Stopping once the rows under way are done; Ctrl-C again stops now.");
    expect(child.err).toContain(`The results so far are in ${results}; the same command goes on with it.`);
    const done = linesOf(results);
    expect(done).toBeLessThan(200);
    expect(read(results).endsWith("\n")).toBe(true);
    expect(existsSync(`${results}.lock`)).toBe(false);
    const rest = run(["batch", ...args]);
    expect(rest.code).toBe(0);
    expect(rest.err).toContain(`${done} of 200 rows have results in ${results}.`);
    expect(linesOf(results)).toBe(200);
  });

  test("Ctrl-C twice stops at once and leaves no lock", async () => {
    const { file, results } = rowsFile(makeRows(400));
    const child = start([file, "-o", results, "--no-cache"]);
    await until(() => linesOf(results) >= 2);
    child.kill("SIGINT");
    await until(() => child.err.includes("Stopping once"));
    child.kill("SIGINT");
    expect(await child.ended).toBe("SIGINT");
    expect(existsSync(`${results}.lock`)).toBe(false);
    expect(linesOf(results)).toBeLessThan(400);
  });

  test("failed rows are done until they are to be tried again; --max-errors stops", () => {
    const rows = [{ id: "bad", image: "absent.png", prompt: star }, ...makeRows(4)];
    const { folder, file, results } = rowsFile(rows);
    expect(batch(file, "-o", results).code).toBe(6);
    const before = read(results);
    const again = owl3("batch", file, "-o", results, "--no-cache");
    expect(again.code).toBe(6);
    expect(again.err).toContain("1 of 5 rows failed in an earlier run; --retry-errors asks them again.");
    expect(read(results)).toBe(before);
    copyFileSync(join(root, "examples/shapes.png"), join(folder, "absent.png"));
    expect(batch(file, "-o", results, "--retry-errors").code).toBe(0);
    expect(parsed(read(results))).toHaveLength(5);
    expect(parsed(read(results)).find(({ id }) => id === "bad")).toMatchObject({ text: "Yes.", error: null });
    const absent = rowsFile(Array.from({ length: 50 }, (_, i) => ({ id: `${i}`, image: "gone.png", prompt: star })));
    const stopped = batch(absent.file, "-o", absent.results, "--max-errors", "3", "--concurrency", "1");
    expect(stopped.code).toBe(6);
    expect(stopped.err).toMatch(/rows failed; the run stopped there, the first one because/);
    expect(linesOf(absent.results)).toBeGreaterThanOrEqual(3);
    expect(linesOf(absent.results)).toBeLessThan(10);
  });

  test("two runs on one file, other options and another file are refused and change nothing", async () => {
    const { folder, file, results } = rowsFile(makeRows(300));
    const child = start([file, "-o", results, "--no-cache"]);
    await until(() => linesOf(results) >= 1);
    const second = batch(file, "-o", results);
    expect([second.code, second.err]).toEqual([
      1,
      `owl3: another owl3 (process ${child.pid}) is writing ${results}.\n`,
    ]);
    child.kill("SIGKILL");
    await child.ended;
    const before = read(results);
    const refused = (why: string, ...more: string[]) => {
      const { code, out, err } = batch(file, "-o", results, ...more);
      expect([code, out, err]).toEqual([2, "", `owl3: ${results} ${why}\n`]);
    };
    refused("holds results with temp unset, not 0.5; remove it or name another one.", "--temp", "0.5");
    refused("holds results with max_tokens 512, not 9; remove it or name another one.", "--max-tokens", "9");
    refused("holds results with seed 0, not 1; remove it or name another one.", "--seed", "1");
    expect(read(results)).toBe(before);
    writeFileSync(join(folder, "notes"), "mine\n");
    expect(batch(file, "-o", join(folder, "notes")).code).toBe(2);
    expect(read(join(folder, "notes"))).toBe("mine\n");
  });

  test("a reader of the pipe that goes away ends it with 0", async () => {
    const { file } = rowsFile(makeRows(100));
    const child = spawn("sh", ["-c", `"${process.execPath}" "${binary}" batch "${file}" -q; echo $? >&2`], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let err = "";
    child.stderr.on("data", (piece) => {
      err += piece;
    });
    child.stdout.once("data", () => child.stdout.destroy());
    await new Promise((done) => child.on("exit", done));
    expect(err).toBe("0\n");
  });
});
