"""A trained net on disk: plain data, written whole or not at all, loaded without running code.

A *model* (`best.pt`, `final.pt`) holds the merged configuration, the weights, and the l0
constraints they satisfy. A *snapshot* (`iter_N.pt`) holds besides what the solver needs to go on
as if it had never stopped. In both, `weights` satisfy the constraints: what the live weights had
outside them since the last projection is `pending`, a part of the solver's state.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.files import replacing

FORMAT = "sparsenet checkpoint"
VERSION = 1


class CheckpointError(SparsenetError):
    """A file is not a whole sparsenet checkpoint."""


@dataclass(frozen=True)
class Constraint:
    """At most `t` of the elements of these weights, together, are not zero."""

    name: str
    weights: tuple[str, ...]
    t: int


@dataclass(frozen=True)
class SolverState:
    """What a snapshot adds: all that the next update depends on, and the log so far.

    `history` holds the update rule's tensors by weight and name, `pending` the weights (elsewhere
    zero) that the next projection may remove, `progress` the stages', `best` the best validation
    accuracy, `lines` the length of metrics.jsonl, `seconds` the training time so far.
    """

    history: dict[str, dict[str, Tensor]]
    pending: dict[str, Tensor]
    progress: dict[str, Any]
    best: float | None
    lines: int
    seconds: float


@dataclass(frozen=True)
class Checkpoint:
    """A net after `iter` updates. `accuracy` holds what was measured on it, by phase."""

    config: dict[str, Any]
    iter: int
    weights: dict[str, Tensor]
    constraints: tuple[Constraint, ...] = ()
    accuracy: dict[str, float] = field(default_factory=dict)
    mean_image: Tensor | None = None
    solver: SolverState | None = None

    @property
    def kind(self) -> str:
        """`snapshot` where training can go on from it, `model` otherwise."""
        return "snapshot" if self.solver else "model"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a violated constraint is a defect of ours and never reaches the disk.

    Raises FileError where the disk is full or the folder not writable.
    """
    violated = violations(checkpoint)
    assert not violated, violated
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        **{name: getattr(checkpoint, name) for name in ("config", "iter", "accuracy")},
        "weights": _owned(checkpoint.weights),
        "constraints": [
            vars(item) | {"weights": list(item.weights)} for item in checkpoint.constraints
        ],
        "mean_image": checkpoint.mean_image,
        "solver": None,
    }
    if checkpoint.solver:
        history = {name: _owned(state) for name, state in checkpoint.solver.history.items()}
        pending = _owned(checkpoint.solver.pending)
        content["solver"] = vars(checkpoint.solver) | {"history": history, "pending": pending}
    with replacing(path) as stream:
        torch.save(content, stream)


def _owned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as the file stores them: on the CPU, contiguous, none a view of a larger storage."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
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


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint on the CPU. No code in the file is run.

    Raises ConfigError where there is no such file, CheckpointError where it is not a whole
    checkpoint: cut off, foreign, malicious, of a newer version, or beyond its own constraints.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such checkpoint")
    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).split(". ")[0].splitlines()[0]
        raise CheckpointError(f"{path}: refused, it holds more than plain data: {reason}") from None
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: not a whole checkpoint: {reason}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: a torch file, but not a sparsenet checkpoint")
    if content.get("version") != VERSION:
        words = f"version {content.get('version')}, but this sparsenet reads version {VERSION}"
        raise CheckpointError(f"{path}: {words}")
    try:
        checkpoint = _parse(content)
        violated = violations(checkpoint)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint: {error!r}") from None
    if violated:
        raise CheckpointError(f"{path}: {'; '.join(violated)}")
    return checkpoint


def _check_archive(path: Path) -> None:
    """torch.save stores its members uncompressed: anything larger than its file is a bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint: {error}") from None
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > path.stat().st_size:
        raise CheckpointError(f"{path}: refused, it says it is larger than its file")


def _parse(content: Mapping[str, Any]) -> Checkpoint:
    solver = content["solver"]
    mean_image = content["mean_image"]
    if mean_image is not None:
        _tensors({"mean_image": mean_image})
    if not isinstance(content["config"], dict) or not isinstance(content["iter"], int):
        raise TypeError("config or iter")
    return Checkpoint(
        config=content["config"],
        iter=content["iter"],
        weights=_tensors(content["weights"]),
        constraints=tuple(
            Constraint(str(item["name"]), tuple(item["weights"]), int(item["t"]))
            for item in content["constraints"]
        ),
        accuracy={str(phase): float(value) for phase, value in content["accuracy"].items()},
        mean_image=mean_image,
        solver=None if solver is None else _parse_solver(solver),
    )


def _parse_solver(solver: Mapping[str, Any]) -> SolverState:
    history = {str(name): _tensors(state) for name, state in solver["history"].items()}
    return SolverState(**{**solver, "history": history, "pending": _tensors(solver["pending"])})


def _tensors(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """Check that every value is a dense tensor whose storage really holds its elements."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise TypeError(f"{name} is not a dense tensor")
        if not tensor.is_contiguous():
            # A stride of zero would let a small file claim a tensor of any size.
            raise ValueError(f"{name} is not stored contiguously")
    return dict(tensors)
