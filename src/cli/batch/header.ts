import type { RunHeader } from "../../batch/header.js";
import { fingerprint } from "../../rows/fingerprint.js";
import type { Settings } from "../../rows/settings.js";
import type { Shard } from "../../rows/shard.js";
import { packageVersion } from "../../version.js";

/** Describes this run for its results file. Throws FileError. */
export async function runHeader(model: string, settings: Settings, shard: Shard | undefined): Promise<RunHeader> {
  return {
    version: packageVersion(),
    model: await fingerprint(model),
    settings,
    ...(shard && { shard: `${shard.index}/${shard.count}` }),
  };
}
