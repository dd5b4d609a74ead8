"""The worker process: answers, ends, restarts. A small program plays `owl3 batch --stdin`."""

import json
import sys
from pathlib import Path

import pytest

from owl3_ray.worker import Worker, WorkerError

PROGRAM = """
import json, os, sys
with open(sys.argv[1], "a") as starts:
    starts.write("start\\n")
for line in sys.stdin:
    row = json.loads(line)
    if row["value"]["prompt"] == "die":
        print("the engine is out of luck.", file=sys.stderr)
        os._exit(134)
    if row["value"]["prompt"] == "model":
        print("no such model.", file=sys.stderr)
        os._exit(4)
    print(json.dumps({"id": row["id"], "text": row["value"]["prompt"].upper()}), flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """The command line of the program; it counts its starts in the file that is its last argument."""
    (tmp_path / "program.py").write_text(PROGRAM)
    return [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "starts")]


def starts(program: list[str]) -> int:
    return len(Path(program[-1]).read_text().splitlines())


def row(number: int, prompt: str) -> str:
    return json.dumps({"id": str(number), "index": number, "value": {"prompt": prompt}})


def test_answers_in_order_by_one_process(program: list[str]) -> None:
    worker = Worker(program)
    assert [json.loads(line)["text"] for line in worker.answer([row(1, "a"), row(2, "b")])] == ["A", "B"]
    assert [json.loads(line)["text"] for line in worker.answer([row(3, "ü")])] == ["Ü"]
    worker.close()
    assert starts(program) == 1


def test_more_rows_than_a_pipe_holds(program: list[str]) -> None:
    worker = Worker(program)
    lines = worker.answer(row(i, "x" * 1000) for i in range(500))
    worker.close()
    assert [json.loads(line)["id"] for line in lines] == [str(i) for i in range(500)]


def test_a_row_that_ends_the_process_takes_no_neighbour_along(program: list[str]) -> None:
    worker = Worker(program)
    lines = [json.loads(line) for line in worker.answer([row(1, "a"), row(2, "die"), row(3, "c"), row(4, "d")])]
    worker.close()
    assert [line.get("text") for line in lines] == ["A", None, "C", "D"]
    assert lines[1] == {"id": "2", "failed": "the engine is out of luck."}


def test_lines_in_openai_s_format(tmp_path: Path) -> None:
    (tmp_path / "openai.py").write_text(
        "import json, sys\nfor line in sys.stdin: print(json.dumps("
        '{"id": "batch_req_7", "custom_id": json.loads(line)["id"]}), flush=True)'
    )
    worker = Worker([sys.executable, str(tmp_path / "openai.py")])
    assert [json.loads(line)["custom_id"] for line in worker.answer([row(7, "a")])] == ["7"]
    worker.close()


def test_a_worker_that_cannot_work_says_why(program: list[str]) -> None:
    with pytest.raises(WorkerError, match=r"no such model\."):
        Worker(program).answer([row(1, "model")])


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"nowhere can't be run here: No such file"):
        Worker([str(tmp_path / "nowhere")])
