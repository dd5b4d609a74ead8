import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { createProgram } from "../../src/cli/main.js";
import { batch, jsonl, type Line, makeRows, parsed, read, rowsFile, sorted, star, whole } from "../support/batch.js";
import { binary, endOf, owl3, place, run } from "../support/cli.js";
import { root } from "../support/files.js";
import { plain, Terminal } from "../support/terminal.js";

vi.setConfig({ testTimeout: 120_000 });

describe("owl3 batch", () => {
  test("a pipe of names: a line of JSON for each on stdout", () => {
    const { code, out, err } = run(["batch", "-p", star, "--jsonl", "--no-cache"], {
      input: "examples/shapes.png\nexamples/before.png\n",
    });
    expect(code).toBe(0);
    const lines = parsed(out).sort((a, b) => a.index - b.index);
    expect(lines[0]).toEqual({
      id: "examples/shapes.png",
      index: 0,
      input: "examples/shapes.png",
      text: "Yes.",
      finish_reason: "stop",
      usage: { prompt_tokens: expect.any(Number), crops: 7, completion_tokens: 2 },
      seed: expect.any(Number),
      model: "owl3-demo.gguf",
      error: null,
    });
    expect(lines.map(({ text }) => text)).toEqual(["Yes.", "No."]);
    expect(err).toContain("2 of 2 rows");
  });

  test("names that end with NUL, a table with columns, a folder with subfolders and clips", () => {
    const names = run(["batch", "-0", "-p", star, "--no-cache", "-q"], { input: "examples/shapes.png\0" });
    expect(parsed(names.out)[0]?.text).toBe("Yes.");
    const folder = place();
    mkdirSync(join(folder, "in/below"), { recursive: true });
    copyFileSync(join(root, "examples/shapes.png"), join(folder, "in/below/a b.png"));
    copyFileSync(join(root, "examples/moving.mp4"), join(folder, "in/clip.mp4"));
    writeFileSync(
      join(folder, "table.csv"),
      '\ufeffpath,color\r\n"in/below/a b.png",blue\r\nin/below/a b.png,"pink"\r\n',
    );
    const prompt = "Does the picture show a {color} star?";
    const table = batch(join(folder, "table.csv"), "--map", "image=path", "-p", prompt, "--ordered");
    expect(parsed(table.out).map(({ text, input }) => [text, input])).toEqual([
      ["Yes.", { path: "in/below/a b.png", color: "blue" }],
      ["No.", { path: "in/below/a b.png", color: "pink" }],
    ]);
    const all = batch(join(folder, "in"), "-p", "What happens?", "--ordered");
    expect(parsed(all.out).map(({ id }) => id)).toEqual([
      join(folder, "in/below/a b.png"),
      join(folder, "in/clip.mp4"),
    ]);
    expect(parsed(all.out)[1]?.text).toBe("A red circle moves to the right.");
  });

  test("--choice and --schema hold every row's answer to the form, with beams as well; a run with another form is refused", () => {
    const { file, results } = rowsFile(
      makeRows(8).map(({ temperature: _, ...row }, i) => ({ ...row, temperature: i })),
    );
    const choice = ["--choice", "circle", "--choice", "square"];
    const chosen = batch(file, ...choice, "-o", results);
    expect(chosen.code).toBe(0);
    const lines = parsed(read(results));
    expect(lines).toHaveLength(8);
    for (const { text, finish_reason } of lines)
      expect([text, finish_reason]).toEqual([expect.stringMatching(/^(circle|square)$/), "stop"]);
    expect(batch(file, ...choice, "-o", results).code).toBe(0);
    const other = batch(file, "--choice", "circle", "-o", results);
    expect([other.code, other.err]).toEqual([2, expect.stringContaining("choice")]);
    expect(sorted(read(results))).toBe(sorted(lines.map((line) => JSON.stringify(line)).join("\n")));

    const schema = JSON.stringify({
      type: "object",
      properties: { shape: { enum: ["circle", "star"] }, count: { type: "integer", minimum: 0, maximum: 9 } },
      required: ["shape", "count"],
      additionalProperties: false,
    });
    const plainRows = rowsFile(makeRows(4).map(({ max_tokens: _, temperature: __, ...row }) => row)).file;
    for (const more of [[], ["--beams", "2"], ["--temp", "3"]]) {
      const { code, out } = batch(plainRows, "--schema", schema, "--ordered", ...more);
      expect([more, code]).toEqual([more, 0]);
      for (const { text } of parsed(out))
        expect(JSON.parse(text ?? "")).toEqual({
          shape: expect.stringMatching(/^(circle|star)$/),
          count: expect.any(Number),
        });
    }
    const request = { messages: [{ role: "user", content: star }], response_format: { type: "json_schema" } };
    const lax = { ...request.response_format, json_schema: { name: "a", schema: { ...JSON.parse(schema), note: 1 } } };
    const bad = { ...lax, json_schema: { ...lax.json_schema, strict: true } };
    const asked = [lax, bad].map((response_format, k) => ({
      ...{ custom_id: `row ${k}`, method: "POST", url: "/v1/chat/completions", body: { ...request, response_format } },
    }));
    const openai = batch(rowsFile(asked).file, "--format", "openai", "--ordered");
    expect(openai.code).toBe(6);
    const [good, refused] = openai.out.trimEnd().split("\n");
    expect(JSON.parse(JSON.parse(good ?? "").response.body.choices[0].message.content)).toHaveProperty("count");
    expect(JSON.parse(refused ?? "").response.body.error.message).toMatch(/at \/note: "note" is no keyword/);
    // Each answer is the one that owl3 chat gives.
    const [first] = parsed(batch(plainRows, "--schema", schema, "--ordered").out);
    const { image, prompt } = makeRows(1)[0] as { image: string; prompt: string };
    expect(owl3("chat", image, "-p", prompt, "--schema", schema, "-q", "--no-cache").out).toBe(`${first?.text}\n`);
  });

  test("rows with several pictures, a conversation, a data: URL, and their own options", () => {
    const data = `data:image/png;base64,${readFileSync(join(root, "examples/shapes.png")).toString("base64")}`;
    const { file } = rowsFile([
      { images: ["before.png", "after.png"], prompt: "Which picture shows a red square?" },
      {
        messages: [
          {
            role: "user",
            content: [
              { type: "image_url", image_url: { url: data } },
              { type: "text", text: `\n${star}` },
            ],
          },
        ],
      },
      { id: "own", file: "shapes.png", prompt: "What is in this picture?", max_tokens: 3 },
      { id: 4, prompt: star, image: data },
    ]);
    const { code, out } = batch(file, "--media-root", "examples", "--ordered");
    expect(code).toBe(0);
    const lines = parsed(out);
    expect(lines.map(({ text, finish_reason }) => [text, finish_reason])).toEqual([
      ["Picture 2.", "stop"],
      ["Yes.", "stop"],
      [expect.any(String), "length"],
      ["Yes.", "stop"],
    ]);
    expect(lines[3]?.id).toBe("4");
    expect(out.length).toBeLessThan(4000);
    expect(out).toMatch(/data:image\/png;base64,[^ ]{1,20}\.\.\. \(\d+ characters\)/);
  });

  test("one bad row of many fails alone, with a code, and the exit code is 6", () => {
    const { folder, file } = rowsFile([
      { id: "good", image: "shapes.png", prompt: star },
      { id: "gone", image: "absent.png", prompt: star },
      { id: "cut", image: "cut.png", prompt: star },
      { id: "clip", image: "rows.jsonl", prompt: star },
      { id: "stdin", image: "-", prompt: star },
      { id: "net", image: "http://169.254.169.254/x.png", prompt: star },
      { id: "out", image: "../../etc/passwd", prompt: star },
      { id: "none" },
      { id: "also good", image: "shapes.png", prompt: star },
    ]);
    const picture = readFileSync(join(root, "examples/shapes.png"));
    writeFileSync(join(folder, "shapes.png"), picture);
    writeFileSync(join(folder, "cut.png"), picture.subarray(0, picture.length / 2));
    writeFileSync(file, `${read(file)}nonsense\n`);
    const { code, out, err } = owl3("batch", file, "--no-cache", "--ordered", "--media-root", folder);
    expect(code).toBe(6);
    expect(parsed(out).map(({ id, error }) => [id, error?.code])).toEqual([
      ["good", undefined],
      ["gone", "bad_file"],
      ["cut", "bad_file"],
      ["clip", "bad_file"],
      ["stdin", "bad_file"],
      ["net", "bad_row"],
      ["out", "bad_file"],
      ["none", "bad_row"],
      ["also good", undefined],
      [expect.stringMatching(/^[0-9a-f]{16}$/), "bad_row"],
    ]);
    expect(parsed(out)[6]?.error?.message).toMatch(/there is no file|lies outside of the media root/);
    expect(err).toContain("warning: gone: there is no file");
    expect(err).toMatch(/^owl3: 8 of 10 rows failed, the first one because: .*\.$/m);
  });

  test("the same results for any concurrency and order", () => {
    const { folder, file, results } = rowsFile(makeRows(24));
    expect(batch(file, "-o", results, "--concurrency", "8").code).toBe(0);
    expect(sorted(read(results))).toBe(sorted(whole()));
    const ordered = join(folder, "ordered.jsonl");
    expect(batch(file, "-o", ordered, "--ordered", "--concurrency", "5").code).toBe(0);
    expect(parsed(read(ordered)).map(({ index }) => index)).toEqual(Array.from({ length: 24 }, (_, i) => i));
    expect(sorted(read(ordered))).toBe(sorted(whole()));
    expect(new Set(parsed(whole()).map(({ seed }) => seed)).size).toBe(24);
    const other = join(folder, "other.jsonl");
    expect(batch(file, "-o", other, "--seed", "7").code).toBe(0);
    expect(sorted(read(other))).not.toBe(sorted(whole()));
  });

  test("shards and their merge are the whole, in order", () => {
    const { folder, file, results } = rowsFile(makeRows(24));
    for (const shard of ["0/3", "1/3", "2/3"]) {
      const before = batch("--merge", "-o", results);
      expect([before.code, before.out]).toEqual([3, ""]);
      expect(batch(file, "-o", results, "--shard", shard).code).toBe(0);
    }
    expect(readdirSync(folder).filter((name) => name.endsWith("-of-3.jsonl"))).toHaveLength(3);
    expect(owl3("batch", "--merge", "-o", results)).toEqual({ code: 0, out: "", err: "out.jsonl has 24 rows.\n" });
    expect(parsed(read(results)).map(({ index }) => index)).toEqual(Array.from({ length: 24 }, (_, i) => i));
    expect(sorted(read(results))).toBe(sorted(whole()));
    const again = owl3("batch", file, "-o", results, "--no-cache");
    expect([again.code, again.err]).toEqual([0, expect.stringContaining("24 of 24 rows have results in")]);
  });

  test("--format openai: requests in, responses out, and a run resumes", () => {
    const { file, results } = rowsFile([]);
    const url = `data:image/png;base64,${readFileSync(join(root, "examples/shapes.png")).toString("base64")}`;
    const content = [
      { type: "image_url", image_url: { url } },
      { type: "text", text: star },
    ];
    const request = (custom_id: string, body: object) => ({
      ...{ custom_id, method: "POST", url: "/v1/chat/completions" },
      body: { model: "gpt-4o-mini", messages: [{ role: "user", content }], ...body },
    });
    writeFileSync(
      file,
      jsonl([request("a", { max_tokens: 20 }), request("b", { n: 2 }), request("c", { temperature: 1 })]),
    );
    const first = batch(file, "--format", "openai", "-o", results);
    expect(first.code).toBe(6);
    const lines = parsed(read(results)).sort((x, y) => (x.id < y.id ? -1 : 1)) as unknown as {
      id: string;
      custom_id: string;
      response: {
        status_code: number;
        body: { choices: { message: { content: string } }[]; error: { message: string } };
      };
    }[];
    expect(lines.map(({ id, custom_id, response }) => [id, custom_id, response.status_code])).toEqual([
      ["batch_req_0", "a", 200],
      ["batch_req_1", "b", 400],
      ["batch_req_2", "c", 200],
    ]);
    expect(lines[0]?.response.body.choices[0]?.message.content).toBe("Yes.");
    expect(lines[1]?.response.body.error.message).toBe('"n" must be 1.');
    const before = read(results);
    expect(batch(file, "--format", "openai", "-o", results).code).toBe(6);
    expect(read(results)).toBe(before);
  });
});

describe("owl3 batch: sidecars", () => {
  test("a file beside each picture; what exists is done and stays; originals are never touched", () => {
    const folder = place();
    const original = readFileSync(join(root, "examples/shapes.png"));
    for (const name of ["a.png", "b.png", "c.png"]) writeFileSync(join(folder, name), original);
    writeFileSync(join(folder, "b.txt"), "mine");
    const first = owl3("batch", folder, "-p", star, "--sidecar", ".txt", "--no-cache");
    expect([first.code, first.out]).toEqual([0, ""]);
    expect(first.err).toContain("1 of 3 rows have sidecars.");
    expect(read(join(folder, "a.txt"))).toBe("Yes.\n");
    expect(read(join(folder, "b.txt"))).toBe("mine");
    rmSync(join(folder, "c.txt"));
    const again = owl3("batch", folder, "-p", star, "--sidecar", ".txt", "--no-cache");
    expect([again.code, again.err]).toEqual([0, expect.stringContaining("2 of 3 rows have sidecars.")]);
    expect(batch(folder, "-p", star, "--sidecar", ".xmp").code).toBe(0);
    expect(read(join(folder, "a.png.xmp"))).toContain('<rdf:li xml:lang="x-default">Yes.</rdf:li>');
    const both = batch(folder, "-p", star, "--sidecar", ".json", "--jsonl");
    expect(parsed(both.out)).toHaveLength(3);
    expect(JSON.parse(read(join(folder, "c.json")))).toMatchObject({ id: join(folder, "c.png"), text: "Yes." });
    for (const name of ["a.png", "b.png", "c.png"]) expect(readFileSync(join(folder, name))).toEqual(original);
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  test("two pictures with one sidecar, a picture that would be its own, and rows of several files are told", () => {
    const { folder, file } = rowsFile([
      { id: "png", image: "a.png", prompt: star },
      { id: "gif", image: "a.gif", prompt: star },
      { id: "txt", image: "own.txt", prompt: star },
      { id: "two", images: ["a.png", "b.png"], prompt: star },
    ]);
    for (const name of ["a.png", "a.gif", "own.txt", "b.png"])
      copyFileSync(join(root, "examples/shapes.png"), join(folder, name));
    for (let time = 0; time < 2; time++) {
      const { code, err } = owl3("batch", file, "--sidecar", ".txt", "--no-cache");
      expect(code).toBe(6);
      expect(err).toContain("a.txt is the sidecar of the row png already.");
      expect(err).toContain("own.txt would be its own sidecar.");
      expect(err).toContain("the row is not about a single file.");
    }
    expect(read(join(folder, "a.txt"))).toBe("Yes.\n");
  });
});

describe("owl3 batch --stdin", () => {
  test("answers each row as it comes, and ends with its input", async () => {
    const child = spawn(process.execPath, [binary, "batch", "--stdin", "--no-cache", "-q"], {
      cwd: root,
      stdio: ["pipe", "pipe", "inherit"],
    });
    let out = "";
    let more = (): void => {};
    child.stdout.on("data", (piece) => {
      out += piece;
      more();
    });
    const answers = async (count: number): Promise<Line[]> => {
      while (out.split("\n").length - 1 < count)
        await new Promise<void>((resolve) => {
          more = resolve;
        });
      return parsed(out);
    };
    const ended = endOf(child);
    child.stdin.write(jsonl([{ id: "one", image: "examples/shapes.png", prompt: star }]));
    expect((await answers(1))[0]).toMatchObject({ id: "one", text: "Yes." });
    child.stdin.write('{"id":"two","image":"examples/absent.png","prompt":"?"}\nnonsense\n');
    expect(
      (await answers(3))
        .slice(1)
        .map(({ error }) => error?.code)
        .sort(),
    ).toEqual(["bad_file", "bad_row"]);
    child.stdin.write(jsonl([{ id: "one", image: "examples/before.png", prompt: star }]));
    expect((await answers(4))[3]).toMatchObject({ id: "one", text: "No." });
    child.stdin.end();
    expect(await ended).toBe(6);
  });
});

describe("owl3 batch: options", () => {
  test("what does not fit together is refused in a sentence", () => {
    const { file } = rowsFile(makeRows(1));
    const refused = (code: number, why: string, ...args: string[]) => {
      const ended = owl3("batch", ...args);
      expect([ended.code, ended.out, ended.err.trimEnd().split("\n").at(-1)]).toEqual([
        code,
        "",
        expect.stringContaining(why),
      ]);
    };
    refused(2, "give the question of all rows: -p TEXT.", "examples");
    refused(2, "the prompt is empty.", "examples", "-p", " ");
    refused(2, "--merge needs the whole's file: -o FILE.", "--merge");
    refused(2, "--merge reads the shards", file, "--merge", "-o", "x.jsonl");
    refused(2, "--stdin reads its rows from stdin", "--stdin", file);
    refused(2, "--null separates names", "--stdin", "--null");
    refused(2, "rows of --format openai bring their prompts", file, "--format", "openai", "-p", "x");
    refused(2, "--sidecar is not for --format openai", file, "--format", "openai", "--sidecar", ".txt");
    refused(2, "--retry-errors is about results of an earlier run", file, "--retry-errors");
    refused(2, "shards of 4 are 0/4, 1/4, 2/4 and 3/4.", file, "--shard", "4/4");
    refused(2, 'there is no field "picture"', file, "--map", "picture=x");
    refused(2, "maps nothing", file, "--map", "x");
    refused(2, "allowed choices are .txt, .json, .xmp.", file, "--sidecar", ".md");
    refused(3, "there is no file absent.jsonl.", "absent.jsonl");
    refused(3, "The media root absent can't be opened", file, "--media-root", "absent");
    refused(3, "absent/o.jsonl can't be written: no such file or folder.", file, "-o", "absent/o.jsonl");
    const { file: twice, results } = rowsFile([{ id: "a" }, { id: "a" }]);
    refused(2, 'Rows 1 and 2 have the same id, "a".', twice, "-o", results);
  });

  test("the help fits a terminal and names every option", () => {
    const { out } = owl3("batch", "--help");
    expect(out.trimEnd().split("\n").length).toBeLessThanOrEqual(24);
    for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    const command = createProgram().commands.find((one) => one.name() === "batch");
    const named = new Set(out.match(/--[a-z][a-z-]*/g));
    for (const { long, hidden } of command?.options ?? []) if (!hidden) expect(named).toContain(long);
    const known = new Set(command?.options.map(({ long }) => long));
    for (const name of named) expect(known).toContain(name);
  });

  test.skipIf(process.platform === "win32")("on a terminal, lines of results are not mixed with progress", async () => {
    const terminal = new Terminal(["batch", "examples/shapes.png", "examples/six.png", "-p", star, "--no-cache"]);
    expect(await terminal.exit).toBe(0);
    // A spinner may have drawn something before a line, which the screen has erased.
    const lines = plain(terminal.output)
      .split("\n")
      .flatMap((line) => /\{"id".*/.exec(line)?.[0] ?? []);
    expect(lines.map((line) => JSON.parse(line).text)).toHaveLength(2);
  });
});
