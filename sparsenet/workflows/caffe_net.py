"""A trained net as Caffe's deploy.prototxt and caffemodel, and the proof that they are the net."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from sparsenet.caffe.weights import read_weights
from sparsenet.checkpoint import Checkpoint
from sparsenet.config.load import load_net
from sparsenet.errors import ConfigError
from sparsenet.exports.caffe.encode import MEAN, Deployed, encode_caffe
from sparsenet.exports.inference import ExportError, Inference, inference_of
from sparsenet.exports.preprocessing import sample_images
from sparsenet.files import write_files
from sparsenet.workflows.build import build_net
from sparsenet.workflows.copying import copy_weights
from sparsenet.workflows.import_caffe import NET as IMPORTED
from sparsenet.workflows.import_caffe import import_caffe

NET, WEIGHTS = "deploy.prototxt", "deploy.caffemodel"
TOLERANCE = 1e-4
"""The largest difference of two scores, as a part of the largest score."""
_IMAGES = 5


@dataclass(frozen=True)
class Proof:
    """The largest difference of the imported net's scores from the net's, whose largest is `scale`.

    It is 0 but for layers that are two in Caffe, which round twice.
    """

    difference: float
    scale: float
    images: int = _IMAGES


def export_caffe(
    inference: Inference, folder: Path, *, overwrite: bool = False
) -> tuple[Deployed, dict[str, int], Proof]:
    """Write deploy.prototxt, deploy.caffemodel and, where one is subtracted, mean.binaryproto.

    Before that they have been imported again, as `import-caffe` does: every tensor has its bits and
    the scores x of random images are the net's, y: max |x - y| <= 1e-4 max |y|. Returns also the
    bytes of each file. Raises ConfigError where the folder has such files already (unless
    `overwrite`) and for layers that Caffe has not; ExportError where it is not the net; FileError.
    """
    there = [name for name in (NET, WEIGHTS, MEAN) if (folder / name).exists()]
    if there and not overwrite:
        words = f"{folder} has {', '.join(there)} already: give --overwrite, or another folder"
        raise ConfigError(words)
    deployed = encode_caffe(inference)
    contents = {NET: deployed.prototxt.encode("utf-8"), WEIGHTS: deployed.caffemodel}
    if deployed.mean is not None:
        contents[MEAN] = deployed.mean
    with tempfile.TemporaryDirectory(prefix="sparsenet-") as name:
        write_files(Path(name), contents)
        proof = _proof(Path(name), inference)
    write_files(folder, contents)
    if deployed.mean is None:
        (folder / MEAN).unlink(missing_ok=True)  # of an earlier net, and not of this one
    return deployed, {name: len(content) for name, content in contents.items()}, proof


def _proof(draft: Path, inference: Inference) -> Proof:
    import_caffe(draft / NET, draft / "imported")
    net = build_net(load_net(draft / "imported" / IMPORTED), 0, torch.device("cpu"))
    copied = copy_weights(net, read_weights(draft / WEIGHTS))
    if copied["fresh"] or copied["unused"]:
        lost = ", ".join(copied["fresh"] + copied["unused"])
        raise ExportError(f"imported again it has not the layers of the net: {lost}")
    ours, theirs = inference.tensors, net.weights()
    for name in ours.keys() & theirs.keys():
        if not torch.equal(ours[name].view(torch.int32), theirs[name].view(torch.int32)):
            raise ExportError(f"{name} in the file has not the net's values")
    samples = sample_images(inference, _IMAGES)
    expected = inference.compute(samples)
    found = inference_of(net, Checkpoint({}, 0, theirs)).compute(samples)
    if found.shape != expected.shape:
        words = f"scores are {tuple(found.shape)}, the net's {tuple(expected.shape)}"
        raise ExportError(f"imported again its {words}")
    proof = Proof(float((found - expected).abs().max()), float(expected.abs().max()))
    if not proof.difference <= TOLERANCE * proof.scale:  # NaN too
        words = f"its scores differ by {proof.difference:.3g} from the net's"
        raise ExportError(f"imported again {words}, which reach {proof.scale:.3g}")
    return proof
