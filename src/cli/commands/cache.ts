import type { Command } from "commander";
import { formatBytes } from "../../format.js";
import { jsonOption } from "../options.js";
import { createOutput } from "../output.js";

export function addCacheCommand(program: Command): void {
  const cache = program
    .command("cache")
    .description("show or clear the cache of picture embeddings")
    .addOption(jsonOption())
    .action(async (flags: { json?: boolean }) => {
      const { EmbeddingCache } = await import("../../vision/cache.js");
      const output = createOutput();
      const store = new EmbeddingCache();
      const { entries, bytes } = await store.stats();
      if (flags.json) return output.json({ folder: store.folder, entries, bytes, limit: store.limit });
      output.line(`${store.folder}: ${entries} crops, ${formatBytes(bytes)} of at most ${formatBytes(store.limit)}`);
    });
  cache
    .command("clear")
    .description("remove all entries")
    .action(async (_: unknown, command: Command) => {
      const { EmbeddingCache } = await import("../../vision/cache.js");
      const output = createOutput();
      const { entries, bytes } = await new EmbeddingCache().clear();
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      if (json) return output.json({ removed: entries, bytes });
      output.line(`removed ${entries} crops, ${formatBytes(bytes)}`);
    });
}
