"""A trained net as a C99 project that computes from its packed weights."""

from __future__ import annotations

import ctypes
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsenet.config.readers import tested_phase
from sparsenet.errors import ConfigError, Problem
from sparsenet.exports.inference import ExportError, Inference, inference_of
from sparsenet.exports.preprocessing import sample_images
from sparsenet.net import Net
from sparsenet.program.compiler import NoCompiler, compile_project
from sparsenet.program.plan import plan
from sparsenet.program.preparing import preparing
from sparsenet.program.writing import Project, file_names, write_project
from sparsenet.storage.encoded import Encoded, encode
from sparsenet.storage.values import FLOAT32, Values
from sparsenet.workflows.stored import StoredNet

TOLERANCE = 1e-4
"""The largest difference of two scores, as a part of the largest score."""
_IMAGES = 5


@dataclass(frozen=True)
class Proof:
    """The largest difference of the program's scores from the net's, whose largest is `scale`."""

    difference: float
    scale: float
    images: int = _IMAGES


def export_c(
    stored: StoredNet, folder: Path, values: Values = FLOAT32, *, overwrite: bool = False
) -> tuple[Project, Proof | None]:
    """Write the net that a checkpoint holds as a C project into a folder.

    Each weight is in the format that takes the fewest bytes with these values. Before that it is
    compiled, and computes the net's scores of random images: max |x - y| <= 1e-4 max |y|; where
    there is no C compiler there is no proof. Raises ConfigError where the folder has files of these
    names already (unless `overwrite`), where a layer has no C, and where a weight cannot be held in
    such values; ExportError where the program does not compute the net; FileError.
    """
    net = stored.net
    there = [name for name in file_names(net.config.name) if (folder / name).exists()]
    if there and not overwrite:
        words = f"{folder} has {', '.join(there)} already: give --overwrite, or another folder"
        raise ConfigError(words)
    program = plan(net, packed_weights(net, values))
    prepare = preparing(net.graphs[tested_phase(net.config)].data, stored.checkpoint.mean_image)
    classes = stored.checkpoint.classes
    if classes is not None and len(classes) != program.scores.size:
        classes = None
    with tempfile.TemporaryDirectory(prefix="sparsenet-") as name:
        draft = write_project(program, prepare, Path(name), net.config.name, classes)
        proof = _proof(draft, inference_of(net, stored.checkpoint))
    return write_project(program, prepare, folder, net.config.name, classes), proof


def _proof(project: Project, inference: Inference) -> Proof | None:
    made = project.folder / "proof.so"
    try:
        compile_project(project.folder / f"{project.name}.c", made)
    except NoCompiler:
        return None
    run = ctypes.CDLL(str(made))[f"{project.name}_run"]
    run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    samples = sample_images(inference, _IMAGES)
    expected = inference.compute(samples).flatten(1).numpy()
    found = np.empty_like(expected)
    for image, scores in zip(samples.contiguous().numpy(), found, strict=True):
        run(image.ctypes.data, scores.ctypes.data)
    proof = Proof(float(np.abs(found - expected).max()), float(np.abs(expected).max()))
    if not proof.difference <= TOLERANCE * proof.scale:  # NaN too
        words = f"its scores differ by {proof.difference:.3g} from the net's"
        raise ExportError(f"{words}, which reach {proof.scale:.3g}")
    return proof


def packed_weights(net: Net, values: Values = FLOAT32) -> dict[str, Encoded]:
    """Every weight in its cheapest format. Raises ConfigError naming all that cannot be held."""
    packed, problems = {}, []
    for blob in net.blobs:
        if blob.is_weight:
            try:
                packed[blob.layer.name] = encode(blob.tensor.detach(), values)
            except ValueError as error:
                problems.append(Problem("", blob.layer.name, f"{values.name}: {error}"))
    if problems:
        raise ConfigError(problems)
    return packed
