"""`--budget`: the packed file on the disk is within it, or the exit code says so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sparsenet.cli.main import run
from sparsenet.packed.file import read_packed

Captured = pytest.CaptureFixture[str]


def test_train_ends_with_a_file_within_the_budget(solver: Path, capsys: Captured) -> None:
    # 128 nonzero weights of 640 and 10 biases take some 700 bytes, the description 1,200.
    arguments = ["train", str(solver), "--output=run", "--quiet", "--budget=4KiB"]
    assert run(arguments) == 0
    size = Path("run/packed.safetensors").stat().st_size
    line = f"run/packed.safetensors: {size:,} bytes, within the budget of 4,096"
    assert capsys.readouterr().out.splitlines()[-1] == line
    assert size < 4096
    assert read_packed(Path("run/packed.safetensors")).nonzeros == 128


def test_a_file_over_the_budget_is_kept_and_the_target_missed(
    solver: Path, capsys: Captured
) -> None:
    arguments = ["train", str(solver), "--output=run", "--quiet", "--json", "--budget"]
    assert run([*arguments, "1500"]) == 3
    told = json.loads(capsys.readouterr().out)["packed"]
    size = Path("run/packed.safetensors").stat().st_size
    assert told == {"file": "run/packed.safetensors", "bytes": size, "budget": 1500}
    assert size > 1500
    # A run that is finished is packed again, for another budget.
    assert run([*arguments, str(size), "--resume=auto"]) == 0
    assert run([*arguments, str(size - 1), "--resume=auto"]) == 3


def test_a_budget_that_nothing_could_keep_is_refused_before_training(
    solver: Path, capsys: Captured
) -> None:
    assert run(["train", str(solver), "--budget=800B"]) == 2
    words = "error: --budget of 800 bytes: cannot be met: what no l0, l1 or shrink makes sparse"
    assert capsys.readouterr().err.startswith(words)
    assert run(["train", str(solver), "--budget=much"]) == 2
    words = "error: --budget much: is not a size such as 64KiB, 1.5MiB or 65536\n"
    assert capsys.readouterr().err == words
    assert not Path("runs").exists()


def test_a_dry_run_says_whether_the_file_will_keep_it(solver: Path, capsys: Captured) -> None:
    assert run(["train", str(solver), "--output=run", "--quiet", "--budget=4KiB"]) == 0
    size = Path("run/packed.safetensors").stat().st_size
    capsys.readouterr()
    dry = ["train", str(solver), "--dry-run", "--budget"]
    assert run([*dry, "4KiB"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    found = re.fullmatch(r"Packed: at most ([\d,]+) bytes, within the budget of 4,096", said)
    assert found is not None, said
    most = int(found[1].replace(",", ""))
    assert size <= most < size + 512
    assert run([*dry, str(most - 1)]) == 0
    words = f"possibly OVER the budget of {most - 1:,}, by up to 1"
    assert capsys.readouterr().out.splitlines()[-1] == f"Packed: at most {most:,} bytes, {words}"
    for budget, fits in ((most, True), (most - 1, False)):
        assert run([*dry, str(budget), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["packed"] == {"most": most, "budget": budget, "fits": fits}
        assert told["layers"][0]["nonzeros"] == 128
    assert run([*dry, "800B"]) == 2
    assert "cannot be met" in capsys.readouterr().err


@pytest.mark.usefixtures("inline")
def test_search_ends_with_a_file_within_the_budget(solver: Path, capsys: Captured) -> None:
    arguments = ["search", str(solver), "--iters=5", "--output=found", "--quiet", "--budget=2600"]
    assert run(arguments) == 0
    size = Path("found/packed.safetensors").stat().st_size
    line = f"found/packed.safetensors: {size:,} bytes, within the budget of 2,600"
    assert capsys.readouterr().out.splitlines()[-1] == line
    assert size <= 2600
    before = read_packed(Path("found/packed.safetensors"))
    # It stops at the first network that keeps it: a fifth more weights would be over.
    assert size + 0.25 * 4 * before.nonzeros > 2600 - 300


@pytest.mark.usefixtures("inline")
def test_a_search_counts_the_description(solver: Path, capsys: Captured) -> None:
    assert run(["search", str(solver), "--budget=1000", "--output=found"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: --budget 1000: cannot be met: one weight a layer comes to 1 ")
    assert "bytes are the file's description" in said
