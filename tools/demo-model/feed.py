"""Makes training packs in other processes, so that drawing never waits for the training step or the other way round."""
from __future__ import annotations
import multiprocessing as mp, os, random


def _work(make, seed, stage, start, stride, queue):
    os.nice(5)
    os.environ["OMP_NUM_THREADS"] = "1"
    i = start
    while True:
        queue.put((i, make(random.Random(f"{seed}/{stage}/{i}"), i)))
        i += stride


class Feed:
    """Pack i depends on seed, stage and i only, so that a resumed run sees what an unbroken one would have."""

    def __init__(self, make, seed, stage, start=0, workers=1, ahead=6):
        ctx = mp.get_context("fork")
        self.queues = [ctx.Queue(ahead) for _ in range(workers)]
        self.next = start
        self.start = start
        self.processes = [ctx.Process(target=_work, args=(make, seed, stage, start + k, workers, q), daemon=True) for k, q in enumerate(self.queues)]
        for p in self.processes:
            p.start()

    def get(self):
        i, pack = self.queues[(self.next - self.start) % len(self.queues)].get()
        assert i == self.next
        self.next += 1
        return pack

    def close(self):
        for p in self.processes:
            p.terminate()
