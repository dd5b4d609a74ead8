import { existsSync } from "node:fs";
import path from "node:path";
import { type BatchHeader, type BatchLine, batchResults } from "../../batch/lines.js";
import type { RowFiles } from "../../batch/media.js";
import type { OpenAiLine } from "../../batch/openai.js";
import { filesOfRow, type Row } from "../../batch/row.js";
import { type SidecarKind, sidecarOf, writeSidecar } from "../../batch/sidecar.js";
import { ResultsFile } from "../../rows/results.js";
import { shardFile } from "../../rows/shard.js";
import { safeJson } from "../filter.js";
import type { Output } from "../output.js";
import type { BatchFlags } from "./flags.js";

type Line = BatchLine | OpenAiLine;

/** Where results go: a results file, sidecars, stdout. */
export class Sink {
  readonly #file: ResultsFile<Line, BatchHeader> | undefined;
  readonly #path: string | undefined;
  readonly #sidecar: SidecarKind | undefined;
  readonly #prints: boolean;
  readonly #files: RowFiles;
  readonly #out: Output;
  /** The file that each sidecar of this run belongs to. */
  readonly #owners = new Map<string, string>();

  private constructor(
    file: ResultsFile<Line, BatchHeader> | undefined,
    { path, sidecar, prints }: { path: string | undefined; sidecar: SidecarKind | undefined; prints: boolean },
    files: RowFiles,
    out: Output,
  ) {
    this.#file = file;
    this.#path = path;
    this.#sidecar = sidecar;
    this.#prints = prints;
    this.#files = files;
    this.#out = out;
  }

  static async open(flags: BatchFlags, header: BatchHeader, files: RowFiles, out: Output): Promise<Sink> {
    const { sidecar, jsonl, shard, retryErrors = false } = flags;
    const path = flags.out !== undefined && shard ? shardFile(flags.out, shard) : flags.out;
    const file =
      path === undefined ? undefined : await ResultsFile.open(path, batchResults, header, { retry: retryErrors });
    const prints = path === undefined && (sidecar === undefined || jsonl === true);
    return new Sink(file, { path, sidecar, prints }, files, out);
  }

  /** Whether a later run can tell what this one did. */
  get resumes(): boolean {
    return this.#file !== undefined || this.#sidecar !== undefined;
  }

  /** Says in a sentence what becomes of the rest of the rows. */
  get later(): string {
    if (this.#path !== undefined) return `The results so far are in ${this.#path}; the same command goes on with it.`;
    if (this.#sidecar !== undefined) return "The sidecars so far stay; the same command goes on with the rest.";
    return "The run was interrupted; results on stdout can't be gone on with, results of -o FILE can.";
  }

  /** Whether results go to a terminal, where a line of progress would be in their way. */
  get shows(): boolean {
    return this.#prints && process.stdout.isTTY === true;
  }

  /** Tells what an earlier run made of a row; with a results file it alone says so, else a sidecar that exists. */
  state(row: Row): "done" | "failed" | undefined {
    if (this.#file) return this.#file.state(row.id);
    const sidecar = this.#sidecarOf(row);
    return typeof sidecar === "string" && existsSync(sidecar) ? "done" : undefined;
  }

  /** Says how much of the work is done already. */
  tellBefore({ rows, done }: { rows: number; done: number }): void {
    if (done > 0)
      this.#out.note(`${done} of ${rows} rows have ${this.#path ? `results in ${this.#path}` : "sidecars"}.`);
  }

  /** Why a row can't have a sidecar; undefined: it can, or none is wanted. */
  refusal(row: Row): string | undefined {
    const sidecar = this.#sidecarOf(row);
    return typeof sidecar === "object" ? sidecar.refusal : undefined;
  }

  /** Writes the sidecar of an answer, if one is wanted; what is there already stays. Throws FileError. */
  writeSidecar(row: Row, line: Line): void {
    const sidecar = this.#sidecarOf(row);
    if (typeof sidecar === "string") writeSidecar(sidecar, this.#sidecar as SidecarKind, line as BatchLine);
  }

  /** Writes a line of results. Throws FileError. */
  write(line: Line): void {
    this.#file?.add(line);
    if (this.#prints) process.stdout.write(`${safeJson(line)}\n`);
  }

  /** Notes that all rows have been read and have results. */
  finish(header: BatchHeader): void {
    this.#file?.setHeader(header);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  /** The sidecar of a row, or why it can't have one; undefined: none is wanted. A row owns its sidecar from when it is first asked for. */
  #sidecarOf(row: Row): string | { refusal: string } | undefined {
    if (!this.#sidecar || row.question instanceof Error) return undefined;
    const [file, ...more] = filesOfRow(row);
    if (file === undefined || more.length > 0)
      return { refusal: "A sidecar is beside a picture or clip, and the row is not about a single file." };
    const medium = this.#files.locate(file, row.raw.base);
    const sidecar = sidecarOf(medium, this.#sidecar);
    if (path.resolve(sidecar) === path.resolve(medium)) return { refusal: `${medium} would be its own sidecar.` };
    const owner = this.#owners.get(sidecar) ?? row.id;
    this.#owners.set(sidecar, owner);
    if (owner !== row.id) return { refusal: `${sidecar} is the sidecar of the row ${owner} already.` };
    return sidecar;
  }
}
