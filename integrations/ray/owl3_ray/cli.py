"""The command `owl3-ray`."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import takewhile

from owl3_ray.job import Spread, answers, connect
from owl3_ray.worker import WorkerError

EXAMPLE = """\
example:
  owl3-ray batch rows.jsonl -o captions.jsonl -- -m 2b -p "One-line caption"

What follows -- are options of `owl3 batch`. The same command goes on with a run that was interrupted.
The model, owl3 and the pictures must be found under the same names on every node.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code, which is that of `owl3 batch`."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    owl3 = [arguments.owl3, "batch"]
    # This process reads the rows, knows which are done, and writes the file; it asks nothing itself.
    relay = subprocess.Popen(
        [*owl3, *arguments.inputs, "-o", arguments.output, "--relay", *arguments.options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert relay.stdin is not None and relay.stdout is not None
    rows = [line.rstrip("\n") for line in takewhile(lambda line: line != "\n", relay.stdout)]
    problem = None
    if rows:
        command = [
            *owl3,
            "--stdin",
            "--input",
            "relayed",
            "--quiet",
            "--threads",
            str(arguments.cpus),
            *arguments.options,
        ]
        spread = Spread(arguments.cpus, arguments.gpus, arguments.workers, arguments.rows_per_task)
        try:
            connect(arguments.address)
            for line in answers(rows, command, spread):
                relay.stdin.write(line + "\n")
                relay.stdin.flush()
        except (WorkerError, ConnectionError, BrokenPipeError) as error:
            problem = error
    with contextlib.suppress(BrokenPipeError):
        relay.stdin.close()
    status = relay.wait()
    if problem is None or isinstance(problem, BrokenPipeError):
        return status  # if the relay has ended early, it has said why
    print(f"owl3-ray: {problem}", file=sys.stderr)
    return 1


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parses the command line; ends the process with status 2 and one sentence if it is wrong."""
    argv = list(argv)
    own = argv[: argv.index("--")] if "--" in argv else argv
    parser = argparse.ArgumentParser(
        prog="owl3-ray",
        description="Asks questions about many pictures and clips on the machines of a Ray cluster.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXAMPLE,
    )
    batch = parser.add_subparsers(required=True).add_parser(
        "batch",
        help="run `owl3 batch` on all nodes",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXAMPLE,
    )
    batch.add_argument("inputs", nargs="+", metavar="INPUT", help="what `owl3 batch` reads: files, folders, globs")
    batch.add_argument("-o", "--output", required=True, metavar="FILE", help="the JSONL file that is written")
    batch.add_argument("--address", metavar="A", help="the cluster's address (default: RAY_ADDRESS, or this machine)")
    batch.add_argument("--workers", type=positive, metavar="N", help="workers at most (default: as many as fit)")
    batch.add_argument(
        "--cpus", type=positive, default=max(1, (os.cpu_count() or 2) - 1), metavar="N", help="threads of a worker"
    )
    batch.add_argument("--gpus", type=float, default=0, metavar="X", help="GPUs of a worker (default: 0)")
    batch.add_argument(
        "--rows-per-task", type=positive, default=8, metavar="N", help="rows that a worker takes at a time (default: 8)"
    )
    batch.add_argument("--owl3", default="owl3", metavar="PATH", help="the program owl3 on every node")
    arguments = parser.parse_args(own)
    arguments.options = argv[len(own) + 1 :]
    return arguments


def positive(text: str) -> int:
    """Parses a positive integer."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number
