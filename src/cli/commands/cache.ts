import type { Command } from "commander";
import { formatBytes } from "../../format.js";
import { jsonOption } from "../options.js";
import { createOutput } from "../output.js";

export function addCacheCommand(program: Command): void {
  const cache = program
    .command("cache")
    .description("show or clear the caches of embeddings and of weights")
    .addOption(jsonOption())
    .action(async (flags: { json?: boolean }) => {
      const { store, repacked } = await caches();
      const output = createOutput();
      const { entries, bytes } = await store.stats();
      const models = await repacked.stats();
      if (flags.json) {
        const { folder, limit } = repacked;
        return output.json({
          ...{ folder: store.folder, entries, bytes, limit: store.limit },
          repacked: { folder, ...models, limit },
        });
      }
      output.line(`${store.folder}: ${entries} crops, ${formatBytes(bytes)} of at most ${formatBytes(store.limit)}`);
      output.line(
        `${repacked.folder}: ${models.entries} models, ${formatBytes(models.bytes)} of at most ${formatBytes(repacked.limit)}`,
      );
    });
  cache
    .command("clear")
    .description("remove all entries")
    .action(async (_: unknown, command: Command) => {
      const { store, repacked } = await caches();
      const output = createOutput();
      const { entries, bytes } = await store.clear();
      const models = await repacked.clear();
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      if (json)
        return output.json({ removed: entries, bytes, repacked: { removed: models.entries, bytes: models.bytes } });
      output.line(`removed ${entries} crops, ${formatBytes(bytes)}`);
      output.line(`removed ${models.entries} repacked models, ${formatBytes(models.bytes)}`);
    });
}

async function caches() {
  const { EmbeddingCache } = await import("../../vision/cache.js");
  const { RepackCache } = await import("../../chat/repack-cache.js");
  return { store: new EmbeddingCache(), repacked: new RepackCache() };
}
