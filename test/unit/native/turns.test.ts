import { expect, test } from "vitest";
import { Turns } from "../../../src/native/turns.js";

/** Turns on a clock that only calls move; `log` says whose calls ran, in order. */
function timed() {
  let now = 0;
  const log: string[] = [];
  const turns = new Turns(() => now);
  const call =
    (name: string, ms: number, alone?: boolean[]) =>
    async (isAlone: boolean): Promise<string> => {
      alone?.push(isAlone);
      log.push(name);
      await null;
      now += ms;
      return name;
    };
  /** Asks `n` times, each time when the last call is over. */
  const client = async (name: string, ms: number, n: number, alone?: boolean[]): Promise<void> => {
    const owner = {};
    for (let i = 0; i < n; i++) expect(await turns.take(owner, call(name, ms, alone))).toBe(name);
  };
  return { turns, log, client, call };
}

test("turns: a long call of one is followed by as much time of the other's short ones", async () => {
  const { log, client } = timed();
  await Promise.all([client("crop", 100, 4), client("pass", 10, 31)]);
  const runs = log.join(" ").match(/crop|(pass ?)+/g) ?? [];
  expect(runs.map((run) => run.trim().split(" ").length)).toEqual([1, 10, 1, 10, 1, 10, 1, 1]);
});

test("turns: who was idle has saved nothing up", async () => {
  const { log, client } = timed();
  await client("crop", 100, 5);
  await Promise.all([client("crop", 100, 2), client("pass", 10, 30)]);
  expect(log.slice(5).lastIndexOf("crop")).toBeLessThanOrEqual(12);
});

test("turns: `alone` is whether nobody else waits", async () => {
  const { client } = timed();
  const alone: boolean[] = [];
  await Promise.all([client("crop", 10, 4, alone), client("pass", 10, 2)]);
  expect(alone).toEqual([false, false, true, true]);
});

test("turns: all who are answered ask again before the next is chosen", async () => {
  const { turns, log, call } = timed();
  const [a, b] = [{}, {}];
  const first = turns.take(a, call("a", 1)).then(async () => {
    for (let i = 0; i < 20; i++) await null; // a client's own promises
    return turns.take(a, call("a", 1));
  });
  await Promise.all([first, turns.take(b, call("b", 1000)).then(() => turns.take(b, call("b", 1000)))]);
  expect(log).toEqual(["a", "b", "a", "b"]);
});

test("turns: what one throws is its own", async () => {
  const { turns, call } = timed();
  const failing = turns.take({}, () => Promise.reject(new Error("no")));
  const other = turns.take({}, call("other", 1));
  await expect(failing).rejects.toThrow("no");
  expect(await other).toBe("other");
  expect(await turns.take({}, call("later", 1))).toBe("later");
});
