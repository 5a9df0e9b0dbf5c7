"""The autotune: what it chooses among, that it chooses the fastest, and its cache."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sparsenet.execution import sparse_net, tuning
from sparsenet.execution.candidates import Candidates
from sparsenet.execution.choice import Choice, key_of, store_choice, stored_choice
from sparsenet.execution.sparse_net import batch_class
from sparsenet.execution.timed import Timed
from sparsenet.execution.walk import Walk
from sparsenet.execution.whole import Whole, shares
from sparsenet.net import Net
from sparsenet.packed.model import PackedModel
from tests.execution.packed_nets import images_of, loaded, packed_net, small_solver
from tests.program.sparse_nets import NEEDS_COMPILER
from tests.small import convolution, inner_product

ALLOWED = {"conv": ["program", "decoded"], "ip": ["program", "decoded"]}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sparsenet" / "autotune"


def small(density: float = 0.2) -> tuple[PackedModel, Net]:
    return packed_net(small_solver(convolution("conv", 4), inner_product("ip", 10)), density)


def slowed(kind: type[Whole | Walk], monkeypatch: pytest.MonkeyPatch, layer: str = "") -> None:
    """Let runs of a kind take longer: of a walk one layer, of a program all of it."""
    call, timed = kind.__call__, kind.timed

    def slow_call(self: Whole | Walk, images: object) -> object:
        time.sleep(0.01)
        return call(self, images)  # type: ignore[arg-type]

    def slow_timed(self: Whole | Walk, images: object) -> list[Timed]:
        return [
            Timed(one.layers, one.method, one.seconds + 0.01 * (layer in one.layers[0]))
            for one in timed(self, images)  # type: ignore[arg-type]
        ]

    monkeypatch.setattr(kind, "__call__", slow_call)
    monkeypatch.setattr(kind, "timed", slow_timed)


@NEEDS_COMPILER
def test_the_program_is_chosen_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    model, net = small()
    slowed(Walk, monkeypatch)
    choice = loaded(model).choice(images_of(net, 1))
    assert (choice.group, choice.methods) == (1, {"conv": "program", "ip": "program"})
    assert list(choice.milliseconds) == ["program, 1 at a time"]


@NEEDS_COMPILER
def test_layers_go_their_own_ways_where_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    model, net = small()
    slowed(Whole, monkeypatch, "conv")
    choice = loaded(model).choice(images_of(net, 9))
    assert choice.group is None
    assert choice.methods["conv"] == "decoded"
    assert set(choice.milliseconds) >= {"program, 8 at a time", "layer by layer"}


@NEEDS_COMPILER
def test_what_a_program_computes_together_is_compared_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torch's pooling counts as the convolution's time, where the program pools with it."""
    pool = {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2}
    model, net = packed_net(
        small_solver(convolution("conv", 4), pool, inner_product("ip", 10)), 0.2
    )
    candidates = loaded(model)._candidates  # type: ignore[attr-defined]
    whole = candidates.whole(1)
    assert whole.joined == {"conv": "conv", "pool": "conv", "ip": "ip"}
    slowed(Walk, monkeypatch, "pool")
    times = tuning._layer_times(candidates, images_of(net, 1), whole)
    assert times["decoded"]["conv"] > 0.01
    assert set(times["decoded"]) == set(times["program"]) == {"conv", "ip"}


@NEEDS_COMPILER
def test_dense_is_for_layers_that_are_held_so_alone() -> None:
    model, _ = small(1.0)
    candidates = loaded(model)._candidates  # type: ignore[attr-defined]
    assert isinstance(candidates, Candidates)
    assert candidates.allowed("conv") == ["program", "dense"]
    weight = candidates.walk({"conv": "dense"}, False).modules["conv"].weight
    packed = candidates.weights.packed["conv"]
    assert weight.data_ptr() == packed.codes.ctypes.data  # type: ignore[operator, union-attr]
    model, _ = small()
    assert loaded(model)._candidates.allowed("conv") == ["program", "decoded"]  # type: ignore[attr-defined]


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each autotune is of, from now on."""
    counts: list[int] = []
    real: Callable[..., Choice] = tuning.tuned

    def tuned(candidates: Candidates, images: object) -> Choice:
        counts.append(len(images))  # type: ignore[arg-type]
        return real(candidates, images)  # type: ignore[arg-type]

    monkeypatch.setattr(sparse_net, "tuned", tuned)
    return counts


def test_a_choice_is_measured_once(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, net = small()
    counts = counting(monkeypatch)
    for _ in range(2):
        runs = loaded(model)
        for count in (0, 1, 5, 7, 8):
            runs(images_of(net, count))
    assert counts == [1, 5]
    assert len(list(own_cache.iterdir())) == 2
    loaded(model, threads=2)(images_of(net, 1))
    loaded(small(0.3)[0])(images_of(net, 1))
    assert counts == [1, 5, 1, 1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "7",
        '{"group": 1}',
        "[" * 9999,
        '{"group": 1, "methods": 3, "milliseconds": {}}',
    ],
)
def test_a_damaged_cache_is_measured_anew(
    text: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, net = small()
    loaded(model)(images_of(net, 1))
    [file] = own_cache.iterdir()
    good = set(json.loads(file.read_text()))
    file.write_text(text)
    counts = counting(monkeypatch)
    loaded(model)(images_of(net, 1))
    assert counts == [1]
    assert set(json.loads(file.read_text())) == good == {"group", "methods", "milliseconds"}


def test_a_choice_of_what_is_not_allowed_is_none() -> None:
    good = Choice(8, {"conv": "program", "ip": "decoded"}, {"a": 1.0})
    store_choice("key", good)
    assert stored_choice("key", [8], ALLOWED) == good
    assert stored_choice("other", [8], ALLOWED) is None
    assert stored_choice("key", [1], ALLOWED) is None
    assert stored_choice("key", [8], ALLOWED | {"ip": ["program"]}) is None
    assert stored_choice("key", [8], {"conv": ["program"]}) is None
    for group in (True, 1.0):
        store_choice("key", replace(good, group=group))  # type: ignore[arg-type]
        assert stored_choice("key", [1], ALLOWED) is None


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    store_choice("key", Choice(None, {}))
    assert stored_choice("key", [], {}) is None


def test_keys_tell_their_parts_apart() -> None:
    assert key_of(1, ["a"]) == key_of(1, ["a"])
    assert len({key_of(1, "a"), key_of(2, "a"), key_of(1, ["a"])}) == 3


def test_minima_are_of_alternating_rounds() -> None:
    order: list[str] = []
    waits = iter([0.2, 0.0])

    def a() -> None:
        order.append("a")
        time.sleep(next(waits))

    found = tuning.minima({"a": a, "b": lambda: order.append("b")}, seconds=0)
    assert order == ["a", "b", "a", "b"]
    assert found["a"] < 0.2


@pytest.mark.parametrize(
    ("count", "group", "threads", "ends"),
    [
        (1, 1, 2, [0, 1]),
        (5, 8, 2, [0, 5]),
        (33, 8, 2, [0, 16, 33]),
        (64, 8, 3, [0, 16, 40, 64]),
        (3, 1, 4, [0, 1, 2, 3]),
    ],
)
def test_threads_have_whole_groups(count: int, group: int, threads: int, ends: list[int]) -> None:
    assert list(shares(count, group, threads)) == ends


def test_batches_are_measured_by_powers_of_two() -> None:
    classes = {1: 1, 2: 2, 3: 4, 8: 8, 9: 16, 200: 256, 5000: 256}
    assert {count: batch_class(count) for count in classes} == classes


def test_groups_are_measured_that_so_many_images_fill() -> None:
    groups = {1: (1,), 2: (1, 8), 8: (1, 8), 9: (8, 32), 256: (8, 32)}
    assert {count: tuning.groups_for(count) for count in groups} == groups
