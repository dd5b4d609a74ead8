"""A cluster of two nodes on this machine, one of which is lost in mid-run: the file is that of a local run."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread

import pytest
from ray.cluster_utils import Cluster

ROOT = Path(__file__).parents[3]
OWL3 = ROOT / "bin" / "owl3.js"
QUESTION = ["-p", "What is in the picture?", "--no-cache"]
ROWS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of the example pictures, and a file that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    pictures = sorted((ROOT / "examples").glob("*.png"))
    for number in range(ROWS - 1):
        shutil.copy(pictures[number % len(pictures)], folder / f"{number:03}.png")
    (folder / "broken.png").write_text("no picture")
    return folder


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    yield cluster
    cluster.shutdown()


def local(folder: Path) -> bytes:
    """The sorted results of a run without a cluster."""
    command = [str(OWL3), "batch", ".", "-o", "../local.jsonl", "-q", *QUESTION]
    assert subprocess.run(command, cwd=folder, check=False).returncode == 6
    return sorted_lines(folder / ".." / "local.jsonl")


def sorted_lines(file: Path) -> bytes:
    return b"".join(sorted(file.read_bytes().splitlines(keepends=True)))


def owl3_ray(folder: Path, address: str, *options: str, question: Sequence[str] = QUESTION) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "owl3_ray", "batch", ".", "-o", "../ray.jsonl", "--address", address]
    command += ["--owl3", str(OWL3), "--cpus", "1", "--rows-per-task", "2", *options, "--", *question]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def rows_in(file: Path) -> int:
    return len(file.read_bytes().splitlines()) if file.exists() else 0


def test_a_node_is_lost(folder: Path, cluster: Cluster) -> None:
    node = cluster.add_node(num_cpus=2)
    process = owl3_ray(folder, cluster.address)
    lost_at = []

    def lose() -> None:
        while rows_in(folder / ".." / "ray.jsonl") < ROWS // 6:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        lost_at.append(rows_in(folder / ".." / "ray.jsonl"))

    Thread(target=lose, daemon=True).start()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 6, errors  # one of the files is no picture
    assert lost_at and lost_at[0] < ROWS
    assert sorted_lines(folder / ".." / "ray.jsonl") == local(folder)


def test_what_has_a_result_is_not_asked_again(folder: Path, cluster: Cluster) -> None:
    file = folder / ".." / "ray.jsonl"
    whole = file.read_bytes().splitlines(keepends=True)
    kept = b"".join(whole[:-5])
    file.write_bytes(kept + whole[-5][:20])  # the last line is torn
    process = owl3_ray(folder, cluster.address, "--workers", "1")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 6, errors
    assert file.read_bytes().startswith(kept)
    assert rows_in(file) == ROWS


def test_another_model_or_question_is_refused(folder: Path, cluster: Cluster) -> None:
    process = owl3_ray(folder, cluster.address, question=["-p", "Why?"])
    _, errors = process.communicate(timeout=300)
    assert (process.returncode, "prompt" in errors) == (2, True), errors
