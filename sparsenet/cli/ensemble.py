"""`sparsenet ensemble`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.progress import choose_display
from sparsenet.studies.distribution import DistributionOptions
from sparsenet.studies.ensemble import EnsembleOptions, ensemble
from sparsenet.studies.study import StudyOptions
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.show import choose_show
from sparsenet.workflows.average import average


@click.command(
    "ensemble",
    epilog="Example: sparsenet ensemble configs/cifar10/quick.yaml --members 1,2,3 "
    "--from runs/cifar10-quick-search --trials 3",
)
@click.argument("sources", metavar="SOLVER|MODEL...", nargs=-1, required=True, type=options.FILE)
@click.option(
    "--members",
    metavar="N,...",
    callback=options.numbers,
    help="Nets in the ensemble; of a list one ensemble of each number.",
)
@click.option(
    "--from",
    "search",
    metavar="FOLDER",
    type=options.FOLDER,
    help="Distribute the nonzeros as the path of the search in this folder does.",
)
@click.option("--t", metavar="LAYER=T,...", help="Or these counts or percentages, by layer.")
@click.option("--density", metavar="PERCENT", help="Or the same part of every layer.")
@click.option(
    "--trials",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Ensembles of each number, with seeds and samples of their own.",
)
@options.overrides
@options.study
@options.as_json
@options.quiet
def command(
    sources: tuple[Path, ...],
    members: tuple[int, ...] | None,
    search: Path | None,
    t: str | None,
    density: str | None,
    trials: int,
    overrides: tuple[str, ...],
    study: StudyOptions,
    as_json: bool,
    quiet: bool,
) -> int:
    """Train N sparse networks that together have no more nonzeros than the one of SOLVER.

    Each is trained from scratch on a resample of the training data (bagging) under l0 constraints,
    with at most 1/N of the parameters; their softmax outputs are averaged. An ensemble is one
    checkpoint, ensemble-N-trialK.pt, that the other commands take as any other. A single net is
    dense and trained on the data as they are (Collins & Kohli, section 5.3 and Table 1).

    Given two models or more instead, checkpoints or packed ones, it averages these, in the
    checkpoint ensemble-N.pt in the folder of --output.
    """
    distribution = DistributionOptions(search, t, density)
    if sources[0].suffix not in (".yaml", ".yml"):
        given = ["--members"] * (members is not None) + distribution.given
        return _average(sources, given, study, as_json, quiet)
    if members is None:
        raise click.UsageError("Missing option '--members'.")
    if len(sources) > 1:
        raise click.UsageError(f"one solver file, not {len(sources)} files")
    chosen = EnsembleOptions(
        members=members,
        trials=trials,
        distribution=distribution,
        overrides=overrides,
        study=study,
    )
    result = ensemble(sources[0], chosen, choose_show(quiet=quiet))
    if as_json:
        options.print_json(result.document)
    else:
        click.echo(result.text, nl=False)
    return result.exit_code


def _average(
    models: tuple[Path, ...], given: list[str], study: StudyOptions, as_json: bool, quiet: bool
) -> int:
    if given:
        raise click.UsageError(f"{given[0]} goes with a solver file, not with models")
    if study.output is None:
        raise click.UsageError("Missing option '--output'.")
    averaged = average(models, StudyFolder(study.output), study.device, choose_display(quiet=quiet))
    if as_json:
        options.print_json(averaged.document)
    else:
        click.echo(averaged.text)
    return 0
