"""A net's kernel_pattern: which convolutions it reaches, what goes over it, what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparsenet.config.load import from_data, load_net, load_solver
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError
from sparsenet.layers.kernel_pattern import KernelPattern
from tests.small import convolution, inner_product, net_data

FOUR, ONE = KernelPattern(kss=4, period=4), KernelPattern(kss=1, period=9)


def net() -> dict[str, Any]:
    layers = [
        convolution("first", 8, pad=1),
        convolution("small", 8, kernel_size=1),
        convolution("apart", 8, pad=1, group=8),
        convolution("grouped", 8, pad=1, group=2),
        convolution("second", 8, pad=1),
        convolution("own", 8, pad=1, kernel_pattern={"kss": 1, "period": 9}),
        convolution("full", 8, pad=1, kernel_pattern="dense"),
        convolution("wide", 8, kernel_size=[2, 3], pad=1),
        inner_product("ip", 10),
    ]
    return {**net_data(*layers), "kernel_pattern": "PS4_P4"}


def patterns(net: Any) -> dict[str, KernelPattern | None]:
    found = {layer.name: getattr(layer, "kernel_pattern", None) for layer in net.layers}
    return {name: pattern for name, pattern in found.items() if pattern is not None}


def solver(folder: Path, data: dict[str, Any]) -> Path:
    (folder / "net.yaml").write_text(write_yaml(data))
    path = folder / "solver.yaml"
    path.write_text("net: net.yaml\nmax_iter: 1\nbase_lr: 1\n")
    return path


def lines(error: pytest.ExceptionInfo[ConfigError], folder: Path) -> list[str]:
    return [str(problem).replace(f"{folder}/", "") for problem in error.value.problems]


def test_it_is_for_whole_kernels_after_the_first_that_have_none_of_their_own(
    tmp_path: Path,
) -> None:
    path = solver(tmp_path, net())
    configuration = load_solver(path)
    dense = KernelPattern(kss=1, period=1, dense=True)
    expected = {"second": FOUR, "own": ONE, "full": dense, "wide": FOUR}
    assert patterns(configuration.solver.net) == expected
    assert patterns(load_net(tmp_path / "net.yaml")) == expected
    # What is trained is written out, and is again the same.
    assert "kernel_pattern" not in configuration.data["net"]
    assert patterns(from_data(configuration.data, "again").solver.net) == expected


def test_overrides_go_over_it(tmp_path: Path) -> None:
    path = solver(tmp_path, net())

    def found(*overrides: str) -> dict[str, KernelPattern | None]:
        return patterns(load_solver(path, overrides).solver.net)

    assert found("net.kernel_pattern=PS1_P9")["second"] == ONE
    assert found("net.kernel_pattern={kss: 1, period: 9}")["second"] == ONE
    assert found("net.layers.second.kernel_pattern=PS1_P9")["second"] == ONE
    assert found("net.layers.first.kernel_pattern=PS4_P4")["first"] == FOUR
    for nothing in ("dense", "null"):
        assert found(f"net.kernel_pattern={nothing}").keys() == {"own", "full"}


def test_it_reaches_the_layers_of_blocks(tmp_path: Path) -> None:
    unit = {"layers": [convolution("conv", 8, pad=1)]}
    data = net_data({"block": "unit", "name": "unit", "repeat": "1..3"}, inner_product("ip", 10))
    data["layers"][-2:] = [{"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]}]
    path = solver(tmp_path, {**data, "blocks": {"unit": unit}, "kernel_pattern": "PS4_P4"})
    assert patterns(load_solver(path).solver.net) == {"unit/2/conv": FOUR, "unit/3/conv": FOUR}
    own = ["net.layers.unit/3/conv.kernel_pattern=PS1_P9"]
    assert patterns(load_solver(path, own).solver.net) == {"unit/2/conv": FOUR, "unit/3/conv": ONE}


@pytest.mark.parametrize(
    ("key", "near"),
    [("kernel_patern", "kernel_pattern"), ("bloks", "blocks"), ("default", "defaults")],
)
def test_what_is_merged_before_the_check_is_known_by_a_name_near_it(
    key: str, near: str, tmp_path: Path
) -> None:
    path = solver(tmp_path, net() | {key: {}})
    with pytest.raises(ConfigError) as error:
        load_solver(path)
    [line] = lines(error, tmp_path)
    assert line.endswith(f"net.{key}: unknown key; did you mean {near!r}?")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("PS4", "net.kernel_pattern: there is no pattern 'PS4'; did you mean 'PS4_P4'?"),
        ({"kss": 0, "period": 4}, "net.kernel_pattern.kss: 0 must be at least 1"),
        (
            {"kss": 4, "period": 3},
            "net.kernel_pattern: second: no kernel has position 8 of 3x3: a period of at least 4 "
            "has all, and so has dense: true",
        ),
        (
            {"kss": 7, "seed": 1},
            "net.kernel_pattern: wide: kss 7 must be less than the 6 positions of a 2x3 kernel",
        ),
    ],
)
def test_what_is_wrong_with_it_is_said_once_where_it_is_written(
    given: object, message: str, tmp_path: Path
) -> None:
    path = solver(tmp_path, net() | {"kernel_pattern": given})
    with pytest.raises(ConfigError) as error:
        load_solver(path)
    [line] = lines(error, tmp_path)
    where, _, words = line.partition(": ")
    assert words == message
    text = (tmp_path / "net.yaml").read_text().splitlines()
    assert where.startswith("net.yaml:")
    number = int(where.removeprefix("net.yaml:"))
    assert any("kernel_pattern" in text[n] for n in (number - 1, number - 2))


def test_a_net_without_a_convolution_for_it_is_told(tmp_path: Path) -> None:
    data = net_data(convolution("first", 8), inner_product("ip", 10))
    path = solver(tmp_path, data | {"kernel_pattern": "pSC1"})
    with pytest.raises(ConfigError) as error:
        load_solver(path)
    [line] = lines(error, tmp_path)
    words = "there is no convolution for it: larger than 1x1, in one group, after the first"
    assert line.endswith(f"net.kernel_pattern: {words}")


def test_other_problems_are_told_with_it(tmp_path: Path) -> None:
    data = net() | {"kernel_pattern": "PS5"}
    data["layers"][5]["num_output"] = 0
    path = solver(tmp_path, data)
    with pytest.raises(ConfigError) as error:
        load_solver(path)
    keys = [line.split(": ")[1] for line in lines(error, tmp_path)]
    assert sorted(keys) == ["net.kernel_pattern", "net.layers.second.num_output"]


def test_a_layer_with_too_few_kernels_is_named_with_the_line_of_the_pattern(
    tmp_path: Path,
) -> None:
    layers = [convolution("first", 2, pad=1), convolution("second", 2), inner_product("ip", 10)]
    path = solver(tmp_path, net_data(*layers) | {"kernel_pattern": "PS1_P9"})
    with pytest.raises(ConfigError) as error:
        load_solver(path)
    [line] = lines(error, tmp_path)
    words = "no kernel has positions 0, 4, 5, 6, 7, 8 of 3x3: the 4 kernels of this layer are too"
    assert f"net.layers.second: kernel_pattern: {words} few" in line
