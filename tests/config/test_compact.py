"""YAML in few lines: the same data, laid out as the shipped files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.config.compact import write_compact
from sparsenet.config.read import parse_yaml, read_yaml

CONFIGS = Path(__file__).parents[2] / "configs"
_TEXTS = st.text(max_size=120) | st.sampled_from(["null", "1e3", "a: b", "#", "[x", "on", "- a"])
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXTS, inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(_TEXTS, _PLAIN, max_size=6))
def test_it_reads_back_unchanged(data: dict[str, Any]) -> None:
    document = parse_yaml(write_compact(data), "x")
    assert document.problems == []
    assert document.data == data
    assert list(document.data) == list(data)


@pytest.mark.parametrize(
    "net",
    ["mnist/nets/lenet.yaml", "imagenet/nets/alexnet.yaml", "cifar10/quick.yaml"],
)
def test_a_shipped_file_is_laid_out_as_it_is(net: str) -> None:
    """But that a layer which fits is always in one line, which some shipped ones are not."""
    text = "".join(
        line
        for line in (CONFIGS / net).read_text(encoding="utf-8").splitlines(keepends=True)
        if not line.startswith("#")
    )
    written = write_compact(read_yaml(CONFIGS / net).data)
    ours = written.splitlines()
    assert max(map(len, ours)) <= 100
    assert len(ours) <= len(text.splitlines())
    flow = [line for line in text.splitlines() if line.startswith("  - {")]
    assert set(flow) <= set(ours)
