import { describe, expect, test } from "vitest";
import { runRows } from "../../../src/rows/loop.js";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** A source that tells how much of it was read. */
function counted(n: number) {
  const source = {
    read: 0,
    async *[Symbol.asyncIterator]() {
      for (let i = 0; i < n; i++) {
        source.read++;
        yield i;
      }
    },
  };
  return source;
}

describe("runRows", () => {
  test("gives each row one of the places, and begins a few more ahead", async () => {
    let begun = 0;
    let working = 0;
    const most = { begun: 0, working: 0 };
    const emitted: number[] = [];
    const work = async (row: number, place: () => Promise<void>): Promise<number> => {
      most.begun = Math.max(most.begun, ++begun);
      await pause(1);
      await place();
      most.working = Math.max(most.working, ++working);
      await pause(1 + (row % 3));
      working--;
      begun--;
      return row;
    };
    await runRows(counted(40), work, (line) => emitted.push(line), { concurrency: 3, ahead: 2 });
    expect(most).toEqual({ begun: 5, working: 3 });
    expect(emitted.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  test("ordered: lines come in the order of rows, and no row is far ahead of one that takes long", async () => {
    const source = counted(200);
    let release = (): void => {};
    const blocked = new Promise<void>((resolve) => {
      release = resolve;
    });
    const emitted: number[] = [];
    const running = runRows(
      source,
      async (row) => {
        if (row === 2) await blocked;
        else await pause(row % 2);
        return row;
      },
      (line) => emitted.push(line),
      { concurrency: 4, ordered: true },
    );
    await pause(100);
    expect(emitted).toEqual([0, 1]);
    expect(source.read).toBeLessThanOrEqual(2 + 16);
    release();
    await running;
    expect(emitted).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test("once aborted it begins nothing, finishes what is under way, and does not wait for a source that is silent", async () => {
    const stop = new AbortController();
    const emitted: number[] = [];
    async function* silent() {
      yield 0;
      yield 1;
      await new Promise(() => {});
    }
    const running = runRows(
      silent(),
      async (row) => {
        await pause(20);
        return row;
      },
      (line) => emitted.push(line),
      { concurrency: 3, signal: stop.signal },
    );
    await pause(5);
    stop.abort();
    await running;
    expect(emitted).toEqual([0, 1]);
  });

  test.each([false, true])("an error ends it once the rows under way are done (ordered: %s)", async (ordered) => {
    const source = counted(100);
    const emitted: number[] = [];
    const running = runRows(
      source,
      async (row) => {
        await pause(row === 1 ? 1 : 20);
        if (row === 1) throw new Error("broken");
        return row;
      },
      (line) => emitted.push(line),
      { concurrency: 4, ordered },
    );
    await expect(running).rejects.toThrow("broken");
    expect(emitted.sort()).toEqual([0, 2, 3]);
    expect(source.read).toBeLessThan(8);
  });

  test("a source that fails, and a line that can't be emitted, end it", async () => {
    async function* bad() {
      yield 1;
      throw new Error("no more");
    }
    const emitted: number[] = [];
    await expect(
      runRows(
        bad(),
        async (row) => row,
        (line) => emitted.push(line),
        { concurrency: 2 },
      ),
    ).rejects.toThrow("no more");
    expect(emitted).toEqual([1]);
    const full = (): void => {
      throw new Error("disk full");
    };
    await expect(runRows([1, 2, 3], async (row) => row, full, { concurrency: 1 })).rejects.toThrow("disk full");
  });
});
