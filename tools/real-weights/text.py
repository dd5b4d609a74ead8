#!/usr/bin/env python3
"""Writes the text that is measured: English prose and Python code by turns, out of a wheel of scikit-learn 1.7.2.

text.py WHEELS OUT.txt
"""

import sys
import zipfile
from pathlib import Path

PIECE = 5000  # characters
PIECES = [
    "datasets/descr/lfw.rst",
    "cluster/_bisect_k_means.py",
    "datasets/descr/twenty_newsgroups.rst",
    "isotonic.py",
    "datasets/descr/kddcup99.rst",
    "tree/_export.py",
]


def main() -> None:
    (wheel,) = Path(sys.argv[1]).glob("scikit_learn-1.7.2-*.whl")
    with zipfile.ZipFile(wheel) as z:
        pieces = [z.read(f"sklearn/{name}").decode()[:PIECE] for name in PIECES]
    Path(sys.argv[2]).write_text("\n".join(pieces))


if __name__ == "__main__":
    main()
