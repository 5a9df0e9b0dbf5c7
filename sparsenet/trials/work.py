"""Carrying out one trial, in whichever process and on whichever machine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import torch

from sparsenet.checkpoint import load_checkpoint, save_checkpoint
from sparsenet.config.load import from_data
from sparsenet.config.read import write_yaml
from sparsenet.errors import SparsenetError
from sparsenet.files import write_text
from sparsenet.layers.base import Phase
from sparsenet.run_folder import RunFolder
from sparsenet.solver.loop import NotFiniteError
from sparsenet.trials.board import Board, Reporter
from sparsenet.trials.result import Result, layer_counts
from sparsenet.workflows.build import counted_memory, restored_net
from sparsenet.workflows.held_out import scores_of
from sparsenet.workflows.joined import joined_checkpoint
from sparsenet.workflows.pruning import Pruning
from sparsenet.workflows.resume import find_snapshot
from sparsenet.workflows.signals import StoppedError
from sparsenet.workflows.stored import StoredNet, open_stored
from sparsenet.workflows.train import TrainOptions, TrainResult, train

_Score = tuple[float | None, float | None, int]  # accuracy, loss, samples


@dataclass(frozen=True)
class Order:
    """A trial as it is sent to who carries it out; `start` and `members` are checkpoints."""

    key: str
    label: str
    data: dict[str, Any]
    folder: Path
    start: Path | None = None
    members: tuple[Path, ...] = ()
    trains: bool = True
    pruning: Pruning | None = None
    measured: tuple[Phase, ...] = ("VAL", "TEST")
    device: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of an order: a `line` of trials.jsonl, or an error of the user's, or a stop.

    Errors come back as words, not raised, so that they are the same from any process. `stopped`
    is the signal that interrupted it.
    """

    line: Mapping[str, Any] | None = None
    error: str | None = None
    exit_code: int = 0
    stopped: int | None = None
    warnings: list[str] = field(default_factory=list)


def carry_out(order: Order, board: Board) -> Outcome:
    """Train, prune and measure; what an earlier call has trained in the order's folder goes on.

    The threads that torch computes with are left as they are.
    """
    reporter = Reporter(order.key, board)
    try:
        line = _line(order, reporter)
        return Outcome(line=line, warnings=reporter.warnings)
    except StoppedError as error:
        return Outcome(stopped=error.exit_code - 128, warnings=reporter.warnings)
    except NotFiniteError as error:
        # The same configuration diverges again: this is the trial's result.
        failed = asdict(
            Result(key=order.key, label=order.label, seed=_seed(order), failed=str(error))
        )
        return Outcome(line=failed, warnings=reporter.warnings)
    except SparsenetError as error:
        words, code = str(error), error.exit_code
        return Outcome(error=words, exit_code=code, warnings=reporter.warnings)
    finally:
        board.report(order.key, None)


def _seed(order: Order) -> int:
    return int(order.data.get("random_seed", 0))


def _line(order: Order, reporter: Reporter) -> dict[str, Any]:
    folder = RunFolder(order.folder)
    folder.make()
    write_text(folder.config, write_yaml(order.data))
    trained = _trained(order, folder, reporter).summary if order.trains else None
    if trained is None or order.pruning is not None:
        _write_made(order, folder)
    stored = open_stored(folder.final, device=order.device)
    known = {} if trained is None or order.pruning else trained["final"]
    scores = {phase: _known(stored, phase, known) for phase in order.measured if phase in known}
    rest = [phase for phase in order.measured if phase not in scores]
    measured = scores_of(stored, rest, reporter) if rest else {}
    scores |= {phase: (s.accuracy, s.loss, s.samples) for phase, s in measured.items()}
    memory = counted_memory(stored.net)
    result = Result(
        key=order.key,
        label=order.label,
        seed=_seed(order),
        iterations=stored.checkpoint.iter if trained else 0,
        accuracy={phase: _finite(accuracy) for phase, (accuracy, _, _) in scores.items()},
        loss={phase: _finite(loss) for phase, (_, loss, _) in scores.items()},
        samples={phase: samples for phase, (_, _, samples) in scores.items()},
        params=memory.total.params,
        bytes=memory.total.bytes["best"],
        seconds=trained["seconds"] if trained else 0.0,
        missed=tuple(trained["missed"]) if trained else (),
    )
    return asdict(result) | {"layers": layer_counts(memory)}


def _known(stored: StoredNet, phase: Phase, final: Mapping[str, Any]) -> _Score:
    """What the training has measured of its final net already, by the names of the blobs."""
    outputs, net = final[phase], stored.net
    accuracy, weights = net.accuracy_blob(phase), net.loss_weights(phase)
    losses = [outputs[name] for name in weights]
    whole = (
        None
        if not weights or None in losses
        else sum(map(prod, zip(weights.values(), losses, strict=True)))
    )
    return outputs[accuracy] if accuracy else None, whole, outputs["samples"]


def _trained(order: Order, folder: RunFolder, reporter: Reporter) -> TrainResult:
    """Train in the order's folder, from its newest whole snapshot where there is one."""
    found = find_snapshot("auto", folder, None, reporter)
    options = TrainOptions(
        output=None if found else folder.path,
        weights=None if found else order.start,
        resume=str(found.path) if found else None,
        overwrite=found is None,
        device=order.device,
    )
    return train(folder.config, options, reporter)


def _write_made(order: Order, folder: RunFolder) -> None:
    """Make final.pt of the weights trained here, or those given, joined, pruned, or both."""
    configuration = from_data(order.data, str(folder.config))
    if order.members:
        given = joined_checkpoint(configuration, [load_checkpoint(each) for each in order.members])
    else:
        given = load_checkpoint(order.start if order.start and not order.trains else folder.final)
    net = restored_net(given, configuration, torch.device("cpu"))
    if order.pruning is not None:
        order.pruning.prune_({b.layer.name: b.tensor.detach() for b in net.blobs if b.is_weight})
    weights = {name: tensor.clone() for name, tensor in net.weights().items()}
    made = dataclasses.replace(given, config=order.data, weights=weights, solver=None, accuracy={})
    save_checkpoint(folder.final, made)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
