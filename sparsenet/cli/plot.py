"""`sparsenet plot`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.errors import printable
from sparsenet.workflows.plot import PlotOptions, plot
from sparsenet.workflows.plot_figures import FIGURES

FORMATS = PlotOptions().formats


def _formats(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
    for name in chosen:
        if name not in FORMATS:
            raise click.BadParameter(f"{name!r} is not png, svg or pdf", ctx, param)
    return chosen


@click.command("plot", epilog="Example: sparsenet plot runs/search --figure tradeoff --format svg")
@click.argument(
    "paths", metavar="DIR...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    type=click.Choice(list(FIGURES)),
    help="Draw this figure; may be repeated. Default: all that the files in the folders allow.",
)
@click.option(
    "--output", type=options.FOLDER, help="Where to write; default: plots in the first folder."
)
@click.option(
    "--format",
    "formats",
    metavar="FORMAT,...",
    default=",".join(FORMATS),
    show_default=True,
    callback=_formats,
    help="The formats of each figure.",
)
@click.option(
    "--layer",
    metavar="NAME",
    help="The convolution of the figure filters; default: the net's first.",
)
def command(
    paths: tuple[Path, ...],
    figures: tuple[str, ...],
    output: Path | None,
    formats: tuple[str, ...],
    layer: str | None,
) -> None:
    """Draw figures of the folders of searches, sweeps and runs, after those of the paper.

    Nothing is trained and no data is read. Several searches make one tradeoff figure to compare
    them; filters takes two runs or checkpoints, the dense one first; every other figure shows one
    folder. Prints the files written, one a line.
    """
    drawn = plot(
        paths,
        PlotOptions(figures, output, formats, layer),
        lambda words: click.echo(printable(words), err=True),
    )
    for figure in drawn:
        for path in figure.paths:
            click.echo(path)
