"""What a finished run says of itself."""

from __future__ import annotations

import json

from sparsenet.regularization.schedule import Progress, StageEnd
from sparsenet.solver.evaluate import Score
from sparsenet.storage.accounting import ModelMemory
from sparsenet.storage.report import memory_json, memory_table
from sparsenet.workflows.summary import model_summary, run_summary, score_dict, summary_text

MEMORY = ModelMemory.of([("ip", (10, 64), 32, 10)])
VAL = Score("VAL", 100, 0.9, 0.5, {"accuracy": 0.9, "loss": 0.5})
TEST = Score("TEST", 360, 0.875, 0.25, {"accuracy": 0.875, "accuracy_top5": 0.99, "loss": 0.25})
PROGRESS = Progress(
    history=(
        StageEnd("1", 0, 50, "iters", None),
        StageEnd("half", 50, 80, "reached", 0.95),
        StageEnd("tight", 80, 200, "missed", 0.90625),
    )
)


def summary(progress: Progress = PROGRESS, **models: dict[str, object]) -> dict[str, object]:
    return run_summary(
        net="small",
        seed=3,
        folder="runs/small",
        seconds=12.3456,
        models=models or {"final": model_summary(200, {"VAL": VAL, "TEST": TEST})},
        progress=progress,
        memory=MEMORY,
    )


def test_the_document_has_all_of_it() -> None:
    assert summary() == {
        "net": "small",
        "random_seed": 3,
        "folder": "runs/small",
        "seconds": 12.3,
        "final": {
            "iter": 200,
            "VAL": {"samples": 100, "accuracy": 0.9, "loss": 0.5},
            "TEST": {"samples": 360, "accuracy": 0.875, "accuracy_top5": 0.99, "loss": 0.25},
        },
        "stages": [vars(end) for end in PROGRESS.history],
        "missed": ["tight"],
        "memory": memory_json(MEMORY),
    }


def test_the_text_says_what_was_missed_before_all_else() -> None:
    both = {
        "final": model_summary(200, {"VAL": VAL, "TEST": TEST}),
        "best": model_summary(180, {"TEST": TEST}),
    }
    assert summary_text(summary(**both), MEMORY).splitlines() == [
        "small, seed 3, 12.3 s",
        "stage 1: done, updates 0 to 50",
        "stage half: reached, updates 50 to 80, VAL accuracy 95.00 %",
        "stage tight: MISSED its goal, updates 80 to 200, VAL accuracy 90.62 %",
        "best.pt, after 180 updates: TEST accuracy 87.50 %, accuracy_top5 99.00 %, loss 0.2500 "
        "(360 samples)",
        "final.pt, after 200 updates: VAL accuracy 90.00 %, loss 0.5000 (100 samples); TEST "
        "accuracy 87.50 %, accuracy_top5 99.00 %, loss 0.2500 (360 samples)",
        "",
        *memory_table(MEMORY).splitlines(),
    ]


def test_numbers_that_json_does_not_have_are_null_and_said_in_words() -> None:
    score = Score("TEST", 9, 0.5, None, {"accuracy": 0.5, "loss": float("inf"), "b": float("nan")})
    assert score_dict(score) == {"samples": 9, "accuracy": 0.5, "loss": None, "b": None}
    document = summary(Progress(), final=model_summary(1, {"TEST": score}))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    text = summary_text(document, MEMORY)
    assert "TEST accuracy 50.00 %, loss not finite, b not finite (9 samples)" in text


def test_a_phase_without_a_loss_or_an_accuracy_has_nothing_to_say() -> None:
    silent = {"final": model_summary(15, {"TEST": Score("TEST", 60, None, None, {})})}
    assert "final.pt, after 15 updates" in summary_text(summary(**silent), MEMORY).splitlines()
