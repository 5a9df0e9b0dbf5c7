"""Which operations a net becomes, and where blobs lie."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.config.load import load_solver
from sparsenet.errors import ConfigError
from sparsenet.program.arena import placed
from sparsenet.program.calls import Calls
from sparsenet.program.compiled import Compiled
from sparsenet.program.operation import Blob, Operation
from sparsenet.program.plan import Program, plan
from sparsenet.program.shaking import kernels
from sparsenet.workflows.joined import joined_configuration
from tests.program.sparse_nets import (
    CONFIGS,
    NEEDS_COMPILER,
    difference,
    images_for,
    pack,
    shipped,
    small,
    sparse_net,
    torch_scores,
)
from tests.small import convolution, inner_product


def planned(*layers: dict[str, object], density: float = 0.5) -> Program:
    net = sparse_net(small(*layers), density)
    return plan(net, pack(net))


def test_lenet_is_four_operations_whose_convolutions_are_never_there_whole() -> None:
    net = sparse_net(shipped("mnist/nets/lenet.yaml"), 0.05)
    program = plan(net, pack(net))
    kinds = ["convolve"] * 2 + ["multiply"] * 2
    assert [operation.kernel for operation in program.operations] == kinds
    layers = ["conv1, pool1", "conv2, pool2", "ip1, relu1", "ip2"]
    assert [operation.layer for operation in program.operations] == layers
    plane, line, beyond = 8 * 8, 16, 16  # a line of windows, and what a vector may reach beyond
    assert program.arena == 20 * 12 * 12 + plane + line + 50 * 4 * 4 + beyond == 15_104 // 4


POOL = {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2}
RELU = {"name": "relu", "type": "ReLU"}


@pytest.mark.parametrize(
    ("layers", "joined"),
    [
        ([POOL], ["conv, pool"]),
        ([POOL | {"pool": "AVE", "kernel_size": 5}], ["conv, pool"]),
        ([{"name": "d", "type": "Dropout"}, POOL], ["conv, pool"]),
        ([POOL, RELU], ["conv, pool, relu"]),
        ([RELU, POOL, RELU | {"name": "r", "clip": 0.5}], ["conv, relu, pool, r"]),
        ([POOL, RELU, RELU | {"name": "r", "clip": 0.5}], ["conv, pool, relu", "r"]),
        ([POOL, POOL | {"name": "again"}], ["conv, pool", "again"]),
        ([{"name": "s", "type": "Sigmoid"}, POOL], ["conv", "s", "pool"]),
        ([POOL | {"kernel_size": 3, "stride": 1, "pad": 1}], ["conv", "pool"]),
        ([POOL, POOL | {"name": "q", "bottom": "conv"}], ["conv", "pool", "q"]),
    ],
)
def test_a_pooling_is_a_part_of_a_convolution_that_nothing_else_reads(
    layers: list[dict[str, object]], joined: list[str]
) -> None:
    """And where it makes its planes fewer or smaller: else all of them would need less memory."""
    together = [{"name": "sum", "type": "Eltwise", "bottom": ["pool", "q"]}]
    more = together if layers[-1]["name"] == "q" else []
    program = planned(convolution("conv", 4, pad=1), *layers, *more, inner_product("ip", 10))
    found = [operation.layer for operation in program.operations[: -1 - len(more)]]
    assert found == joined


@pytest.mark.parametrize("last", [RELU, POOL])
def test_nothing_joins_an_operation_that_it_does_not_read(last: dict[str, object]) -> None:
    """Each convolution has one reader, but `other` stands between."""
    layers = [convolution("conv", 4), convolution("other", 4, bottom="data")]
    layers += [{**last, "bottom": "conv"}, inner_product("a", 5)]
    layers += [inner_product("b", 5, bottom="other")]
    program = planned(*layers, {"name": "both", "type": "Concat", "bottom": ["a", "b"]})
    found = [operation.layer for operation in program.operations]
    assert found[:3] == ["conv", "other", last["name"]]


def test_the_image_is_no_operation_that_a_pooling_could_join() -> None:
    program = planned(POOL, inner_product("ip", 10))
    assert [operation.layer for operation in program.operations] == ["pool", "ip"]


@pytest.mark.parametrize("window", [{"kernel_size": 2, "stride": 2}, {"global_pooling": True}])
@pytest.mark.parametrize("outputs", range(1, 5))
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_pooling_that_joins_takes_no_memory_more(
    window: dict[str, object], outputs: int, kernel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [convolution("conv", outputs, kernel_size=kernel)]
    layers = [*layers, {"name": "pool", "type": "Pooling"} | window, inner_product("ip", 10)]
    arena = planned(*layers).arena
    monkeypatch.setattr(Operation, "pooled", lambda self, pool: None)
    assert arena <= planned(*layers).arena


def test_a_layer_that_nothing_reads_is_left_out() -> None:
    aside = convolution("aside", 3, bottom="digits")
    aside = {**aside, "bottom": "data"}
    program = planned(aside, {**inner_product("ip", 10), "bottom": "data"})
    assert [operation.kernel for operation in program.operations] == ["multiply"]


def test_every_layer_without_c_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from sparsenet.layers.activations import Softmax, TanH
    from sparsenet.program import plan as module

    left = {kind: one for kind, one in module.LOWERS.items() if kind not in (TanH, Softmax)}
    monkeypatch.setattr(module, "LOWERS", left)
    layers = ({"name": "t", "type": "TanH"}, {"name": "s", "type": "Softmax"})
    norm = {"name": "n", "type": "BatchNorm", "use_global_stats": False}
    with pytest.raises(ConfigError) as error:
        planned(inner_product("ip", 10), norm, *layers)
    assert str(error.value) == "there is no C for n (BatchNorm), t (TanH), s (Softmax)"


@NEEDS_COMPILER
def test_an_ensemble_gives_its_members_mean_probabilities() -> None:
    joined = joined_configuration(load_solver(CONFIGS / "mnist" / "dense.yaml"), 2)
    net = sparse_net(joined.solver.net, 0.05)
    program = plan(net, pack(net))
    images = images_for(net, 2)
    assert difference(Compiled(program)(images), torch_scores(net, images, "prob")) < 1e-5
    assert program.scores.name == "prob"


@pytest.mark.parametrize("words", [["dot"], ["find_csr"], ["softmax", "decode_float16"]])
def test_only_kernels_that_are_called_are_in_the_text(words: list[str]) -> None:
    text = kernels(words)
    for name in ("dot", "find_csr", "find_bitmask", "softmax", "decode_float16", "convolve"):
        assert (f" {name}(" in text) == (name in words)
    assert ("struct reader {" in text) == (words[-1] != "dot")


def test_equal_sizes_are_declared_once() -> None:
    same = (convolution(name, 1, pad=1) for name in "abc")
    net = sparse_net(small(*same, inner_product("ip", 10)), 0.5)
    calls = Calls(plan(net, pack(net)), lambda one: one.name)
    lines, text = calls.lines(), calls.text()
    assert [line.partition("(")[0] for line in lines] == ["convolve"] * 3 + ["multiply"]
    assert text.count("static const struct convolution sizes_") == 1
    assert text.count("static void sweep_8x8_10(") == 1


def chain(draw: random.Random, length: int) -> list[Operation]:
    """Operations that each read one or two of the blobs before and write a new one."""
    blobs = [Blob("image", 5)]
    operations = []
    for step in range(length):
        reads = tuple(draw.choices(blobs[-4:], k=draw.choice([1, 2])))
        scratch = tuple(Blob("scratch", draw.randrange(40)) for _ in range(draw.randrange(2)))
        blobs.append(Blob(str(step), draw.randrange(1, 100)))
        place = draw.choice([True, False])
        operations.append(Operation("", "", reads, blobs[-1], (), scratch, place))
    return operations


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 10**6), length=st.integers(1, 12))
def test_blobs_that_live_together_do_not_meet(seed: int, length: int) -> None:
    operations = chain(random.Random(seed), length)
    image, scores = operations[0].reads[0], operations[-1].write
    places, arena = placed(operations, {image, scores})
    owner: dict[int, Blob] = {}

    def cells(blob: Blob) -> range:
        start = places.get(blob, 0)
        return range(start, start + (blob.size if blob in places else 0))

    def is_whole(blob: Blob) -> bool:
        return all(owner[cell] is blob for cell in cells(blob))

    for operation in operations:
        first, write = operation.reads[0], operation.write
        for blob in operation.scratch:
            owner.update(dict.fromkeys(cells(blob), blob))
        assert all(map(is_whole, operation.reads))
        owner.update(dict.fromkeys(cells(write), write))
        assert all(cell < arena for cell in cells(write))
        is_shared = operation.in_place and cells(first)[:1] == cells(write)[:1]
        assert all(map(is_whole, operation.scratch))
        assert all(is_whole(blob) for blob in operation.reads if not (is_shared and blob is first))


def test_places_are_whole_vectors() -> None:
    net = sparse_net(shipped("digits/net.yaml"), 0.05)
    program = plan(net, pack(net), 8)
    assert program.group == 8
    assert all(place % 16 == 0 for place in program.places.values())


def test_a_rectifier_that_writes_where_it_reads_is_a_part_of_the_layer_before() -> None:
    relu = {"name": "relu", "type": "ReLU", "bottom": "conv", "top": "conv"}
    program = planned(convolution("conv", 3), relu, inner_product("ip", 10))
    assert [operation.layer for operation in program.operations] == ["conv, relu", "ip"]
