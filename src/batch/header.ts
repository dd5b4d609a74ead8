/** The run that began a results file, where its rows are those of a batch. */
import type { ModelFingerprint } from "../rows/fingerprint.js";
import { differentSetting, type Settings } from "../rows/settings.js";

export interface RunHeader {
  version: string;
  model: ModelFingerprint;
  /** All that results depend on. */
  settings: Settings;
  /** "0/4", if the file holds a part of the rows. */
  shard?: string | undefined;
}

/** Says in words how the run that began a file differs from this one; undefined: in nothing. */
export function differentRun(before: RunHeader, now: RunHeader): string | undefined {
  if (before.model?.fingerprint !== now.model.fingerprint) return `another model (${before.model?.name})`;
  if (before.shard !== now.shard) return `shard ${before.shard ?? "none"}, not ${now.shard ?? "none"}`;
  return differentSetting(before.settings, now.settings);
}
