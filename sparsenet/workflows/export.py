"""`sparsenet export`: a checkpoint as a file that other programs run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsenet.errors import ConfigError
from sparsenet.exports.inference import Encoded, ExportError, Inference, inference_of
from sparsenet.exports.onnx.encode import encode_onnx
from sparsenet.files import FileError, replacing
from sparsenet.workflows.stored import open_stored

FORMATS: dict[str, Callable[[Inference], Encoded]] = {
    "onnx": encode_onnx,
}
"""By name, which is also the ending of its files; each proves what it returns to be the net."""


@dataclass(frozen=True)
class Exported:
    """What was written: a document of plain data, and the same for a reader."""

    document: dict[str, Any]
    text: str


def export(
    path: Path, name: str, output: Path | None = None, *, overwrite: bool = False
) -> Exported:
    """Write a checkpoint's net in the format `name`, by default beside the checkpoint.

    Raises ConfigError, CheckpointError, FileError, and ExportError where the net has no such file
    or the file would not be the net: nothing is written then.
    """
    target = path.with_suffix(f".{name}") if output is None else output
    _require_place(target, path, overwrite=overwrite)
    stored = open_stored(path, device="cpu")
    try:
        encoded = FORMATS[name](inference_of(stored.net, stored.checkpoint))
    except ExportError as error:
        raise ExportError(f"{path}: cannot be exported: {error}") from None
    with replacing(target) as stream:
        stream.write(encoded.content)
    size = len(encoded.content)
    document = {"file": str(target), "format": name, "bytes": size, **encoded.document}
    return Exported(document, "\n".join([f"{target}: {size:,} bytes", *encoded.lines, ""]))


def _require_place(target: Path, source: Path, *, overwrite: bool) -> None:
    """Raise before the net is read what can be known of the file by then."""
    if target.resolve() == source.resolve():
        raise ConfigError(f"{target} is the checkpoint itself: choose another file by --output")
    if target.exists() and not overwrite:
        words = "replace it by --overwrite, or choose another file by --output"
        raise ConfigError(f"{target} exists: {words}")
    if not target.parent.is_dir():
        raise FileError(f"{target}: cannot be written: {target.parent} is no folder")
