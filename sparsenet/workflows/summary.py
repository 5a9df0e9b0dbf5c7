"""What a finished run says of itself: one document, as JSON and as text."""

from __future__ import annotations

import math
from typing import Any

from sparsenet.regularization.schedule import Progress
from sparsenet.solver.evaluate import Score
from sparsenet.storage.accounting import ModelMemory
from sparsenet.storage.report import memory_json, memory_table


def score_dict(score: Score) -> dict[str, Any]:
    """A score as plain data; what is NaN or infinite, which JSON does not have, is None."""
    outputs = {name: v if math.isfinite(v) else None for name, v in score.outputs.items()}
    return {"samples": score.samples, **outputs}


def model_summary(iteration: int, scores: dict[str, Score]) -> dict[str, Any]:
    """Scores by phase of the net after `iteration` updates."""
    return {"iter": iteration} | {phase: score_dict(score) for phase, score in scores.items()}


def run_summary(
    *,
    net: str,
    seed: int,
    folder: str,
    seconds: float,
    models: dict[str, dict[str, Any]],
    progress: Progress,
    memory: ModelMemory,
) -> dict[str, Any]:
    """The document of summary.json; `models` are `final` and, with validation data, `best`."""
    return {
        "net": net,
        "random_seed": seed,
        "folder": folder,
        "seconds": round(seconds, 1),
        **models,
        "stages": progress.to_dict()["history"],
        "missed": [end.stage for end in progress.missed],
        "memory": memory_json(memory),
    }


def summary_text(summary: dict[str, Any], memory: ModelMemory) -> str:
    """The same for a reader: what was missed, the accuracies, the per-layer memory table."""
    lines = [f"{summary['net']}, seed {summary['random_seed']}, {summary['seconds']} s"]
    for stage in summary["stages"]:
        accuracy = stage["accuracy"]
        measured = "" if accuracy is None else f", VAL accuracy {100 * accuracy:.2f} %"
        words = {"iters": "done", "reached": "reached", "missed": "MISSED its goal"}
        span = f"updates {stage['began']} to {stage['ended']}"
        lines.append(f"stage {stage['stage']}: {words[stage['outcome']]}, {span}{measured}")
    for name in ("best", "final"):
        if name in summary:
            lines.append(_model_line(name, summary[name]))
    return "\n".join([*lines, "", memory_table(memory), ""])


def _model_line(name: str, model: dict[str, Any]) -> str:
    tested = []
    for phase in ("VAL", "TEST"):
        scores = {key: value for key, value in model.get(phase, {}).items() if key != "samples"}
        if scores:  # a net may have data in a phase, and neither a loss nor an accuracy
            shown = ", ".join(f"{key} {_value(key, value)}" for key, value in scores.items())
            tested.append(f"{phase} {shown} ({model[phase]['samples']} samples)")
    trained = f"{name}.pt, after {model['iter']} updates"
    return f"{trained}: {'; '.join(tested)}" if tested else trained


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "not finite"
    return f"{100 * value:.2f} %" if name.startswith("accuracy") else f"{value:.4f}"
