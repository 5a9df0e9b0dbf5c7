"""Every shipped configuration loads, builds, and takes two updates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import from_data, load_net, load_solver
from sparsenet.config.read import read_yaml, write_yaml
from sparsenet.config.sweep import is_sweep, load_sweep
from sparsenet.data.sources import SOURCES, Source
from sparsenet.studies.sweep_plan import SweepPlan
from sparsenet.workflows.build import build, promised_memory, schedule_of

ROOT = Path(__file__).parents[2]
FILES = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "configs").rglob("*.yaml"))}
SOLVERS = [name for name, path in FILES.items() if "base_lr" in yaml.safe_load(path.read_text())]
SWEEPS = [name for name, path in FILES.items() if path.parent.name == "sweeps"]
NETS = [name for name in FILES if name not in (*SOLVERS, *SWEEPS)]
EMBEDDED = {"digits"}
"""Sources whose data come with the packages; of the others images are invented here."""


def invented(source: Source) -> Source:
    """The source with random images, of 256 kinds, and without any file."""

    def read(_root: Path, train: bool, _download: bool) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        kinds = torch.randint(256, (256, *source.shape), generator=generator, dtype=torch.uint8)
        order = torch.arange(min(source.train, 12_000) if train else 1000)
        return kinds[order % 256], order % source.classes

    return dataclasses.replace(source, read=read)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a few images of two classes in every folder that an ImageFolder names."""
    root = tmp_path_factory.mktemp("data")
    generator = torch.Generator().manual_seed(0)
    for folder in ("imagenet", "tiny-imagenet-200"):
        for number in range(8):
            image = torch.randint(256, (72, 80, 3), generator=generator, dtype=torch.uint8)
            place = root / folder / ("train" if number < 4 else "val") / f"class{number % 2}"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.numpy()).save(place / f"{number}.png")
    return root


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch, folders: Path) -> Iterator[None]:
    for name in set(SOURCES) - EMBEDDED:
        monkeypatch.setitem(SOURCES, name, invented(SOURCES[name]))
    monkeypatch.setenv("SPARSENET_DATA", str(folders))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folders / "cache"))
    return


SMALLER = {
    # Its counts are of fully connected layers behind whole images.
    "configs/imagenet/alexnet-l0": ("data", "batch_size=2", "split=2"),
    "configs/imagenet/": (
        "data",
        "batch_size=2",
        "split=2",
        "transform.resize=[72, 72]",
        "transform.crop_size=67",
    ),
    "configs/tiny-imagenet/": ("tiny", "batch_size=2", "split=2"),
    "configs/cifar10/": ("cifar", "batch_size=2"),
}
"""What makes two updates of a large net quick: the Data layer, and its keys."""


def smaller(name: str) -> list[str]:
    """Overrides for fewer and smaller images, where a configuration would take long."""
    for folder, (layer, *keys) in SMALLER.items():
        if name.startswith(folder):
            return [f"net.layers.{layer}.{key}" for key in keys]
    return []


def test_there_are_solvers_and_nets() -> None:
    assert "configs/digits/solver.yaml" in SOLVERS
    assert "configs/digits/net.yaml" in NETS
    assert any(name.startswith("configs/mnist/") for name in SOLVERS)


@pytest.mark.parametrize("name", NETS)
def test_a_net_file_stands_alone(name: str) -> None:
    net = load_net(FILES[name])
    assert weight_shapes(net)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_merged_configuration_makes_itself_again(name: str, tmp_path: Path) -> None:
    configuration = load_solver(FILES[name])
    written = tmp_path / "config.yaml"
    written.write_text(write_yaml(configuration.data), encoding="utf-8")
    again = load_solver(written)
    assert again.solver == configuration.solver
    assert again.data == configuration.data == read_yaml(written).data
    assert from_data(configuration.data, "checkpoint").solver == configuration.solver


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_promises_what_its_last_stage_says(name: str) -> None:
    solver = load_solver(FILES[name]).solver
    schedule = schedule_of(solver)
    counts = schedule.final_counts()
    memory = promised_memory(solver.net, counts)
    free = sum(ball.size - counts[ball.name] for ball in schedule.balls)
    assert memory.weights.params - memory.weights.nonzeros == free
    assert memory.weights.bytes["best"] <= memory.weights.bytes["dense"]


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_builds_and_takes_two_updates(name: str) -> None:
    configuration = load_solver(FILES[name], smaller(name))
    parts = build(configuration, torch.device("cpu"))
    loop = parts.loop()
    before = {key: weight.clone() for key, weight in parts.net.weights().items()}
    losses = [float(loop.stepper.step(step, loop.progress)) for step in range(2)]
    assert all(torch.isfinite(torch.tensor(losses)))
    after = parts.net.weights()
    assert set(parts.batches) >= {"TRAIN", "TEST"}
    assert all(torch.isfinite(weight).all() for weight in after.values())
    assert all(not torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_can_be_made(name: str) -> None:
    path = FILES[name]
    assert is_sweep(path)
    plan = SweepPlan(path, load_sweep(path), ())
    labels = [trial.label for _, trial in plan.fixed()]
    assert len(set(labels)) == len(labels) >= 9
    said = path.read_text().splitlines()[0]
    assert said.startswith(f"# sparsenet sweep {name}    (")
