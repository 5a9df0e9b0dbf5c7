"""Caffe's solvers: their keys, and the nets that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsenet.caffe.conversion import convert
from sparsenet.errors import ConfigError
from tests.caffe.prototxt import convert_solver_text

BASE = 'lr_policy: "fixed" base_lr: 0.01 max_iter: 9'


def test_the_keys_are_carried_over_in_their_order() -> None:
    data, report = convert_solver_text(
        """test_iter: 100 solver_mode: CPU base_lr: 0.0001 lr_policy: "multistep" gamma: 0.1
        stepvalue: 5000 stepvalue: 7000 momentum: 0.9 weight_decay: 4e-5 max_iter: 10000
        regularization_type: "L1" iter_size: 2 clip_gradients: 35 random_seed: 7 display: 0
        type: "Nesterov" test_interval: 500 test_initialization: false snapshot: 10
        momentum2: 0.99 delta: 1e-8 rms_decay: 0.98 power: 0.75 stepsize: 3"""
    )
    assert list(data.items()) == [
        ("test_iter", 100),
        ("test_interval", 500),
        ("test_initialization", False),
        ("base_lr", 0.0001),
        ("display", 0),
        ("max_iter", 10000),
        ("iter_size", 2),
        ("lr_policy", "multistep"),
        ("gamma", 0.1),
        ("power", 0.75),
        ("momentum", 0.9),
        ("weight_decay", 4e-5),
        ("regularization_type", "L1"),
        ("stepsize", 3),
        ("stepvalue", [5000, 7000]),
        ("clip_gradients", 35),
        ("snapshot", 10),
        ("solver_mode", "CPU"),
        ("random_seed", 7),
        ("type", "Nesterov"),
        ("delta", 1e-8),
        ("momentum2", 0.99),
        ("rms_decay", 0.98),
    ]
    assert (report.warnings(), report.problems) == ([], [])


@pytest.mark.parametrize(
    ("written", "name"),
    [("SGD", "SGD"), ("NESTEROV", "Nesterov"), ("RMSPROP", "RMSProp"), ("ADAM", "Adam")],
)
def test_solver_type_is_type(written: str, name: str) -> None:
    assert convert_solver_text(f"{BASE} solver_type: {written}")[0]["type"] == name


@pytest.mark.parametrize(
    ("written", "keys", "notes"),
    [
        ("", {}, []),
        ("solver_mode: CPU", {"solver_mode": "CPU"}, []),
        ("solver_mode: GPU", {}, ["solver_mode, GPU, is auto here: a GPU where there is one"]),
    ],
)
def test_a_gpu_is_taken_where_there_is_one(
    written: str, keys: dict[str, str], notes: list[str]
) -> None:
    data, report = convert_solver_text(f"{BASE} {written}")
    assert {key: data[key] for key in data if key == "solver_mode"} == keys
    assert report.notes == notes


def test_without_display_nothing_is_shown() -> None:
    assert convert_solver_text(BASE)[0]["display"] == 0


def test_what_is_off_or_at_its_default_is_left_out_in_silence() -> None:
    data, report = convert_solver_text(
        f"{BASE} clip_gradients: -1 random_seed: -1 average_loss: 1 debug_info: false device_id: 0"
        " snapshot_diff: false snapshot_after_train: true layer_wise_reduce: false"
    )
    assert set(data) == {"lr_policy", "base_lr", "max_iter", "display"}
    assert (report.warnings(), report.notes) == ([], [])


def test_what_has_no_counterpart_is_named() -> None:
    _, report = convert_solver_text(
        f'{BASE} average_loss: 40 device_id: 1\n test_iter: [5, 6, 7] weights: "a.caffemodel"'
    )
    assert report.warnings() == [
        "net.prototxt:2: test_iter: [6, 7] are of further test nets, and there is one here",
        "net.prototxt:1: average_loss: 40 is not carried over: smooths only what Caffe's log says",
        "net.prototxt:1: device_id: 1 is not carried over: choose the GPU by --device cuda:N",
    ]
    assert report.notes == [
        "the solver starts from a.caffemodel: give it by --weights a.caffemodel"
    ]


def test_what_caffe_stops_at_is_refused() -> None:
    _, report = convert_solver_text("base_lr: 1")
    assert [key for _, key, _ in report.problems] == ["lr_policy"]
    _, report = convert_solver_text(f'{BASE} type: "SGD" solver_type: SGD')
    assert [key for _, key, _ in report.problems] == ["solver_type"]


def net(name: str, batch: int, phase: str = "") -> str:
    rule = f"include {{ phase: {phase} }}" if phase else ""
    return f"""name: "{name}"
    layer {{ name: "d" type: "MemoryData" top: "data" top: "label" {rule}
      memory_data_param {{ batch_size: {batch} channels: 1 height: 2 width: 2 }} }}
    layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
      inner_product_param {{ num_output: 2 }} }}
    layer {{ name: "test" type: "Accuracy" bottom: "ip" bottom: "label"
      include {{ phase: TEST stage: "first" }} }}
    layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }}"""


@pytest.mark.parametrize(
    ("solver", "layers"),
    [
        (
            'net: "a/one.prototxt" test_state { stage: "first" } test_state { stage: "second" }',
            [("d", None, 3), ("ip", None, None), ("test", "TEST", None), ("loss", None, None)],
        ),
        ('net: "a/one.prototxt"', [("d", None, 3), ("ip", None, None), ("loss", None, None)]),
        ('train_net: "a/one.prototxt"', [("d", None, 3), ("ip", None, None), ("loss", None, None)]),
        (
            'train_net: "a/one.prototxt" test_net: "a/two.prototxt" test_net: "a/one.prototxt"'
            ' test_state { stage: "first" } test_state { }',
            [
                ("d", "TRAIN", 3),
                ("d", "TEST", 5),
                ("ip", None, None),
                ("test", "TEST", None),
                ("loss", None, None),
            ],
        ),
        (
            f"net_param {{ {net('one', 3)} }}",
            [("d", None, 3), ("ip", None, None), ("loss", None, None)],
        ),
        (
            f"train_net_param {{ {net('one', 3)} }} test_net_param {{ {net('two', 5)} }}",
            [("d", "TRAIN", 3), ("d", "TEST", 5), ("ip", None, None), ("loss", None, None)],
        ),
    ],
)
def test_the_nets_of_a_solver_are_one(
    solver: str, layers: list[tuple[str, str | None, int | None]], tmp_path: Path
) -> None:
    """Named from a folder above the solver's, as Caffe's examples are from Caffe's own folder."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (tmp_path / "a" / "one.prototxt").write_text(net("one", 3), encoding="utf-8")
    (tmp_path / "a" / "two.prototxt").write_text(net("two", 5), encoding="utf-8")
    path = folder / "solver.prototxt"
    path.write_text(f"{BASE} {solver}", encoding="utf-8")
    made = convert(path, None, lambda _: None, lambda _: None)
    assert made.report.problems == []
    assert made.net.name == "one"
    found = [(it["name"], it.get("phase"), it.get("batch_size")) for it in made.net.layers]
    assert found == layers
    further = [line for line in made.report.warnings() if "further test net" in line]
    assert len(further) == solver.count("test_net:") // 2 + ("second" in solver) + ("{ }" in solver)


@pytest.mark.parametrize(
    ("solver", "words"),
    [
        ('net: "none.prototxt"', "solver.prototxt:1: net: no file 'none.prototxt', from the"),
        ("", "net: gives no net; Caffe takes one of net, net_param, train_net or"),
        ('net: "a" train_net: "b"', "net: gives net and train_net; Caffe takes one of"),
        ('net: "solver.prototxt"', "solver.prototxt: has no layers, so it is not a net of Caffe's"),
    ],
)
def test_a_net_that_is_not_there_is_one_line(solver: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text(f"{BASE} {solver}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        convert(path, None, lambda _: None, lambda _: None)
    assert words in str(caught.value)
