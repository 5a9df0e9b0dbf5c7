"""Testing a checkpoint by its own configuration, and refusing one that contradicts itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.checkpoint import CheckpointError, load_checkpoint
from sparsenet.errors import ConfigError
from sparsenet.progress import Quiet
from sparsenet.workflows.memsize import memory_of
from sparsenet.workflows.stored import open_stored
from sparsenet.workflows.test import evaluate_checkpoint
from sparsenet.workflows.train import TrainOptions, train
from tests.workflows.conftest import NET, SOLVER


@pytest.fixture(scope="module")
def final(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The final net of a short run."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "net.yaml").write_text(NET)
    (folder / "solver.yaml").write_text(SOLVER)
    settings = ("max_iter=30", "stages=[{t: {ip1: 50%, ip2: 7}}]")
    options = TrainOptions(overrides=settings, output=folder / "run")
    train(folder / "solver.yaml", options, Quiet())
    return folder / "run" / "final.pt"


def test_a_score_is_a_function_of_the_file_alone(final: Path, tmp_path: Path) -> None:
    moved = tmp_path / "anything"
    moved.write_bytes(final.read_bytes())
    torch.manual_seed(99)
    for phase, samples in (("TEST", 360), ("VAL", 100)):
        score = evaluate_checkpoint(moved, phase)  # type: ignore[arg-type]
        assert score == evaluate_checkpoint(final, phase)  # type: ignore[arg-type]
        assert (score.phase, score.samples) == (phase, samples)
        assert score.accuracy == load_checkpoint(final).accuracy[phase]


def test_the_mean_image_is_the_checkpoints(final: Path, tmp_path: Path) -> None:
    content = torch.load(final, weights_only=True)
    content["mean_image"] += 8
    torch.save(content, tmp_path / "a.pt")
    assert evaluate_checkpoint(tmp_path / "a.pt") != evaluate_checkpoint(final)


def test_overrides_are_over_its_configuration(final: Path) -> None:
    fewer = evaluate_checkpoint(final, "VAL", ["net.layers.digits.split=50"])
    assert fewer.samples == 50
    with pytest.raises(ConfigError, match="--set"):
        evaluate_checkpoint(final, "VAL", ["net.layers.digits.slit=50"])


def test_a_phase_without_data_is_a_mistake_of_usage(final: Path, tmp_path: Path) -> None:
    content = torch.load(final, weights_only=True)
    del content["config"]["net"]["layers"][0]["split"]
    path = tmp_path / "a.pt"
    torch.save(content, path)
    with pytest.raises(ConfigError) as raised:
        evaluate_checkpoint(path, "VAL")
    assert str(raised.value) == (
        f"{path}: its net has no VAL data; VAL is what the TRAIN Data layer's split holds out"
    )
    content["config"]["net"]["layers"][0]["phase"] = "TRAIN"
    torch.save(content, path)
    with pytest.raises(ConfigError) as raised:
        evaluate_checkpoint(path)
    assert str(raised.value) == f"{path}: its net has no TEST data"


def set_outputs(count: int) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        layers = {layer["name"]: layer for layer in content["config"]["net"]["layers"]}
        layers["ip1"]["num_output"] = count

    return change


CONTRADICTIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no weights": (
        lambda c: (c["weights"].pop("ip2.weight"), c["constraints"].clear()),
        "its configuration has 10x20 weights in ip2, the file none",
    ),
    "other weights": (
        lambda c: c["weights"].update({"conv.weight": torch.ones(4, 1, 9)}),
        "its configuration has 4x1x3x3 weights in conv, the file 4x1x9",
    ),
    "other outputs": (
        set_outputs(21),
        "its configuration has 21x36 weights in ip1, the file 20x36",
    ),
    "no bias": (
        lambda c: c["weights"].pop("ip2.bias"),
        "the checkpoint lacks ip2.bias",
    ),
    "other bias": (
        lambda c: c["weights"].update({"ip2.bias": torch.ones(10, 1)}),
        "ip2.bias: 10x1 in the checkpoint, 10 in the net",
    ),
    # The memory is not even asked for.
    "gigabytes": (
        set_outputs(10**7),
        "its configuration has 10000000x36 weights in ip1, the file 20x36",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_weights_that_do_not_fit_its_configuration_are_named(
    name: str, final: Path, tmp_path: Path
) -> None:
    change, words = CONTRADICTIONS[name]
    content = torch.load(final, weights_only=True)
    change(content)
    path = tmp_path / "a.pt"
    torch.save(content, path)
    for read in (evaluate_checkpoint, memory_of, open_stored):
        with pytest.raises(CheckpointError) as raised:
            read(path)
        assert str(raised.value) == f"{path}: {words}"


def test_a_broken_configuration_names_the_file_and_the_key(final: Path, tmp_path: Path) -> None:
    content = torch.load(final, weights_only=True)
    content["config"]["base_lr"] = "fast"
    content["config"]["net"]["layers"][1]["num_output"] = 0
    path = tmp_path / "a.pt"
    torch.save(content, path)
    for read in (evaluate_checkpoint, memory_of):
        with pytest.raises(ConfigError) as raised:
            read(path)
        lines = str(raised.value).splitlines()
        assert len(lines) == 2
        assert all(line.startswith(f"{path}: ") for line in lines)
        assert "base_lr" in str(raised.value)
        assert "net.layers.conv.num_output" in str(raised.value)


def test_its_memory_is_counted_from_its_weights(final: Path) -> None:
    memory, counts = memory_of(final)
    assert counts == "nonzeros"
    weights = load_checkpoint(final).weights
    for layer in memory.layers:
        assert layer.nonzeros == int(torch.count_nonzero(weights[f"{layer.name}.weight"]))
    with pytest.raises(ConfigError, match="--set goes with a net or solver file"):
        memory_of(final, ["base_lr=1"])
