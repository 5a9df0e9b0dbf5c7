"""Training on an image folder: in memory, streamed, stopped and gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sparsenet.data.raw import DataError
from sparsenet.errors import ConfigError
from sparsenet.progress import Quiet
from sparsenet.workflows.test import evaluate_checkpoint
from sparsenet.workflows.train import TrainOptions, dry_run, train
from tests.data.image_folder import make_folder
from tests.small import convolution, inner_product, net_data, parts
from tests.workflows.conftest import assert_same_run, tensors, trace

NET = """
layers:
  - name: images
    type: Data
    source: ImageFolder
    root: {root}
    folder: set
    split: 6
    bootstrap: 1
    batch_size: 6
    transform: {{resize: [12, 10], pad: 1, crop_size: 9, mirror: true, mean: train, std: 60}}
  - {{name: pool, type: Pooling, kernel_size: 2, stride: 2}}
  - {{name: ip, type: InnerProduct, num_output: 3, weight_filler: {{type: xavier}}}}
  - {{name: accuracy, type: Accuracy, bottom: [ip, label], phase: TEST}}
  - {{name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}}
"""
SOLVER = "net: net.yaml\nmax_iter: 20\nbase_lr: 0.01\ntest_interval: 8\nsnapshot: 7\ndisplay: 3\n"
STREAMED = ("net.layers.images.memory=no", "net.layers.images.workers=0")
AHEAD = "net.layers.images.workers=1"


@pytest.fixture
def solver(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_folder(tmp_path / "set")
    (tmp_path / "net.yaml").write_text(NET.format(root=tmp_path))
    (tmp_path / "solver.yaml").write_text(SOLVER)
    return tmp_path / "solver.yaml"


def run(solver: Path, name: str, *overrides: str, **options: Any) -> Path:
    folder = solver.parent / name
    train(solver, TrainOptions(overrides, output=folder, **options), Quiet())
    return folder


def test_a_streamed_training_is_the_one_in_memory_and_is_resumed_bit_for_bit(solver):
    held = run(solver, "held")
    streamed = run(solver, "streamed", *STREAMED)
    assert trace(held) == trace(streamed)
    for name in ("final.pt", "best.pt"):
        one, other = tensors(held / name), tensors(streamed / name)
        assert all(torch.equal(one[key], other[key]) for key in one)
    run(solver, "parts", *STREAMED, AHEAD, "max_iter=11")
    # What a stream has begun may go on in memory: neither key touches a weight.
    again = run(solver, "parts", resume="auto")
    assert_same_run(again, streamed, 20)
    score = evaluate_checkpoint(streamed / "best.pt")
    assert evaluate_checkpoint(streamed / "best.pt", overrides=STREAMED) == score
    assert score.samples == 9


def test_a_test_elsewhere_needs_no_training_images_but_the_classes_of_the_training(solver):
    best = run(solver, "held") / "best.pt"
    (solver.parent / "set" / "train").rename(solver.parent / "trained on")
    assert evaluate_checkpoint(best, overrides=STREAMED) == evaluate_checkpoint(best)
    tested = solver.parent / "set" / "val"
    (tested / "bee").rename(tested / "wasp")
    with pytest.raises(DataError) as caught:
        evaluate_checkpoint(best)
    assert str(caught.value).splitlines() == [
        f"{tested}/wasp: no such class in the training",
        f"{tested}: lacks the class 'bee' of the training",
    ]


def test_no_training_goes_on_with_other_classes(solver):
    folder = run(solver, "held", "max_iter=11")
    trained = solver.parent / "set" / "train"
    for part in (trained, trained.with_name("val")):
        (part / "ant").rename(part / "zebra")
    with pytest.raises(DataError, match=f"^{trained}/zebra: no such class in the training\n"):
        run(solver, "held", resume="auto")
    assert not (folder / "iter_14.pt").exists()


def test_a_dry_run_writes_the_caches_of_a_training_and_nothing_else(solver, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    before = set(tmp_path.rglob("*"))
    dry_run(solver, TrainOptions(output=tmp_path / "run"), lambda _: None)
    added = set(tmp_path.rglob("*")) - before
    assert {path.relative_to(tmp_path).parts[0] for path in added} == {"cache"}
    assert any(path.suffix == ".npy" for path in added)


class Damaging(Quiet):
    """Empties the training images when an event of the run comes."""

    def __init__(self, files: dict[Path, bytes], event: str, step: int) -> None:
        self.files, self.when = files, (event, step)

    def _now(self, event: str, step: int) -> None:
        for path in self.files if (event, step) == self.when else ():
            path.write_bytes(b"")

    def advanced(self, step: int) -> None:
        self._now("advanced", step)

    def tested(self, line: dict[str, Any], density: float) -> None:
        self._now("tested", line["iter"])


STAGED = (
    "regularization={ip: {type: l0, t: 50%}}",
    "stages=[{t: {ip: 50%}, until: {accuracy: {within: 0, of: 1.0}, patience: 3, max_iters: 19},"
    " on_miss: continue}, {t: {ip: 20%}}]",
)


@pytest.mark.parametrize(("event", "step"), [("tested", 16), ("advanced", 8), ("advanced", 13)])
def test_images_that_cannot_be_read_any_more_lose_nothing(solver, event, step):
    files = {path: path.read_bytes() for path in (solver.parent / "set/train").rglob("*.*")}
    settings = (*STREAMED, *STAGED)
    whole = run(solver, "whole", *settings)
    options = TrainOptions(settings, output=solver.parent / "parts")
    with pytest.raises(DataError) as raised:
        train(solver, options, Damaging(files, event, step))
    words = f"stopped after {step} updates; --resume auto goes on from there"
    assert str(raised.value).endswith(f": the file is empty; {words}")
    newest = solver.parent / f"parts/iter_{step}.pt"
    before = newest.read_bytes()
    with pytest.raises(DataError) as raised:  # of no update nothing is to be saved
        run(solver, "parts", *settings, resume="auto")
    assert str(raised.value).endswith(": the file is empty")
    assert newest.read_bytes() == before
    for path, content in files.items():
        path.write_bytes(content)
    assert_same_run(whole, run(solver, "parts", *settings, resume="auto"), 20)


def test_a_run_goes_on_with_bad_images_skipped_but_not_with_less_care(solver):
    skip, error = (f"net.layers.images.on_bad_image={word}" for word in ("skip", "error"))
    run(solver, "run", *STREAMED, "max_iter=5")
    run(solver, "run", *STREAMED, skip, "max_iter=7", resume="auto")
    with pytest.raises(ConfigError, match=r"differs in net\.layers\.images\.on_bad_image;"):
        run(solver, "run", *STREAMED, error, resume="auto")


def test_labels_beyond_the_scores_name_layer_classes_and_scores():
    net = net_data(convolution("conv", 4), inner_product("ip", 9))
    with pytest.raises(ConfigError) as caught:
        parts(net)
    words = "9 scores from 'ip', but the labels of 'digits' in"
    assert str(caught.value).splitlines() == [
        f"small: net.layers.loss: {words} TRAIN are of 10 classes",
        f"small: net.layers.accuracy: {words} TEST are of 10 classes",
        f"small: net.layers.loss: {words} TEST are of 10 classes",
    ]
    for layer in net["layers"][-2:]:
        layer["ignore_label"] = 9
    parts(net)


def test_labels_are_known_by_the_names_that_splits_give_them():
    net = net_data(inner_product("ip", 9))
    layers = net["layers"]
    layers[-2:-2] = [
        {"name": "first", "type": "Split", "bottom": "label", "top": ["mine", "theirs"]},
        {"name": "second", "type": "Split", "bottom": "theirs", "top": ["yours", "ours"]},
    ]
    layers[-1]["bottom"] = ["ip", "ours"]
    with pytest.raises(ConfigError, match=r"small: net\.layers\.loss: 9 scores from 'ip'"):
        parts(net)


def test_labels_beyond_the_scores_name_file_and_line(solver, tmp_path):
    net = tmp_path / "net.yaml"
    line = next(n for n, text in enumerate(net.read_text().splitlines(), 1) if "SoftmaxW" in text)
    with pytest.raises(ConfigError) as caught:
        run(solver, "run", *STREAMED, "net.layers.ip.num_output=2")
    assert f"{net}:{line}: net.layers.loss: 2 scores from 'ip'" in str(caught.value).splitlines()[0]
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run").exists()
