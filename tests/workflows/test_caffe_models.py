"""Caffe's own prototxt files, those of a folder that SPARSENET_CAFFE_MODELS names.

It holds `examples/` and `models/` as BVLC Caffe's source has them (Debian's and Ubuntu's source
package caffe is one), and may hold SqueezeNet's.
"""

from __future__ import annotations

import os
from math import prod
from pathlib import Path

import pytest
import torch

from sparsenet.caffe.files import has_layers, read_prototxt
from sparsenet.config.graph import has_phase
from sparsenet.config.load import load_net
from sparsenet.errors import ConfigError
from sparsenet.layers.base import Phase
from sparsenet.workflows.build import build_net
from sparsenet.workflows.import_caffe import Imported, import_caffe

MODELS = os.environ.get("SPARSENET_CAFFE_MODELS")
FILES = sorted(Path(MODELS).rglob("*.prototxt")) if MODELS else []
# Published, or counted by hand from the shapes; by the net's name, of whole nets and of deploy's.
PARAMETERS = {
    "LeNet": {431_080},
    "CIFAR10_quick": {145_578},
    "CIFAR10_quick_test": {145_578},
    "CIFAR10_full": {89_578, 89_450},  # with BatchNorm its convolutions have no biases
    "CIFAR10_full_deploy": {89_578},
    "MNISTAutoencoder": {2_837_314},
    "mnist_siamese": {431_102},
    "AlexNet": {60_965_224},
    "CaffeNet": {60_965_224},
    "FlickrStyleCaffeNet": {56_950_164},
    "R-CNN-ilsvrc13": {57_687_624},
    "GoogleNet": {13_378_280, 6_998_552},
    "net": {1_248_424, 1_235_496, 282},  # no name: SqueezeNet 1.0, 1.1, nonlinear_auto_*
    "LogisticRegressionNet": {10, 282},
}
# What has no counterpart here, by a part of the file's path.
REFUSED = {
    "mnist_siamese_solver": "the layer type 'ContrastiveLoss' is not supported",
    "mnist_siamese_train_test": "the layer type 'ContrastiveLoss' is not supported",
    "lenet_auto_solver": "no file 'mnist/lenet_auto_train.prototxt'",
    "pascal_finetune_solver": "the layer type 'WindowData' is not supported",
    "pascal_finetune_trainval_test": "the layer type 'WindowData' is not supported",
    "linreg": "the layer type 'Python' is not supported",
    "bvlc_caffenet_full_conv": "needs 64 labels an example",
    "conv": "needs 9216 labels an example",
}


def imported(path: Path, folder: Path) -> Imported:
    """The file's import; where its data are asked for, with the shape that they have."""
    try:
        return import_caffe(path, folder)
    except ConfigError as error:
        if not all("give it by --shape" in str(problem) for problem in error.problems):
            raise
        shapes = {"mnist": (1, 28, 28), "hdf5_classification": (4, 1, 1)}
        given = (shape for part, shape in shapes.items() if part in str(path))
        return import_caffe(path, folder, shape=next(given, (3, 32, 32)))


@pytest.mark.skipif(not MODELS, reason="SPARSENET_CAFFE_MODELS names no folder of prototxt files")
def test_the_folder_holds_files() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_imports_builds_and_computes_or_is_refused(path: Path, tmp_path: Path) -> None:
    refusal = next((words for part, words in REFUSED.items() if part == path.stem), None)
    if refusal is not None:
        with pytest.raises(ConfigError, match=refusal.replace("'", ".")):
            imported(path, tmp_path / "out")
        return
    done = imported(path, tmp_path / "out")
    assert done.net.parameters in PARAMETERS[done.net.name]
    if not has_layers(read_prototxt(path)):
        return  # its net is a file of its own, or checked by loading alone
    net = build_net(load_net(tmp_path / "out" / "net.yaml"), 0, torch.device("cpu"))
    assert sum(prod(it.shape) for it in net.parameters()) == done.net.parameters
    phases: tuple[Phase, ...] = ("TRAIN", "TEST")
    for phase in phases:
        if has_phase(net.config, phase):
            images = torch.zeros(2, *net.graphs[phase].data.image_shape)
            with torch.inference_mode():
                outputs = net(images, torch.zeros(2, dtype=torch.int64), phase)
            assert outputs.first_not_finite() is None
