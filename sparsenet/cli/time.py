"""`sparsenet time`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.execution.load import EXECUTIONS, Execution
from sparsenet.workflows.timing import time_model
from sparsenet.workflows.timing_report import timing_json, timing_text


@click.command("time", epilog="Example: sparsenet time digits.safetensors --batch 1,64")
@click.argument("model", type=options.FILE)
@click.option(
    "--batch",
    "batches",
    default="1,8,64",
    show_default=True,
    metavar="N,N,...",
    callback=options.numbers,
    help="Numbers of images that are computed at a time.",
)
@click.option(
    "--execution",
    type=click.Choice(EXECUTIONS),
    default="auto",
    show_default=True,
    help="auto: the fastest, measured, that keeps weights packed or in at most 1.1 times that; "
    "sparse: weights stay as they are packed; dense: torch, zeros and all.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads; left out: as many as torch's.")
@options.as_json
def command(
    model: Path,
    batches: tuple[int, ...],
    execution: Execution,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure MODEL's forward pass on this CPU: each layer and the whole, beside dense.

    MODEL is a packed model, or a checkpoint, which is packed in memory first. Times are medians
    over rounds in which the net and the same net computed dense by torch take turns. Layers of a
    program are timed one by one on one thread, the total on all threads. Peak memory is that of
    fresh processes that do nothing but compute the largest batch.
    """
    timing = time_model(model, batches, execution, threads)
    if as_json:
        options.print_json(timing_json(timing))
    else:
        click.echo(timing_text(timing), nl=False)
