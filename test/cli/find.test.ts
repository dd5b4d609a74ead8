import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { binary, endOf, folder, owl3, place, run } from "../support/cli.js";
import { root } from "../support/files.js";

vi.setConfig({ testTimeout: 120_000 });

const appears = "examples/appears.mp4"; // a yellow star appears at 3 s of 6
const find = (...args: string[]) => owl3("find", "--no-cache", "--threads", "1", "--decoder", "builtin", ...args);

describe("in a clip", () => {
  test("the times at which it shows something", () => {
    const { code, out, err } = find(appears, "a yellow star");
    expect(code).toBe(0);
    expect(out).toMatch(/^ *\d\d\.\d % {2}0:02-0:06 {2}examples\/appears\.mp4\n$/);
    expect(err).toContain("demo model");
    expect(find(appears, "a yellow star", "--window", "1", "--frames", "1", "-q")).toEqual({
      code: 0,
      out: "0:03-0:06\n",
      err: "",
    });
    expect(find(appears, "a yellow star", "--start", "0:03.5", "--end", "5", "-q").out).toBe("0:03.5-0:05\n");
  });

  test("nothing: a remark says how near it came", () => {
    const { code, out, err } = find(appears, "a purple cross");
    expect([code, out]).toEqual([0, ""]);
    expect(err).toMatch(
      /Nothing reaches 50\.0 %: the most probable is 0:0\d-0:0\d of examples\/appears\.mp4 with 0\.\d %/,
    );
    expect(find(appears, "a purple cross", "-q").err).toBe("");
  });

  test("--json has every window, and spans as the library joins them", () => {
    const { code, out } = find(appears, "a yellow star", "--json", "--stride", "1", "--question", "Is there {}?");
    expect(code).toBe(0);
    const { text, question, found, looked } = JSON.parse(out);
    expect([text, question]).toEqual(["a yellow star", "Is there a yellow star?"]);
    expect(looked).toEqual([{ path: appears, kind: "clip", windows: expect.any(Array) }]);
    const { windows } = looked[0];
    expect(windows.map(({ start, end }: { start: number; end: number }) => [start, end])).toEqual(
      [0, 1, 2, 3, 4].map((at) => [at, at + 2]),
    );
    expect(windows[2].frames).toEqual([
      { index: 20, time: 2 },
      { index: 30, time: 3 },
    ]);
    const best = Math.max(...windows.map(({ probability }: { probability: number }) => probability));
    expect(found).toEqual([{ path: appears, start: 2, end: 6, probability: best }]);
  });

  test("--top takes the most probable windows, --threshold what reaches it", () => {
    expect(find(appears, "a yellow star", "--top", "1", "-q").out).toBe("0:04-0:06\n");
    expect(find(appears, "a yellow star", "--threshold", "0", "-q").out).toBe("0:00-0:06\n");
    expect(find(appears, "a yellow star", "--threshold", "1", "-q").out).toBe("");
  });

  test("from stdin", () => {
    const input = readFileSync(join(root, appears));
    const { code, out } = run(["find", "-", "a yellow star", "-q", "--no-cache"], { input });
    expect([code, out]).toEqual([0, "0:02-0:06\n"]);
  });
});

describe("among many", () => {
  test("the pictures that show something, the most probable first", () => {
    expect(find("examples/*.png", "a red circle", "-q")).toEqual({ code: 0, out: "examples/shapes.png\n", err: "" });
    const { out } = find("examples/*.png", "a red circle", "--top", "3");
    const shares = out
      .trimEnd()
      .split("\n")
      .map((line) => Number.parseFloat(line));
    expect(shares).toHaveLength(3);
    expect(shares).toEqual([...shares].sort((a, b) => b - a));
  });

  test("a folder with pictures and clips", () => {
    const album = place();
    for (const name of ["appears.mp4", "before.png", "shapes.png"])
      cpSync(join(root, "examples", name), join(album, name));
    const { code, out } = find(album, "a yellow star", "-q");
    expect([code, out]).toEqual([0, `${join(album, "appears.mp4")}  0:02-0:06\n`]);
  });

  test("files that can't be read are told and left out", () => {
    const cut = join(folder, "cut.png");
    writeFileSync(cut, readFileSync(join(root, "examples/shapes.png")).subarray(0, 2000));
    const { code, out, err } = find(cut, "examples/shapes.png", "nothing.png", "a red circle");
    expect(code).toBe(6);
    expect(out).toMatch(/^ *[\d.]+ % {2}examples\/shapes\.png\n$/);
    expect(err).toContain("2 of 3 rows failed");
    expect(err).toMatch(/cut\.png/);
    expect(err).toMatch(/there is no file nothing\.png/);
  });
});

test("what is wrong is told in a sentence, with its exit code", () => {
  const cut = join(folder, "cut.mp4");
  writeFileSync(cut, readFileSync(join(root, appears)).subarray(0, 3000));
  const cases: [args: string[], code: number, message: RegExp][] = [
    [[], 2, /give pictures or clips and what to find/],
    [[appears], 2, /give pictures or clips and what to find/],
    [[appears, "examples/shapes.png"], 2, /examples\/shapes\.png is a file/],
    [[appears, ""], 2, /what is looked for is empty/],
    [["-", "-", "a dog"], 2, /only one thing can be read from stdin/],
    [[appears, "a dog", "--question", "Is it there?"], 2, /the question needs one {}/],
    [[appears, "a dog", "--window", "0"], 2, /number of at least|number from/],
    [[appears, "a dog", "--threshold", "2"], 2, /from 0 to 1/],
    [[appears, "a dog", "--start", "9"], 2, /no frame lies between/],
    [["nothing.mp4", "a dog"], 3, /there is no file nothing\.mp4/],
    [["package.json", "a dog"], 3, /neither a picture/],
    [[cut, "a dog"], 3, /cut\.mp4/],
    [["nothing-*.png", "a dog"], 3, /matches nothing-\*\.png/],
  ];
  for (const [args, code, message] of cases) {
    const done = find("-q", ...args);
    expect([done.code, done.out], args.join(" ")).toEqual([code, ""]);
    expect(done.err).toMatch(message);
    expect(done.err.trimEnd().split("\n")).toHaveLength(1);
  }
});

test("Ctrl-C tells what was found up to there", async () => {
  const args = ["find", appears, "a yellow star", "--threshold", "0", "--window", "0.1", "--frames", "1"];
  const child = spawn(process.execPath, [binary, ...args, "--no-cache", "--threads", "1"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  child.stdout.on("data", (chunk) => out.push(chunk));
  const closed = endOf(child);
  setTimeout(() => child.kill("SIGINT"), 1200);
  const code = await closed;
  expect([0, "SIGINT"]).toContain(code); // 0: it had ended
  const text = Buffer.concat(out).toString();
  if (text !== "") expect(text).toMatch(/^ *[\d.]+ % {2}0:00-0:0\d(\.\d)? {2}examples\/appears\.mp4\n$/);
});
