"""The end of a run: the final and the best net measured, saved and summarized."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from sparsenet import ranks
from sparsenet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sparsenet.files import write_text
from sparsenet.layers.base import Phase
from sparsenet.run_folder import RunFolder
from sparsenet.solver.evaluate import Score, evaluate
from sparsenet.solver.loop import Loop
from sparsenet.workflows.build import Parts, counted_memory
from sparsenet.workflows.copying import copy_weights
from sparsenet.workflows.summary import model_summary, run_summary, summary_text

Results = tuple[dict[str, Any], str]
"""The document of summary.json, and summary.txt."""

_HELD_OUT: tuple[Phase, ...] = ("VAL", "TEST")


def write_results(parts: Parts, loop: Loop, folder: RunFolder, final: Checkpoint) -> Results:
    """Measure the final and the best net on all data held out, save and summarize them.

    Processes that train together share the measuring, and rank 0 alone writes. Raises FileError.
    """
    measured = {"final": (loop.step, _measured(parts, final))}
    memory = counted_memory(parts.net)
    _save(folder.final, final, measured["final"][1])
    if loop.best is not None:
        best = ranks.first(lambda: load_checkpoint(folder.best))
        measured["best"] = (best.iter, _measured(parts, best))
        memory = counted_memory(parts.net)
        _save(folder.best, best, measured["best"][1])
    summary = run_summary(
        net=parts.config.net.name,
        seed=parts.config.random_seed,
        folder=str(folder.path),
        seconds=loop.clock.seconds,
        models={name: model_summary(*model) for name, model in measured.items()},
        progress=loop.progress,
        memory=memory,
    )
    text = summary_text(summary, memory)
    ranks.first(lambda: _write(folder, summary, text))
    return summary, text


def _write(folder: RunFolder, summary: dict[str, Any], text: str) -> None:
    write_text(folder.summary_text, text)
    write_text(folder.summary_json, json.dumps(summary, indent=1) + "\n")


def read_results(folder: RunFolder, iteration: int) -> Results | None:
    """What `write_results` left of a run that ended after `iteration` updates, if it is whole."""
    try:
        summary = json.loads(folder.summary_json.read_text(encoding="utf-8"))
        text = folder.summary_text.read_text(encoding="utf-8")
        whole = folder.final.exists() and summary["final"]["iter"] == iteration
        return (summary, text) if whole and isinstance(summary["missed"], list) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _measured(parts: Parts, model: Checkpoint) -> dict[str, Score]:
    """The scores of a model, whose weights the net has from then on."""
    copy_weights(parts.net, model.weights)
    there = [phase for phase in _HELD_OUT if phase in parts.batches]
    return {phase: evaluate(parts.net, parts.batches[phase], phase) for phase in there}


def _save(path: Path, model: Checkpoint, scores: dict[str, Score]) -> None:
    """Save a model with its accuracies."""
    accuracy = {phase: s.accuracy for phase, s in scores.items() if s.accuracy is not None}
    whole = dataclasses.replace(model, accuracy=accuracy)
    ranks.first(lambda: save_checkpoint(path, whole))
