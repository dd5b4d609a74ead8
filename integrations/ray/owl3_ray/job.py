"""Spreads rows over the nodes of a Ray cluster by Ray Data, which places, restarts and repeats."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.data

from owl3_ray.worker import Worker, WorkerError


@dataclass(frozen=True)
class Spread:
    """How a job is laid over a cluster."""

    #: CPUs that Ray reserves for each worker.
    cpus: int
    #: GPUs that Ray reserves for each worker.
    gpus: float
    #: Workers at most; None: as many as the nodes have CPUs for, with one CPU of each node left to Ray.
    workers: int | None
    #: Rows that a worker takes at a time: as many are repeated if its node is lost.
    rows_per_task: int


class Answer:
    """The actor of a node: holds one worker, and with it one loaded model."""

    def __init__(self, command: Sequence[str], folder: str) -> None:
        self._command = command
        self._folder = folder
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        # A problem is a column of its own, and nothing is started in __init__: Ray repeats what raises, and wraps
        # its sentence into many lines.
        rows = [str(row) for row in batch["row"]]
        try:
            self._worker = self._worker or Worker(self._command, self._folder)
            return {"line": self._worker.answer(rows), "problem": [""] * len(rows)}
        except WorkerError as error:
            return {"line": [""] * len(rows), "problem": [str(error)] * len(rows)}


def connect(address: str | None) -> None:
    """Connects to the cluster at an address; None: that of RAY_ADDRESS, or a new one on this machine.

    Raises ConnectionError if there is none.
    """
    # Left to itself, Ray would look for a cluster that ran on this machine once, and wait long for it.
    ray.init(address=address or os.environ.get("RAY_ADDRESS") or "local", log_to_driver=False, logging_level="error")
    # The relay tells the progress.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False


def answers(rows: Sequence[str], command: Sequence[str], spread: Spread) -> Iterator[str]:
    """Yields the lines of all rows while the job runs, in the order in which they are done.

    `command` is the worker's command line; it is run in this process's folder on every node. Call connect() before.
    Raises WorkerError if the workers can't work at all.
    """
    blocks = -(-len(rows) // spread.rows_per_task)
    # The rows lie with the driver, so that the loss of a node never makes them be read again, for which a CPU
    # would be needed that the restarted workers may have taken.
    data = ray.data.from_items([{"row": row} for row in rows], override_num_blocks=blocks)
    answered = data.map_batches(
        Answer,
        fn_constructor_args=(list(command), str(Path.cwd())),
        batch_size=spread.rows_per_task,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=spread.workers or room_for_workers(spread)),
        num_cpus=spread.cpus,
        num_gpus=spread.gpus or None,
    )
    # Rows are yielded as they come: a writer of Ray Data would write at the very end, and a failure leave nothing.
    for row in answered.iter_rows():
        if row["problem"]:
            raise WorkerError(str(row["problem"]))
        yield str(row["line"])


def room_for_workers(spread: Spread) -> int:
    """Returns how many workers the cluster has room for; at least 1."""
    room = 0
    for node in ray.nodes():
        if node["Alive"]:
            have = node["Resources"]
            of_cpus = int(have.get("CPU", 0) - 1) // spread.cpus
            room += min(of_cpus, int(have.get("GPU", 0) / spread.gpus)) if spread.gpus else of_cpus
    return max(1, room)
