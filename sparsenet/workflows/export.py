"""`sparsenet export`: a checkpoint or packed model as files that other programs run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.errors import ConfigError
from sparsenet.exports.inference import ExportError, inference_of
from sparsenet.exports.onnx.encode import encode_onnx
from sparsenet.files import FileError, replacing
from sparsenet.packed.file import is_packed, read_packed
from sparsenet.storage.values import FLOAT32
from sparsenet.workflows.c_program import export_c
from sparsenet.workflows.caffe_net import export_caffe
from sparsenet.workflows.stored import open_stored


@dataclass(frozen=True)
class Exported:
    """What was written: a document of plain data, and the same for a reader."""

    document: dict[str, Any]
    text: str


def export(
    path: Path, name: str, output: Path | None = None, *, overwrite: bool = False
) -> Exported:
    """Write a model's net in the format `name`, by default beside the model.

    Raises ConfigError, CheckpointError, PackError, FileError, and ExportError where the net has no
    such file or the file would not be the net: nothing is written then.
    """
    try:
        return FORMATS[name](path, output, overwrite)
    except ExportError as error:
        raise ExportError(f"{path}: cannot be exported: {error}") from None


def _onnx(path: Path, output: Path | None, overwrite: bool) -> Exported:
    target = path.with_suffix(".onnx") if output is None else output
    _require_place(target, path, overwrite=overwrite)
    stored = open_stored(path, device="cpu")
    encoded = encode_onnx(inference_of(stored.net, stored.checkpoint))
    with replacing(target) as stream:
        stream.write(encoded.content)
    size = len(encoded.content)
    document = {"file": str(target), "format": "onnx", "bytes": size, **encoded.document}
    return Exported(document, "\n".join([f"{target}: {size:,} bytes", *encoded.lines, ""]))


def _c(path: Path, output: Path | None, overwrite: bool) -> Exported:
    folder = path.with_name(f"{path.stem}-c") if output is None else output
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, and C takes a folder: choose another by --output")
    stored = open_stored(path, device="cpu")
    values = read_packed(path).values if is_packed(path) else FLOAT32
    project, proof = export_c(stored, folder, values, overwrite=overwrite)
    constant = project.weights + project.numbers
    document = {
        "folder": str(folder),
        "format": "c",
        "name": project.name,
        "read_only": constant,
        "weights": project.weights,
        "ram": project.ram,
        "largest_difference": None if proof is None else proof.difference,
        "largest_score": None if proof is None else proof.scale,
        "images": 0 if proof is None else proof.images,
    }
    proved = "not proved to be the net: there is no C compiler here"
    if proof is not None:
        proved = f"largest difference, compiled here: {proof.difference:.3g} of scores up to "
        proved += f"{proof.scale:.3g} ({proof.images} images)"
    lines = [
        f"{folder}: {project.name}.h, {project.name}.c, main.c and Makefile",
        f"read-only data: {constant:,} bytes, of them {project.weights:,} of packed weights",
        f"RAM: {project.ram:,} bytes, and of the caller an image and its scores, "
        f"{project.caller:,} bytes",
        proved,
    ]
    return Exported(document, "\n".join([*lines, ""]))


def _caffe(path: Path, output: Path | None, overwrite: bool) -> Exported:
    folder = path.with_name(f"{path.stem}-caffe") if output is None else output
    if folder.exists() and not folder.is_dir():
        words = "is a file, and Caffe takes a folder: choose another by --output"
        raise ConfigError(f"{folder} {words}")
    stored = open_stored(path, device="cpu")
    inference = inference_of(stored.net, stored.checkpoint)
    deployed, files, proof = export_caffe(inference, folder, overwrite=overwrite)
    document = {
        "folder": str(folder),
        "format": "caffe",
        "files": files,
        "input": inference.images,
        "output": deployed.output,
        "preparing": deployed.preparing,
        "largest_difference": proof.difference,
        "largest_score": proof.scale,
        "images": proof.images,
    }
    written = ", ".join(f"{name} ({size:,} bytes)" for name, size in files.items())
    lines = [
        f"{folder}: {written}",
        *deployed.preparing,
        f"Output {deployed.output!r}; largest difference, imported again: {proof.difference:.3g} "
        f"of scores up to {proof.scale:.3g} ({proof.images} images)",
    ]
    return Exported(document, "\n".join([*lines, ""]))


FORMATS: dict[str, Callable[[Path, Path | None, bool], Exported]] = {
    "onnx": _onnx,
    "c": _c,
    "caffe": _caffe,
}
"""By name; each proves what it writes to be the net."""


def _require_place(target: Path, source: Path, *, overwrite: bool) -> None:
    """Raise before the net is read what can be known of the file by then."""
    if target.resolve() == source.resolve():
        raise ConfigError(f"{target} is the model itself: choose another file by --output")
    if target.exists() and not overwrite:
        words = "replace it by --overwrite, or choose another file by --output"
        raise ConfigError(f"{target} exists: {words}")
    if not target.parent.is_dir():
        raise FileError(f"{target}: cannot be written: {target.parent} is no folder")
