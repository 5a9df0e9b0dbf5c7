"""`sparsenet sweep`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.config.sweep import SweepConfig, grid_axis, is_sweep, load_sweep
from sparsenet.studies.study import StudyOptions
from sparsenet.studies.sweep import SweepOptions, sweep
from sparsenet.trials.show import choose_show


@click.command(
    "sweep",
    epilog="Example: sparsenet sweep configs/mnist/l1.yaml --grid regularization.ip1.type=l1,l2 "
    "--seeds 1,2,3",
)
@click.argument("file", metavar="SOLVER|SWEEP", type=options.FILE)
@click.option(
    "--grid",
    multiple=True,
    metavar="KEY.PATH=V,V,...",
    help="Train with each of these values. Of several all combinations.",
)
@click.option(
    "--seeds",
    metavar="N,...",
    callback=options.numbers,
    help="Values of random_seed, over those of the file.",
)
@options.overrides
@options.study
@options.as_json
@options.quiet
def command(
    file: Path,
    grid: tuple[str, ...],
    seeds: tuple[int, ...] | None,
    overrides: tuple[str, ...],
    study: StudyOptions,
    as_json: bool,
    quiet: bool,
) -> int:
    """Train a solver under many settings, a row of sweep.csv for each.

    A sweep file names its solver, methods, layers and seeds (docs/configuration.md); of a solver
    file alone the settings are those of --grid. The same command goes on where it was stopped.
    """
    spec = load_sweep(file) if is_sweep(file) else SweepConfig(solver=file.name)
    more = {"set": spec.set | dict(map(grid_axis, grid))} | ({"seeds": seeds} if seeds else {})
    chosen = SweepOptions(overrides, study)
    result = sweep(file, spec.model_copy(update=more), chosen, choose_show(quiet=quiet))
    if as_json:
        options.print_json(result.document)
    else:
        click.echo(result.text, nl=False)
    return result.exit_code
