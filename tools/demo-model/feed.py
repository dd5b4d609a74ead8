"""Makes training packs in other processes, so that drawing never waits for the training step or the other way round."""

from __future__ import annotations

import multiprocessing as mp
import os
import random


def _work(make, seed, stage, start, stride, queue):
    os.nice(5)
    os.environ["OMP_NUM_THREADS"] = "1"
    i = start
    while True:
        queue.put((i, make(random.Random(f"{seed}/{stage}/{i}"), i)))
        i += stride


class Feed:
    """Packs start, start + stride, ...

    Pack i depends on seed, stage and i only, so a resumed run sees what an unbroken one would have.
    """

    def __init__(self, make, seed, stage, start=0, stride=1, ahead=6):
        ctx = mp.get_context("fork")
        self.queue = ctx.Queue(ahead)
        self.next, self.stride = start, stride
        self.process = ctx.Process(target=_work, args=(make, seed, stage, start, stride, self.queue), daemon=True)
        self.process.start()

    def get(self):
        i, pack = self.queue.get()
        assert i == self.next
        self.next += self.stride
        return pack

    def close(self):
        self.process.terminate()
