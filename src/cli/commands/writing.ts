import { type Command, Option } from "commander";
import { onInterrupt } from "../../cleanup.js";
import type { WriteOptions, WriteProgress } from "../../convert/write.js";
import { formatBytes } from "../../format.js";
import { type FileType, fileTypeNames } from "../../gguf/file-types.js";
import { duration, progressBar } from "../format.js";
import { quietOption, threadsOption } from "../options.js";
import { createOutput } from "../output.js";

export interface WriteFlags {
  type: FileType;
  threads?: number;
  quiet?: boolean;
}

/** Adds the options that convert and quantize share. */
export function addWriteOptions(command: Command): Command {
  return command
    .addOption(new Option("-t, --type <type>", "type of the weights").choices(fileTypeNames).makeOptionMandatory())
    .addOption(threadsOption())
    .addOption(quietOption());
}

type Say = (message: string) => void;

/** Runs `write` with progress and notes on stderr; Ctrl-C stops it and removes the unfinished file. */
export async function writing(
  flags: WriteFlags,
  output: string,
  write: (options: WriteOptions & { type: FileType; warn: Say; note: Say }) => Promise<number>,
): Promise<void> {
  const out = createOutput(flags);
  const controller = new AbortController();
  const release = onInterrupt(() => controller.abort());
  const progress = out.progress(`reading for ${output}`);
  const started = performance.now();
  try {
    const bytes = await write({
      type: flags.type,
      threads: flags.threads ?? 0,
      signal: controller.signal,
      onProgress: (p) => progress.update(progressText(output, p, performance.now() - started)),
      warn: (message) => out.warn(message),
      note: (message) => out.note(message),
    });
    progress.stop();
    const seconds = (performance.now() - started) / 1000;
    out.note(`${output}: ${flags.type}, ${formatBytes(bytes)} in ${seconds.toFixed(1)} s`);
  } finally {
    progress.stop();
    release();
  }
}

function progressText(output: string, p: WriteProgress, elapsed: number): string {
  const share = p.bytesTotal > 0 ? Math.min(1, p.bytesDone / p.bytesTotal) : 1;
  const left = share > 0.02 ? `, ${duration((elapsed / 1000) * (1 / share - 1))} left` : "";
  return `${output} ${progressBar(share)} ${(100 * share).toFixed(0)} % (${p.tensorsDone}/${p.tensorsTotal} tensors${left})`;
}
