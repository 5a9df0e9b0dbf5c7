"""A trained net on disk: plain data, written whole or not at all, loaded without running code.

A *model* (`best.pt`, `final.pt`) holds the merged configuration, the weights, and the l0
constraints they satisfy. Weights are here all that the net learns: its parameters by
`layer.weight` and `layer.bias`, and what normalisations keep of the batches, such as
`layer.mean`. A *snapshot* (`iter_N.pt`) holds besides what the solver needs to go on
as if it had never stopped. In both, `weights` satisfy the constraints: what the live weights had
outside them since the last projection is `pending`, a part of the solver's state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, NonNegativeInt, TypeAdapter, ValidationError
from torch import Tensor

from sparsenet.archive import ArchiveError, read_archive
from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.files import replacing

FORMAT = "sparsenet checkpoint"
VERSION = 1
_START = 4096  # bytes, of which torch's header is the least part and the format is named first
_CHECKED = ConfigDict(arbitrary_types_allowed=True, extra="forbid")


class CheckpointError(SparsenetError):
    """A file is not a whole sparsenet checkpoint."""


@dataclass(frozen=True)
class Constraint:
    """At most `t` of the elements of these weights, together, are not zero."""

    name: str
    weights: tuple[str, ...]
    t: NonNegativeInt


@dataclass(frozen=True)
class SolverState:
    """What a snapshot adds: all that the next update depends on, and the log so far.

    `history` holds the update rule's tensors by weight and name, `pending` the weights (elsewhere
    zero) that the next projection may remove, `progress` the stages', `best` the best validation
    accuracy, `lines` the length of metrics.jsonl, `seconds` the training time so far.
    """

    __pydantic_config__ = _CHECKED

    history: dict[str, dict[str, Tensor]]
    pending: dict[str, Tensor]
    progress: dict[str, Any]
    best: float | None
    lines: NonNegativeInt
    seconds: float


@dataclass(frozen=True)
class Checkpoint:
    """A net after `iter` updates. `accuracy` holds what was measured on it, by phase.

    `mean_image` was subtracted from its images; `classes` are the names of its labels, where they
    are those of folders.
    """

    __pydantic_config__ = _CHECKED

    config: dict[str, Any]
    iter: NonNegativeInt
    weights: dict[str, Tensor]
    constraints: tuple[Constraint, ...] = ()
    accuracy: dict[str, float] = field(default_factory=dict)
    mean_image: Tensor | None = None
    classes: tuple[str, ...] | None = None
    solver: SolverState | None = None

    @property
    def kind(self) -> str:
        """`snapshot` where training can go on from it, `model` otherwise."""
        return "snapshot" if self.solver else "model"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a violated constraint is a defect of ours and never reaches the disk.

    Raises FileError where the disk is full or the folder not writable.
    """
    if found := violations(checkpoint):
        raise AssertionError(found)
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        **{name: getattr(checkpoint, name) for name in ("config", "iter", "accuracy")},
        "weights": _owned(checkpoint.weights),
        "constraints": [
            vars(item) | {"weights": list(item.weights)} for item in checkpoint.constraints
        ],
        "mean_image": None,
        "classes": None if checkpoint.classes is None else list(checkpoint.classes),
        "solver": None,
    }
    if checkpoint.mean_image is not None:
        content |= _owned({"mean_image": checkpoint.mean_image})
    if checkpoint.solver:
        history = {name: _owned(state) for name, state in checkpoint.solver.history.items()}
        pending = _owned(checkpoint.solver.pending)
        content["solver"] = vars(checkpoint.solver) | {"history": history, "pending": pending}
    with replacing(path) as stream:
        try:
            torch.save(content, stream)
        except RuntimeError as error:
            # torch reports a failed write as a defect of its own; the disk's words are behind it.
            failed = error.__context__
            raise failed if isinstance(failed, OSError) else OSError(str(error)) from None


def _owned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as the file stores them: on the CPU, contiguous, none a view of a larger storage."""
    return {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }


def violations(checkpoint: Checkpoint) -> list[str]:
    """The constraints a checkpoint's weights do not satisfy, each in words."""
    found = []
    for item in checkpoint.constraints:
        count = sum(int(torch.count_nonzero(checkpoint.weights[name])) for name in item.weights)
        if count > item.t:
            found.append(f"{item.name} has {count} nonzeros, more than t = {item.t}")
    return found


def is_checkpoint(path: Path) -> bool:
    """Whether a file says that it is a checkpoint of ours, which may be damaged all the same.

    Raises ConfigError where there is no such file or it is a YAML file.
    """
    _require_file(path)
    try:
        with path.open("rb") as stream:
            return FORMAT.encode() in stream.read(_START)
    except OSError:
        return False


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint on the CPU. No code in the file is run.

    Raises ConfigError where there is no such file or it is a YAML file, CheckpointError where it
    is not a whole checkpoint: cut off, damaged, foreign, malicious, of another version, or beyond
    its own constraints.
    """
    _require_file(path)
    try:
        content = read_archive(path)
    except ArchiveError as error:
        raise CheckpointError(f"{path}: {error}") from None
    known = isinstance(content, dict) and content.pop("format", None) == FORMAT
    version = content.pop("version", None) if known else None
    if not isinstance(version, int):
        raise CheckpointError(f"{path}: a torch file, but not a sparsenet checkpoint")
    if version != VERSION:
        words = f"version {version}, but this sparsenet reads version {VERSION}"
        raise CheckpointError(f"{path}: {words}")
    try:
        checkpoint = _CONTENT.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path}: not a whole checkpoint: {where}: {first['msg']}") from None
    if problem := _inconsistency(checkpoint):
        raise CheckpointError(f"{path}: {problem}")
    return checkpoint


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(f"{path}: no such checkpoint")
    if path.suffix in (".yaml", ".yml"):
        raise ConfigError(f"{path}: is a YAML file; a checkpoint is needed here")


_CONTENT = TypeAdapter(Checkpoint)


def _inconsistency(checkpoint: Checkpoint) -> str:
    """What a checkpoint with all its parts says that cannot be; empty where there is nothing."""
    net = checkpoint.config.get("net")
    layers = net.get("layers") if isinstance(net, dict) else None
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return "not a whole checkpoint: config.net.layers: not the layers of a net"
    try:
        json.dumps(checkpoint.config)
    except TypeError:
        return "not a whole checkpoint: config: holds a tensor"
    for item in checkpoint.constraints:
        if not checkpoint.weights.keys() >= set(item.weights):
            return f"not a whole checkpoint: constraint {item.name} is on weights it does not hold"
    return "; ".join(violations(checkpoint))
