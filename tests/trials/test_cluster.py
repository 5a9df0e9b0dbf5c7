"""A search on a two-node Ray cluster that loses a node ends with the result that it has alone."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sparsenet.errors import ConfigError
from sparsenet.studies.study import StudyOptions, open_study
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.show import QuietStudy
from tests.small import write_solver
from tests.trials.test_local import NET, SOLVER

SEARCH = ("--density", "40%", "--cut", "50%", "--iters", "30")
SECONDS = 300.0

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: the extra sparsenet[ray]"
)

# In a process of its own: Ray starts threads and processes that no test should inherit.
CLUSTER = """
    import sys
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    node = cluster.add_node(num_cpus=1)
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "lose a node":
            cluster.remove_node(node, allow_graceful=False)
            print("lost", flush=True)
    cluster.shutdown()
"""


def _search(folder: Path, out: Path, *flags: str) -> subprocess.Popen[str]:
    solver = write_solver(folder, NET, SOLVER.format(updates=60))
    line = [sys.executable, "-m", "sparsenet", "search", str(solver), *SEARCH]
    return subprocess.Popen(
        [*line, "--output", str(out), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@needs_ray
def test_a_lost_node_changes_nothing(tmp_path: Path) -> None:
    alone = _search(tmp_path, tmp_path / "alone", "--jobs", "1")
    said, _ = alone.communicate(timeout=SECONDS)
    assert alone.returncode == 0, said
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CLUSTER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        out = tmp_path / "together"
        process = _search(tmp_path, out, "--cluster", address)
        try:
            _wait_for_lines(out / "trials.jsonl", 3, process)
            print("lose a node", file=cluster.stdin, flush=True)
            assert cluster.stdout.readline() == "lost\n"
            before = len((out / "trials.jsonl").read_text().splitlines())
            said, _ = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            cluster.stdin.close()
    assert process.returncode == 0, said
    rows = (tmp_path / "alone" / "front.csv").read_text()
    assert before < len(rows.splitlines()) - 1, "the node was lost too late"
    assert (out / "front.csv").read_text() == rows
    assert not (out / "token").exists()


def _wait_for_lines(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def _open(folder: Path, address: str) -> None:
    document = {"command": "search", "settings": {}, "configuration": {"net": {"layers": []}}}
    options = StudyOptions(cluster=address)
    with open_study(StudyFolder(folder), document, options, QuietStudy()):
        pass


@needs_ray
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "no Ray cluster answers: Connection refused"),
        ("127.0.0.1:99999", "no Ray cluster answers: "),
        ("nowhere", "is not auto, nor HOST:PORT"),
        ("auto", "no Ray cluster answers: Could not find any running Ray instance"),
    ],
)
def test_no_cluster_at_an_address_is_an_error_at_once(
    tmp_path: Path, address: str, words: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        _open(tmp_path, address)
    assert str(raised.value).startswith(f"--cluster {address}: {words}")


def test_without_ray_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"--cluster needs Ray.*pip install 'sparsenet\[ray\]'"):
        _open(tmp_path, "auto")
