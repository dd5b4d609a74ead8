"""What the Python peers have in common: pieces of work are asked for, one JSON line each is the answer.

A piece of work is "vision", "prefill:TOKENS" or "decode". They come from the command line, or from stdin when there is
none, one on a line, so that compare.py can ask in turns and load each model once. The first line printed says what
answers.
"""

import json
import statistics
import sys
import time

PROMPT = 74  # tokens before the first decoded one
STEPS = 24  # tokens decoded in a row


def add_arguments(parser):
    parser.add_argument("work", nargs="*", help="vision, prefill:74, prefill:512, decode; stdin without any")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reps", type=int, default=2, help="best of so many runs, after one that warms up")


def answer(arguments, about, prepare):
    """Measures each piece of work. prepare(name, tokens) returns a function, and by how much to divide its time."""
    print(json.dumps(about), flush=True)
    warm, (run, per) = None, (None, 1)
    for line in arguments.work or sys.stdin:
        work = line.strip()
        if work != warm:
            run = None  # what the work before needed is freed first
            name, _, tokens = work.partition(":")
            run, per = prepare(name, int(tokens or PROMPT))
            run()
            warm = work
        times = []
        for _ in range(arguments.reps):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) / per)
        print(json.dumps({"work": work, "best": min(times), "median": statistics.median(times)}), flush=True)
