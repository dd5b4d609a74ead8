/**
 * Reads a source at most `ahead` items ahead of its reader: decoding and resizing go on while the engine works on the items before, and
 * few items wait in memory. An error of the source reaches the reader in its place; a reader that leaves early ends the source.
 */
export async function* prefetch<T>(source: AsyncIterable<T>, ahead: number): AsyncGenerator<T, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  const waiting: Promise<IteratorResult<T>>[] = [];
  let ended = false;
  let last: Promise<unknown> = Promise.resolve();
  const fill = () => {
    while (!ended && waiting.length < ahead) {
      // The source is asked for one item at a time.
      const next = last.then(() => (ended ? { done: true as const, value: undefined } : iterator.next()));
      last = next.then(
        ({ done }) => {
          ended ||= done === true;
        },
        () => {
          ended = true;
        },
      );
      waiting.push(next);
    }
  };
  try {
    for (;;) {
      fill();
      const first = waiting.shift();
      if (!first) return;
      const { done, value } = await first;
      if (done) return;
      yield value;
    }
  } finally {
    ended = true;
    await last;
    for (const rest of waiting) rest.catch(() => {});
    await iterator.return?.();
  }
}
