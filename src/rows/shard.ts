/** Parts of the rows for several processes or machines. */
import { UsageError } from "../errors.js";

/** Part `index` of `count`, counted from 0: the rows whose number is `index` modulo `count`. */
export interface Shard {
  index: number;
  count: number;
}

/** Parses "2/8". Throws UsageError. */
export function parseShard(text: string): Shard {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text)?.map(Number) ?? [];
  if (index === undefined || count === undefined || index >= count)
    throw new UsageError(`"${text}" is no shard: shards of 4 are 0/4, 1/4, 2/4 and 3/4.`);
  return { index, count };
}

export const inShard = (row: number, shard: Shard | undefined): boolean =>
  shard === undefined || row % shard.count === shard.index;

/** The name of a shard's file: captions.jsonl becomes captions.2-of-8.jsonl. */
export function shardFile(file: string, { index, count }: Shard): string {
  const [, stem, ending] = /^(.*?)((?:\.[^./\\]*)?)$/s.exec(file) as unknown as [string, string, string];
  return `${stem}.${index}-of-${count}${ending}`;
}
