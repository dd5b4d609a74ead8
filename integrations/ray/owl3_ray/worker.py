"""A long-lived `owl3 batch --stdin`: rows of JSON in, answers of JSON out, one model loaded once."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections import deque
from collections.abc import Iterable, Sequence
from threading import Thread
from typing import IO

#: Exit codes of owl3 that say that it can't work at all: usage, file, model, memory.
CANNOT_WORK = range(2, 6)


class WorkerError(Exception):
    """The worker can't work at all; the message is its own last sentence."""


class Worker:
    """Answers rows by an `owl3 batch --stdin` that lives as long as this object. It is started again if it ends."""

    def __init__(self, command: Sequence[str], folder: str | None = None) -> None:
        """Starts the process. `command` is the whole command line, with `--stdin`; `folder` is where it runs."""
        self._command = list(command)
        self._folder = folder
        self._process = self._start()

    def answer(self, rows: Iterable[str]) -> list[str]:
        """Returns a line for each row, in the rows' order. Rows and lines are JSON texts without a line break.
        Instead of a line there may be `{"id", "failed"}`, which says why there is none.

        Rows without an answer when the process ends are asked once more, one by one, so that a row that ends it does
        not take its neighbours along; that row has failed. Raises WorkerError if the process says that it
        can't work at all.
        """
        waiting = {_id(row): row for row in rows}
        lines = self._ask(list(waiting.values()))
        for row_id, row in waiting.items():
            if row_id not in lines:
                lines.update(self._ask([row]))
            if row_id not in lines:
                lines[row_id] = json.dumps({"id": row_id, "failed": self._last_words()})
        return [lines[row_id] for row_id in waiting]

    def close(self) -> None:
        """Ends the process: it stops at the end of its input."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, rows: Sequence[str]) -> dict[str, str]:
        """Asks all rows at once; returns the lines by id, fewer than rows if the process ended."""
        if self._process.poll() is not None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        # A thread writes, so that a full pipe can't stop both sides.
        writer = Thread(target=_write, args=(process.stdin, rows), daemon=True)
        writer.start()
        lines: dict[str, str] = {}
        for line in process.stdout:
            lines[_id(line)] = line.rstrip("\n")
            if len(lines) == len(rows):
                break
        else:
            if process.wait() in CANNOT_WORK:
                raise WorkerError(self._last_words())
        writer.join()
        return lines

    def _start(self) -> subprocess.Popen[str]:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                cwd=self._folder,
            )
        except OSError as error:
            raise WorkerError(f"{error.filename or self._command[0]} can't be run here: {error.strerror}.") from error
        self._errors: deque[str] = deque(maxlen=20)
        self._listener = Thread(target=_listen, args=(process.stderr, self._errors), daemon=True)
        self._listener.start()
        return process

    def _last_words(self) -> str:
        self._listener.join(timeout=5)  # what it said may still be on its way
        said = [line for line in self._errors if line.strip()]
        return said[-1] if said else f"{self._command[0]} ended with status {self._process.poll()}."


def _listen(stderr: IO[str], errors: deque[str]) -> None:
    for line in stderr:
        errors.append(line.rstrip("\n"))


def _write(stdin: IO[str], rows: Iterable[str]) -> None:
    # If the process has ended, the reader of its answers finds that out.
    with contextlib.suppress(OSError, ValueError):
        for row in rows:
            stdin.write(row + "\n")
        stdin.flush()


def _id(line: str) -> str:
    """Returns the id of a row or of its line; lines of OpenAI's format have it in `custom_id`."""
    given = json.loads(line)
    return str(given.get("custom_id", given["id"]))
