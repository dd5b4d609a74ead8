import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { root, temporaryFolder } from "../support/files.js";
import { Served } from "../support/serve.js";

// The programs of examples/library in a project of their own, which has owl3 installed.
const project = temporaryFolder();
const picture = (name: string) => path.join(root, "examples", name);
const compilerOptions = {
  ...{ target: "ES2022", module: "NodeNext", types: ["node"], outDir: "built", noEmitOnError: true },
  ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noUnusedLocals: true },
  // Node reads TypeScript itself only with these.
  ...{ erasableSyntaxOnly: true, verbatimModuleSyntax: true },
};

async function run(name: string, ...args: string[]) {
  const env = { ...process.env, OWL3_CACHE_DIR: project, OWL3_MODEL: "" };
  const file = path.join(project, "built", `${name}.js`);
  return promisify(execFile)(process.execPath, [file, ...args], { cwd: project, env, timeout: 50_000 });
}

beforeAll(() => {
  mkdirSync(path.join(project, "node_modules/@types"), { recursive: true });
  symlinkSync(root, path.join(project, "node_modules/owl3"));
  symlinkSync(path.join(root, "node_modules/@types/node"), path.join(project, "node_modules/@types/node"));
  cpSync(path.join(root, "examples/library"), project, { recursive: true });
  writeFileSync(path.join(project, "package.json"), '{ "type": "module" }');
  writeFileSync(path.join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  execFileSync(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", project], {
    encoding: "utf8",
    stdio: ["ignore", "inherit", "inherit"],
  });
});

describe("examples/library", () => {
  test("has a line in its README for each program", () => {
    const programs = readdirSync(path.join(root, "examples/library")).filter((name) => name.endsWith(".ts"));
    const readme = readFileSync(path.join(root, "examples/library/README.md"), "utf8");
    expect([...readme.matchAll(/^\| \[(.*?)\]/gm)].map(([, name]) => name).sort()).toEqual(programs.sort());
  });

  test("caption-folder writes a caption beside each picture, and says which file is none", async () => {
    const folder = path.join(project, "photos");
    mkdirSync(folder);
    for (const name of ["shapes.png", "strip.png"]) cpSync(picture(name), path.join(folder, name));
    writeFileSync(path.join(folder, "note.png"), "no picture");
    const failed = await run("caption-folder", folder).catch((error) => error);
    expect(failed.code).toBe(6);
    expect(failed.stderr).toMatch(/^note\.png: .*\n$/);
    expect(readFileSync(path.join(folder, "strip.txt"), "utf8")).toBe(
      "A large orange star on the left and a large green cross on the right.\n",
    );
    expect(failed.stdout.trim().split("\n")).toHaveLength(2);
  });

  test("ask-about-a-clip looks at the clip once for two answers", async () => {
    const { stdout, stderr } = await run("ask-about-a-clip", picture("moving.mp4"));
    expect(stdout).toBe("A red circle moves to the right.\nThe red circle.\n");
    expect(stderr).toContain("looked at 6 of 6 frames");
    expect(stderr).toContain("0 frames were looked at for the second answer");
  });

  test("score-answers gives the shares in order, and a probability", async () => {
    const { stdout } = await run("score-answers", picture("shapes.png"));
    const [best, ...others] = stdout.trim().split("\n");
    expect(best).toMatch(/^(100|9\d)\.\d % {2}Blue\.$/);
    expect(others).toHaveLength(3);
    expect(others.at(-1)).toMatch(/^There is a ring: (100|9\d) %$/);
  });

  test("answer-by-schema gives an object under the schema", async () => {
    const { stdout } = await run("answer-by-schema", picture("shapes.png"));
    expect(stdout).toMatch(/^\{ shape: '(circle|square|star|ring)', color: '(red|green|blue)', count: \d \}\n$/);
  });

  test("use-a-server asks owl3 serve", async () => {
    const served = await Served.start();
    const { stdout } = await run("use-a-server", picture("six.png"), served.url);
    expect(stdout).toBe(
      "Six shapes: a red square, a blue square, a black circle, a purple triangle, a green square and a red star.\n",
    );
  });
});
