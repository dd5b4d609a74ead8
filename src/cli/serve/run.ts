import { readFile, stat } from "node:fs/promises";
import { isIP } from "node:net";
import path from "node:path";
import { ExitCode, FileError, systemReason, UsageError, UserError } from "../../errors.js";
import { resolveModel } from "../../models/resolve.js";
import { startServer } from "../../server/server.js";
import { EngineError } from "../../worker/fault.js";
import { owlOptions } from "../chat/flags.js";
import { takeInterrupt, takeTermination } from "../interrupt.js";
import { createOutput } from "../output.js";
import type { ServeFlags } from "./flags.js";

const megabyte = 1e6;
const second = 1000;

/** Runs a server until it is told to end. */
export async function runServe(flags: ServeFlags): Promise<void> {
  const out = createOutput({});
  const keys = await readKeys(flags.apiKeyFile);
  const { host } = flags;
  if (keys.length === 0 && !isLoopback(host))
    throw new UsageError(
      `${host} can be reached by others, so the server needs a key: give --api-key-file or OWL3_API_KEY.`,
    );
  for (const origin of flags.cors ?? []) checkOrigin(origin);
  if (flags.mediaRoot !== undefined) await checkFolder(flags.mediaRoot);
  const model = await resolveModel(flags.model, { note: (line) => out.note(line) });
  const { kvType, ctx, decoder, maxTokens, maxFrames } = flags;
  const server = await startServer({
    engine: {
      ...owlOptions(flags),
      ...{ model, kvType, contextLength: ctx },
      maxPixels: Math.floor(flags.maxPixels * 1e6),
    },
    host,
    port: flags.port,
    parallel: flags.parallel,
    queue: flags.queue,
    queueMs: flags.queueTimeout * second,
    requestMs: flags.timeout * second,
    keys,
    hosts: flags.allowHost ?? [],
    origins: flags.cors ?? [],
    settings: { model: nameOf(flags.model, model), aliases: flags.alias ?? [], maxTokens, maxFrames, decoder },
    maxBody: Math.floor(flags.maxBody * megabyte),
    maxPictures: flags.maxPictures,
    allowUrls: flags.allowUrls ?? false,
    mediaRoot: flags.mediaRoot,
    log: (line) => {
      if (!flags.quiet) out.note(line);
    },
  });
  out.note(`loading ${model}`);
  const ended = untilStopped();
  try {
    await server.opened;
    out.note(`${nameOf(flags.model, model)} answers at ${server.url}; Ctrl-C ends it.`);
    const failure = await Promise.race([ended, server.failed]);
    if (failure) throw new UserError(failure.message);
    out.note("ending; running answers may finish. Ctrl-C once more ends at once.");
    await server.close(flags.drain * second);
  } catch (error) {
    await server.close(0);
    throw error instanceof EngineError ? new UserError(error.message, error.exitCode) : error;
  }
}

/** Resolves at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
function untilStopped(): Promise<undefined> {
  return new Promise((resolve) => {
    const releases = [takeInterrupt(stop), takeTermination(stop)];
    function stop(): void {
      for (const release of releases) release();
      resolve(undefined);
    }
  });
}

/** The model's name in answers: what was asked for, or the name of its file. */
function nameOf(asked: string | undefined, file: string): string {
  const name = asked ?? process.env.OWL3_MODEL;
  return name && !name.includes("/") && !name.endsWith(".gguf") ? name : path.basename(file, ".gguf");
}

async function readKeys(file: string | undefined): Promise<string[]> {
  const own = process.env.OWL3_API_KEY;
  if (file === undefined) return own ? [own] : [];
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new FileError(`${file} can't be read: ${systemReason(error)}.`, { cause: error });
  });
  const keys = text.split("\n").map((line) => line.trim());
  const all = keys.filter((line) => line !== "" && !line.startsWith("#"));
  if (all.length === 0) throw new UsageError(`${file} holds no key.`);
  return [...new Set([...(own ? [own] : []), ...all])];
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function checkOrigin(origin: string): void {
  if (URL.canParse(origin) && new URL(origin).origin === origin.toLowerCase()) return;
  throw new UsageError(`${origin} is no origin; --cors takes one such as https://example.org.`);
}

async function checkFolder(folder: string): Promise<void> {
  const info = await stat(folder).catch(() => undefined);
  if (!info?.isDirectory()) throw new UserError(`The media root ${folder} is not a folder.`, ExitCode.file);
}
