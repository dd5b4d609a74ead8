/**
 * Cleanups: half-written files and locks go, and a hidden cursor comes back, before the process ends in the middle of its work. A program that is
 * interrupted calls cleanUp(); in one that is killed nothing here runs, and the next one that needs the name takes what was left.
 */
const cleanups = new Set<() => void>();
let begin: (() => void) | undefined;

/** Has `listen` called before any cleanup is registered: until then an interruption may end the program without any. */
export function beforeCleanups(listen: () => void): void {
  begin = listen;
}

/** Has cleanUp() call `clean`, which must be synchronous, until the returned function is called; that tells whether it was the first call. */
export function onInterrupt(clean: () => void): () => boolean {
  begin?.();
  cleanups.add(clean);
  return () => cleanups.delete(clean);
}

/** Runs all registered cleanups, the last registered first: what was made last may stand on what was made before. */
export function cleanUp(): void {
  for (const clean of [...cleanups].reverse()) {
    try {
      clean();
    } catch {
      // The process ends anyway, and the other cleanups still have to run.
    }
  }
  cleanups.clear();
}
