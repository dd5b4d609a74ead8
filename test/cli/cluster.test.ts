import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { binary, place, run } from "../support/cli.js";
import { root } from "../support/files.js";

vi.setConfig({ testTimeout: 120_000 });

const question = "What is in the picture?";
const examples = join(root, "examples/cluster");

/** A folder with pictures, one of which is none, and `owl3` in its bin/. */
function world(): { folder: string; env: NodeJS.ProcessEnv } {
  const folder = place();
  mkdirSync(join(folder, "photos"));
  for (const name of ["shapes.png", "before.png", "after.png"])
    copyFileSync(join(root, "examples", name), join(folder, "photos", name));
  writeFileSync(join(folder, "photos/broken.png"), "no picture");
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin/owl3"), `#!/bin/sh\nexec "${process.execPath}" "${binary}" "$@"\n`);
  chmodSync(join(folder, "bin/owl3"), 0o755);
  return { folder, env: { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` } };
}

function shell(
  command: string,
  args: string[],
  { folder, env }: ReturnType<typeof world>,
  more: NodeJS.ProcessEnv = {},
) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    env: { ...env, ...more },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const results = (folder: string, name: string): string => readFileSync(join(folder, name), "utf8");
/** The results of a run on one machine. */
function whole(of: ReturnType<typeof world>): string {
  expect(shell("owl3", ["batch", "photos", "-o", "whole.jsonl", "-p", question, "-q", "--ordered"], of).status).toBe(6);
  return results(of.folder, "whole.jsonl");
}

describe("examples/cluster", () => {
  test("Slurm: each task of an array answers its shard, also when it is run again", () => {
    const of = world();
    const task = (index: number) =>
      shell(join(examples, "slurm.sh"), ["photos", "captions.jsonl", question], of, {
        SLURM_ARRAY_TASK_ID: String(index),
        SLURM_ARRAY_TASK_COUNT: "2",
        SLURM_CPUS_PER_TASK: "1",
      });
    for (const index of [0, 1, 1]) expect(task(index)).toMatchObject({ status: 0, stdout: "" });
    expect(shell("owl3", ["batch", "--merge", "-o", "captions.jsonl"], of).status).toBe(6);
    expect(results(of.folder, "captions.jsonl")).toBe(whole(of));
  });

  test("Kubernetes: each pod of an Indexed Job answers its shard", () => {
    const of = world();
    const yaml = readFileSync(join(examples, "kubernetes.yaml"), "utf8");
    const [, script] = /args:\n\s+- >-\n([\s\S]*?)\n {10}resources:/.exec(yaml) ?? [];
    const command = script
      ?.replace(/\s*\n\s*/g, " ")
      .replace(" -m /data/models/2b.gguf", "")
      .replaceAll("/data/", "");
    for (const index of ["0", "1", "2"]) {
      const pod = shell("sh", ["-c", command ?? ""], of, { JOB_COMPLETION_INDEX: index, COMPLETIONS: "3" });
      expect(pod, pod.stderr).toMatchObject({ status: 0, stdout: "" });
    }
    expect(shell("owl3", ["batch", "--merge", "-o", "captions.jsonl"], of).status).toBe(6);
    const ids = (text: string) =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).id);
    expect(ids(results(of.folder, "captions.jsonl"))).toEqual(ids(whole(of)));
  });

  const parallel = spawnSync("parallel", ["--version"], { encoding: "utf8" }).stdout?.startsWith("GNU parallel");
  test.skipIf(!parallel)("GNU parallel: shards on several machines, put together", () => {
    const of = world();
    const done = shell(join(examples, "parallel.sh"), ["photos", "captions.jsonl", question], of);
    expect(done, done.stderr).toMatchObject({ status: 6, stdout: "" });
    expect(results(of.folder, "captions.jsonl")).toBe(whole(of));
  });
});

describe("owl3 batch --relay", () => {
  test("its worker makes the lines of a run without it", () => {
    const of = world();
    const file = join(of.folder, "relayed.jsonl");
    const options = [join(of.folder, "photos"), "-p", question, "-q"];
    // Nothing is answered: the rows are printed, and each is missed.
    const asked = run(["batch", ...options, "-o", file, "--relay"]);
    expect(asked).toMatchObject({ code: 1, err: "owl3: 4 rows have got no results.\n" });
    const worker = run(["batch", "--stdin", "--input", "relayed", "-p", question, "-q"], { input: asked.out });
    expect(worker.code).toBe(6);
    const taken = run(["batch", ...options, "-o", file, "--relay"], { input: worker.out });
    expect(taken).toMatchObject({ code: 6, out: asked.out });
    const alone = run(["batch", ...options, "-o", join(of.folder, "alone.jsonl"), "--ordered"]);
    expect(alone.code).toBe(6);
    const sorted = (name: string) => results(of.folder, name).split("\n").sort().join("\n");
    expect(sorted("relayed.jsonl")).toBe(sorted("alone.jsonl"));
  });

  test("a row that the other program has no line for has failed", () => {
    const { folder } = world();
    const options = [join(folder, "photos"), "-p", question, "-q", "-o", join(folder, "out.jsonl"), "--relay"];
    const rows = run(["batch", ...options])
      .out.trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const input = rows.map(({ id }) => `${JSON.stringify({ id, failed: "it crashed." })}\n`).join("");
    expect(run(["batch", ...options], { input }).code).toBe(6);
    const lines = results(folder, "out.jsonl").trim().split("\n");
    for (const [i, line] of lines.entries())
      expect(JSON.parse(line)).toMatchObject({
        ...{ id: rows[i].id, index: i, input: rows[i].value, text: null, finish_reason: null },
        error: { code: "engine_crashed", message: "it crashed." },
      });
    expect(lines).toHaveLength(4);
  });

  test("lines of other rows and rows of another model are refused", () => {
    const { folder } = world();
    const options = [join(folder, "photos"), "-p", question, "-q", "-o", join(folder, "out.jsonl"), "--relay"];
    for (const line of ['{"id":"x","index":0}', "no line", '{"id":'])
      expect(run(["batch", ...options], { input: `${line}\n` })).toMatchObject({
        code: 2,
        err: "owl3: a line on stdin is not the result of a row that waits for one.\n",
      });
    const asked = run(["batch", ...options]).out;
    const worker = (input: string) => run(["batch", "--stdin", "--input", "relayed", "-p", question, "-q"], { input });
    expect(worker(asked.replace(/"model":"[0-9a-f]{8}/, '"model":"00000000'))).toMatchObject({
      code: 4,
      err: "owl3: the rows are for another model than this machine's.\n",
    });
    expect(worker(asked.replace(/"version":"/, '"version":"9'))).toMatchObject({ code: 2 });
    for (const line of ["{}", "[]", '{"id":"x","index":-1,"value":"a.png","base":"","options":true}'])
      expect(worker(`${line}\n`)).toMatchObject({ code: 2, err: "owl3: a line on stdin is no relayed row.\n" });
  });
});
