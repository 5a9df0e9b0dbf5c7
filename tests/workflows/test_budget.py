"""What a packed file takes at most is known before the training, from its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sparsenet.checkpoint import Constraint
from sparsenet.config.load import Configuration
from sparsenet.errors import ConfigError
from sparsenet.packed.file import packed_bytes
from sparsenet.workflows.budget import description_bytes, promise_of
from tests.data.image_folder import make_folder
from tests.small import configured, inner_product, net_data
from tests.workflows.packing import packed_with


def l0(t: int, **keys: Any) -> dict[str, Any]:
    return {"type": "l0", "t": t, **keys}


def most(configuration: Configuration) -> int:
    found = promise_of(configuration, 2**40).most
    assert found is not None
    return found


MANY = [(50 + 7 * place % 11, 37 + 211 * place % 1999) for place in range(60)]


@settings(max_examples=15, deadline=None)
@example(MANY)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 2000)), min_size=1, max_size=30))
def test_no_file_is_larger_than_was_promised(layers: list[tuple[int, int]]) -> None:
    counts, before, records = {}, 64, []
    for place, (outputs, t) in enumerate(layers):
        counts[name := f"layer{place}"] = min(t, outputs * before)
        rule = {"regularization": l0(counts[name])}
        records.append(inner_product(name, outputs, **rule))
        before = outputs
    records.append(inner_product("ip", 10, regularization=l0(1)))
    configuration = configured(net_data(*records))
    packed = packed_with(configuration, counts | {"ip": 1})
    size = len(packed_bytes(packed))
    assert size <= most(configuration)
    assert size - packed.payload_bytes <= description_bytes(configuration, packed.constraints)


def test_a_group_is_one_constraint_of_the_description() -> None:
    shared = {"regularization": l0(300, group="all")}
    layers = [inner_product(name, 20, **shared) for name in ("one", "two")]
    configuration = configured(net_data(*layers, inner_product("ip", 10)))
    held = (Constraint("all", ("one.weight", "two.weight"), 300),)
    packed = packed_with(configuration, {"one": 229, "two": 71, "ip": 200}, held)
    size = len(packed_bytes(packed))
    assert size <= most(configuration) < size + 700


def test_the_names_of_classes_are_a_part_of_the_description(tmp_path: Path) -> None:
    names = tuple(f"{7919 * place % 10**6:06} {place}" for place in range(100))
    folder = make_folder(tmp_path, train=1, val=1, classes=names)
    data = {"source": "ImageFolder", "root": str(folder), "transform": {"resize": [8, 8]}}
    configuration = configured(net_data(inner_product("ip", 100), **data))
    counts = {"ip": 100 * 3 * 64}
    packed = packed_with(configuration, counts, (), tuple(sorted(names)))
    size = len(packed_bytes(packed))
    assert size <= most(configuration) < size + 512
    # Where they are not to be had yet, it is told when the data are read.
    elsewhere = configured(
        net_data(inner_product("ip", 100), **data | {"root": str(tmp_path / "a")})
    )
    assert most(elsewhere) < size


def test_what_nothing_could_keep_is_refused() -> None:
    configuration = configured(net_data(inner_product("ip", 10)))
    with pytest.raises(ConfigError, match=r"^--budget of 900 bytes: cannot be met"):
        promise_of(configuration, 900)
