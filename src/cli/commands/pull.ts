import { type Command, Option } from "commander";
import { onInterrupt } from "../../cleanup.js";
import { formatBytes } from "../../format.js";
import { type FileType, fileTypeNames } from "../../gguf/file-types.js";
import { type HubName, hubNames } from "../../models/names.js";
import type { PullProgress } from "../../models/pull.js";
import { duration, progressBar } from "../format.js";
import { quietOption, threadsOption } from "../options.js";
import { createOutput } from "../output.js";
import { writing } from "./writing.js";

interface PullFlags {
  type: FileType;
  hub?: HubName;
  revision?: string;
  file?: string;
  offline?: boolean;
  deleteSource?: boolean;
  threads?: number;
  quiet?: boolean;
}

const examples = `
Names: 7b (mPLUG/mPLUG-Owl3-7B-241101, 16.1 GB), 2b and 1b (241014; 3.95 and
1.85 GB), 7b-240728 (16.1 GB), or OWNER/NAME of a hub.
After an interruption, run the command again to resume the download.
ms:OWNER/NAME is on ModelScope (as with --hub modelscope), hf:OWNER/NAME on
Hugging Face. A checkpoint may have several safetensors files with an index.
Environment: OWL3_HUB, OWL3_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE (for
both hubs), MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN, HTTP_PROXY,
HTTPS_PROXY, NO_PROXY.

Examples:
  owl3 pull 2b
  owl3 pull 7b --type q8_0 --delete-source
  owl3 pull 7b --hub modelscope
  owl3 pull someone/owl3-gguf --file owl3-q4_k_m.gguf
`;

export function addPullCommand(program: Command): void {
  program
    .command("pull")
    .description("fetch a released model and convert it to a GGUF file")
    .argument("<name>", "the model's name")
    .addOption(new Option("-t, --type <type>", "type of the weights").choices(fileTypeNames).default("q4_k_m"))
    .addOption(new Option("--hub <hub>", "Hugging Face or ModelScope (default: $OWL3_HUB, hf)").choices(hubNames))
    .option("--revision <rev>", "branch, tag or commit (default: main, master)")
    .option("--file <name>", "take this GGUF file of the repository")
    .option("--delete-source", "remove the checkpoint after it is converted")
    .option("--offline", "use only files that were fetched before")
    .addOption(threadsOption())
    .addOption(quietOption())
    .addHelpText("after", examples)
    .action(pull);
}

async function pull(name: string, flags: PullFlags): Promise<void> {
  const { pullModel, finishPull } = await import("../../models/pull.js");
  const out = createOutput(flags);
  const controller = new AbortController();
  const release = onInterrupt(() => controller.abort());
  const progress = out.progress(`looking for ${name}`);
  const rate = new Rate();
  const pulled = await pullModel(name, {
    type: flags.type,
    ...(flags.hub && { hub: flags.hub }),
    ...(flags.revision && { revision: flags.revision }),
    ...(flags.file && { file: flags.file }),
    ...(flags.offline && { offline: true }),
    signal: controller.signal,
    onProgress: (p) => progress.update(progressText(name, p, rate)),
  }).finally(() => {
    progress.stop();
    release();
  });
  if (pulled.checkpoint) {
    const source = pulled.checkpoint;
    const { convertCheckpoint } = await import("../../convert/convert.js");
    await writing(flags, pulled.gguf, (options) =>
      convertCheckpoint(source, pulled.gguf, {
        ...options,
        name: pulled.repo.split("/")[1] as string,
        sourceUrl: pulled.sourceUrl,
      }),
    );
  }
  await finishPull(pulled, flags);
  if (pulled.already && !pulled.checkpoint) out.note(`${pulled.name} is here already.`);
  out.line(pulled.gguf);
}

function progressText(name: string, p: PullProgress, rate: Rate): string {
  const share = p.bytesTotal > 0 ? p.bytesDone / p.bytesTotal : 1;
  const speed = rate.update(p.bytesDone);
  const left = speed > 0 ? `, ${formatBytes(speed)}/s, ${duration((p.bytesTotal - p.bytesDone) / speed)} left` : "";
  return `${name} ${progressBar(share)} ${formatBytes(p.bytesDone)} of ${formatBytes(p.bytesTotal)} (${p.filesDone}/${p.filesTotal} files${left})`;
}

/** Measures bytes a second over the last five seconds. */
class Rate {
  readonly #marks: { at: number; bytes: number }[] = [];

  update(bytes: number, at = performance.now()): number {
    this.#marks.push({ at, bytes });
    while ((this.#marks[0]?.at ?? at) < at - 5000 || this.#marks.length > 5000) this.#marks.shift();
    const first = this.#marks[0];
    if (!first || at - first.at < 500) return 0;
    return Math.max(0, ((bytes - first.bytes) * 1000) / (at - first.at));
  }
}
