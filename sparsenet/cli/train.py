"""`sparsenet train`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from sparsenet import ranks
from sparsenet.cli import options
from sparsenet.progress import Display, Quiet, choose_display
from sparsenet.storage.report import memory_json, memory_table
from sparsenet.studies.targets import size_in_bytes
from sparsenet.workflows.budget import Promise
from sparsenet.workflows.train import TrainOptions, dry_run, train


@click.command("train", epilog="Example: sparsenet train configs/digits/solver.yaml --resume auto")
@click.argument("solver", type=options.FILE)
@click.option(
    "--weights",
    type=options.FILE,
    metavar="FILE",
    help="Start from the weights of a checkpoint, a torch state dict, a safetensors file or a "
    "caffemodel.",
)
@click.option("--resume", metavar="CKPT|auto", help="Go on from a snapshot; auto: the newest.")
@options.overrides
@click.option("--output", type=options.FOLDER, help="The run folder, over snapshot_prefix.")
@options.device
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in the run folder.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Build everything, print the table, train nothing; write only caches of the data.",
)
@click.option(
    "--budget",
    metavar="SIZE",
    help="Pack the network in the end; exit code 3 where the file is larger than 64KiB, say. With "
    "--dry-run: whether it will be.",
)
@click.option("--tensorboard", is_flag=True, help="Write event files too (an extra).")
@options.as_json
@options.quiet
def command(
    solver: Path,
    weights: Path | None,
    resume: str | None,
    overrides: tuple[str, ...],
    output: Path | None,
    device: str | None,
    overwrite: bool,
    dry_run: bool,
    budget: str | None,
    tensorboard: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Train the network that SOLVER describes.

    The run folder gets the merged configuration, a log, snapshots, the best and the final
    network, and a summary with the memory of each layer.
    """
    chosen = TrainOptions(
        overrides=overrides,
        output=output,
        weights=weights,
        resume=resume,
        device=device,
        overwrite=overwrite,
        tensorboard=tensorboard,
        budget=None if budget is None else size_in_bytes(f"--budget {budget}", budget),
    )
    display = choose_display(quiet=quiet) if ranks.rank() == 0 else Quiet()
    if dry_run:
        _try(solver, chosen, as_json, display)
        return 0
    result = train(solver, chosen, display)
    if as_json:
        options.print_json(result.summary)
    else:
        click.echo(result.text, nl=False)
    return result.exit_code


def _try(solver: Path, chosen: TrainOptions, as_json: bool, display: Display) -> None:
    show = partial(_print_promise, as_json=as_json)
    dry_run(solver, chosen, show, display)


def _print_promise(promise: Promise, as_json: bool) -> None:
    if as_json:
        options.print_json(memory_json(promise.memory) | promise.document)
        return
    click.echo(memory_table(promise.memory, counts="t"))
    if promise.text:
        click.echo(promise.text)
