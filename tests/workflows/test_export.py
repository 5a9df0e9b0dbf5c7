"""`sparsenet export` as a function: from a trained net to a file that runs without it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from sparsenet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sparsenet.config.load import load_solver
from sparsenet.data.digits import read_digits
from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.exports.inference import ExportError
from sparsenet.files import FileError
from sparsenet.workflows.build import build_net
from sparsenet.workflows.export import export
from sparsenet.workflows.joined import joined_checkpoint, joined_configuration
from tests.small import write_solver
from tests.workflows.runs import run

NET = """
name: pictures
layers:
  - {name: digits, type: Data, source: digits, split: 100, batch_size: 16,
     transform: {mean: train, scale: 0.01, std: 2, crop_size: 6}}
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: {type: xavier},
     regularization: {type: l0, t: 80%}}
  - {name: accuracy, type: Accuracy, bottom: [ip, label], phase: TEST}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
"""
SOLVER = "{net: net.yaml, max_iter: 200, base_lr: 1, display: 0, test_interval: 100, snapshot: 100}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose net knows most of the digits."""
    folder = tmp_path_factory.mktemp("trained")
    run(write_solver(folder, NET, SOLVER), folder / "run")
    return folder / "run"


def runtime(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_the_file_alone_repeats_the_accuracy_that_it_tells(trained: Path, tmp_path: Path) -> None:
    """By what it tells of the transform, in numpy: mean image, crop, scale and deviation."""
    path = tmp_path / "best.onnx"
    export(trained / "best.pt", "onnx", path)
    session = runtime(path)
    told = session.get_modelmeta().custom_metadata_map
    transform, mean = json.loads(told["transform"]), json.loads(told["mean_image"])
    image = np.frombuffer(base64.b64decode(mean["float32"]), "<f4").reshape(mean["shape"])
    pixels, labels = (tensor.numpy() for tensor in read_digits(train=False))
    start, side = (8 - transform["crop_size"]) // 2, transform["crop_size"]
    window = (..., slice(start, start + side), slice(start, start + side))
    images = (pixels[window] - image[window]) * transform["scale"] / transform["std"][0]
    [scores] = session.run(["ip"], {"data": images.astype(np.float32)})
    accuracy = float((scores.argmax(1) == labels).mean())
    recorded = load_checkpoint(trained / "best.pt").accuracy["TEST"]
    assert accuracy == pytest.approx(recorded, abs=1e-9)
    assert float(told["test_accuracy"]) == recorded > 0.7


def test_the_weights_are_the_checkpoints_bit_for_bit(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "final.onnx"
    document = export(home / "run" / "final.pt", "onnx", path).document
    weights = load_checkpoint(home / "run" / "final.pt").weights
    held = {
        item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer
    }
    assert held.keys() >= weights.keys()
    for name, tensor in weights.items():
        assert held[name].tobytes() == tensor.numpy().tobytes()
    kept = [tensor for name, tensor in weights.items() if name.endswith(".weight")]
    assert document["nonzeros"] == sum(int((tensor != 0).sum()) for tensor in kept)
    assert document["nonzeros"] < document["weights"] == sum(tensor.numel() for tensor in kept)


def test_an_ensemble_gives_the_mean_of_its_members_probabilities(
    trained: Path, tmp_path: Path
) -> None:
    names = ("iter_100.pt", "iter_200.pt")
    members = [load_checkpoint(trained / name) for name in names]
    joined = joined_configuration(load_solver(trained.parent / "solver.yaml"), 2)
    save_checkpoint(tmp_path / "two.pt", joined_checkpoint(joined, members))
    assert export(tmp_path / "two.pt", "onnx").document["output"] == "prob"
    images = np.random.default_rng(1).standard_normal((3, 1, 6, 6), dtype=np.float32)
    [mean] = runtime(tmp_path / "two.onnx").run(None, {"data": images})
    probabilities = []
    for name in names:
        export(trained / name, "onnx", tmp_path / "one.onnx", overwrite=True)
        [scores] = runtime(tmp_path / "one.onnx").run(None, {"data": images})
        raised = np.exp(scores)
        probabilities.append(raised / raised.sum(1, keepdims=True))
    assert np.abs(probabilities[0] - probabilities[1]).max() > 0.01
    np.testing.assert_allclose(mean, sum(probabilities) / 2, atol=1e-6)


def refused(kind: type[SparsenetError], *arguments: object, **options: bool) -> str:
    with pytest.raises(kind) as raised:
        export(*arguments, **options)  # type: ignore[arg-type]
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_earlier_file_is_kept_unless_it_may_be_replaced(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("mine")
    words = refused(ConfigError, home / "run" / "best.pt", "onnx", path)
    assert words == f"{path} exists: replace it by --overwrite, or choose another file by --output"
    assert path.read_text() == "mine"
    export(home / "run" / "best.pt", "onnx", path, overwrite=True)
    assert path.read_bytes() != b"mine"


def test_the_checkpoint_itself_is_never_replaced(copied: Path) -> None:
    path = copied / "best.pt"
    before = path.read_bytes()
    same = copied / ".." / copied.name / "best.pt"
    assert "is the model itself" in refused(ConfigError, path, "onnx", same, overwrite=True)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_told_before_the_net_is_read(tmp_path: Path) -> None:
    target = tmp_path / "none" / "net.onnx"
    words = refused(FileError, tmp_path / "missing.pt", "onnx", target)
    assert words == f"{target}: cannot be written: {tmp_path / 'none'} is no folder"


def test_nothing_is_written_of_a_net_that_has_no_such_file(home: Path, tmp_path: Path) -> None:
    configuration = load_solver(home / "solver.yaml")
    net = build_net(configuration.solver.net, 5, torch.device("cpu"))
    net.weights()["ip2.bias"][3] = float("inf")
    mean = load_checkpoint(home / "run" / "best.pt").mean_image
    path = tmp_path / "wild.pt"
    save_checkpoint(path, Checkpoint(configuration.data, 0, net.weights(), mean_image=mean))
    words = "cannot be exported: its scores of random images are not all finite numbers"
    assert refused(ExportError, path, "onnx") == f"{path}: {words}"
    save_checkpoint(path, Checkpoint(configuration.data, 0, net.weights()))
    assert "need a mean image of (1, 8, 8)" in refused(ExportError, path, "onnx")
    assert [each.name for each in tmp_path.iterdir()] == ["wild.pt"]
