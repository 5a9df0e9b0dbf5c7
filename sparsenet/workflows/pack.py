"""`sparsenet pack` and `sparsenet unpack`: a checkpoint as a file that is as small as it can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsenet.checkpoint import save_checkpoint, violations
from sparsenet.errors import ConfigError
from sparsenet.packed.file import is_packed, packed_bytes, read_packed, write_packed
from sparsenet.packed.model import PackedModel, PackError, pack, unpack
from sparsenet.progress import Display
from sparsenet.solver.evaluate import Score
from sparsenet.storage.accounting import ModelMemory
from sparsenet.storage.values import FLOAT32, values_of
from sparsenet.workflows.build import counted_memory
from sparsenet.workflows.copying import copy_weights
from sparsenet.workflows.held_out import scores_of
from sparsenet.workflows.stored import StoredNet, open_stored


@dataclass(frozen=True)
class PackOptions:
    """`values` as on the command line; without `data` no accuracy is measured."""

    output: Path
    values: str = "float32"
    data: bool = True
    overrides: Sequence[str] = ()
    device: str | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Packed:
    """A packed file: its size, the memory it was to have, and the test scores before and after.

    Scores are None where they were not measured; lossless values need no second measuring.
    """

    path: Path
    model: PackedModel
    memory: ModelMemory
    file_bytes: int
    before: Score | None
    after: Score | None


def pack_file(source: Path, options: PackOptions, display: Display) -> Packed:
    """Write the packed model of a checkpoint, once its test accuracy is known.

    Raises ConfigError, CheckpointError, PackError, DataError, FileError.
    """
    require_free(options.output, options.overwrite)
    try:
        values = values_of(options.values)
    except ValueError as error:
        raise ConfigError(f"--values: {error}") from None
    stored = open_stored(source, options.overrides, options.device)
    model = pack(stored.checkpoint, str(source), values)
    before = _score(stored, display) if options.data else None
    after = before
    if values is not FLOAT32:
        copy_weights(stored.net, unpack(model, str(source)).weights)
        after = _score(stored, display) if options.data else None
    if after is not None and after.accuracy is not None:
        model = dataclasses.replace(model, accuracy=model.accuracy | {"TEST": after.accuracy})
    memory = counted_memory(stored.net, values)
    assert model.payload_bytes == memory.total.bytes["best"], "pack and memsize disagree"
    write_packed(options.output, model)
    return Packed(options.output, model, memory, len(packed_bytes(model)), before, after)


def unpack_file(source: Path, output: Path, overwrite: bool = False) -> int:
    """Write the checkpoint of a packed model; the updates after which it was made.

    Raises ConfigError, PackError, FileError.
    """
    require_packed(source)
    require_free(output, overwrite)
    checkpoint = unpack(read_packed(source), str(source))
    if found := violations(checkpoint):
        raise PackError(f"{source}: {'; '.join(found)}")
    save_checkpoint(output, checkpoint)
    return checkpoint.iter


def require_packed(path: Path) -> None:
    """Raise ConfigError where a file does not even say that it is a packed model."""
    if not is_packed(path):
        raise ConfigError(f"{path}: is not a packed model; sparsenet pack makes one")


def require_free(output: Path, overwrite: bool) -> None:
    """Raise ConfigError where a file is there already, or there is no folder for it."""
    if output.exists() and not overwrite:
        raise ConfigError(f"--output {output}: is there already; --overwrite replaces it")
    if not output.parent.is_dir():
        raise ConfigError(f"--output {output}: there is no folder {output.parent}")


def _score(stored: StoredNet, display: Display) -> Score | None:
    """What the net scores on its test data; None where it has none."""
    return scores_of(stored, ["TEST"], display).get("TEST")
