"""What is copied from a report is what a shell and a solver file read."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.config.read import parse_yaml
from sparsenet.report.solver_line import regularization_line, solver_command
from tests.report.samples import EVIL


def test_the_line_is_as_one_writes_it() -> None:
    line = regularization_line({"conv1": 1920, "layer1/0/conv2": 7})
    assert line == (
        "regularization: {conv1: {type: l0, t: 1920}, layer1/0/conv2: {type: l0, t: 7}}"
    )
    assert regularization_line({}) == "regularization: {}"


# What YAML does not allow even when escaped are surrogates, which no file in UTF-8 holds either.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.dictionaries(NAMES | st.sampled_from([EVIL, "null", "True", "1", "a: b", "-"]),
                       st.integers(0, 10**9), max_size=4))  # fmt: skip
def test_any_name_is_read_again(counts: dict[str, int]) -> None:
    line = regularization_line(counts)
    document = parse_yaml(line, "copied")
    assert document.problems == []
    expected = {name: {"type": "l0", "t": count} for name, count in counts.items()}
    assert document.data == {"regularization": expected}
    assert line.isprintable()


@pytest.mark.parametrize("folder", ["runs/search", "my runs/a'b", "$(reboot)"])
def test_a_shell_reads_the_words_of_the_command(folder: str) -> None:
    command = solver_command("configs/a b.yaml", folder, 5000)
    assert shlex.split(command) == [
        *("sparsenet", "search", "configs/a b.yaml", "--output", folder, "--write-solver", "5000")
    ]
