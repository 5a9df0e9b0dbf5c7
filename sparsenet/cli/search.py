"""`sparsenet search`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.studies.plan import SearchOptions
from sparsenet.studies.search import search, written_solver
from sparsenet.studies.strategies import STRATEGIES
from sparsenet.studies.study import StudyOptions
from sparsenet.studies.targets import size_in_bytes
from sparsenet.trials.show import choose_show


@click.command(
    "search",
    epilog="Example: sparsenet search configs/digits/solver.yaml --budget 64KiB --iters 200",
)
@click.argument("solver", type=options.FILE)
@click.option("--nonzeros", metavar="N", help="Search until at most N weights are not zero.")
@click.option("--density", metavar="PERCENT", help="Until at most that part of the weights is.")
@click.option("--ratio", metavar="R", help="Until the dense network is R times as large.")
@click.option(
    "--budget",
    metavar="SIZE",
    help="Until its packed file takes at most 64KiB, say; it is written in the end.",
)
@click.option(
    "--cut",
    metavar="PERCENT",
    default="20%",
    show_default=True,
    help="The part of a layer's nonzeros that a round takes away.",
)
@click.option(
    "--iters",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Updates that each candidate is trained for.",
)
@click.option(
    "--base-lr",
    type=click.FloatRange(0, min_open=True),
    help="Learning rate of the candidates; default: that of SOLVER's last update.",
)
@click.option("--layers", metavar="LAYER,...", help="Search over these layers only.")
@click.option(
    "--strategy",
    metavar="NAME",
    default="greedy",
    show_default=True,
    help="; ".join(f"{name}: {kind.help}" for name, kind in STRATEGIES.items()) + ".",
)
@click.option(
    "--weights",
    type=options.FILE,
    metavar="CKPT",
    help="Start from the network of a checkpoint instead of training SOLVER's dense one.",
)
@click.option(
    "--write-solver",
    metavar="SIZE",
    help="Write the solver file of the best network found of at most 32KiB, say. Of a search that "
    "is in --output already, without a target.",
)
@options.overrides
@options.study
@options.as_json
@options.quiet
def command(
    solver: Path,
    nonzeros: str | None,
    density: str | None,
    ratio: str | None,
    budget: str | None,
    cut: str,
    iters: int,
    base_lr: float | None,
    layers: str | None,
    strategy: str,
    weights: Path | None,
    write_solver: str | None,
    overrides: tuple[str, ...],
    study: StudyOptions,
    as_json: bool,
    quiet: bool,
) -> int:
    """Find how many weights each layer of SOLVER's network should keep.

    From the dense network each round trains a candidate for each layer with 20 % of its nonzeros
    less, and goes on from the best on validation data, until the network is small enough (Collins
    & Kohli, section 4.2). Every candidate is a line of front.csv; the same command goes on where
    it was stopped.
    """
    if write_solver is not None:
        size_in_bytes(f"--write-solver {write_solver}", write_solver)  # wrong now, not after hours
    target = {"nonzeros": nonzeros, "density": density, "ratio": ratio, "budget": budget}
    if write_solver is not None and not any(target.values()):
        click.echo(written_solver(solver, overrides, study.output, write_solver))
        return 0
    chosen = SearchOptions(
        target=target,
        cut=cut,
        iters=iters,
        base_lr=base_lr,
        layers=layers,
        strategy=strategy,
        weights=weights,
        overrides=overrides,
        study=study,
    )
    show = choose_show(quiet=quiet)
    result = search(solver, chosen, show)
    if as_json:
        options.print_json(result.document)
    else:
        click.echo(result.text, nl=False)
    if write_solver is not None:
        show.note(f"Written: {written_solver(solver, overrides, study.output, write_solver)}")
    return result.exit_code
