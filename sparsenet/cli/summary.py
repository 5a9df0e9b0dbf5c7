"""`sparsenet summary`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from sparsenet.cli import options
from sparsenet.layers.base import Phase
from sparsenet.workflows.describe import describe, draw, net_document, net_table


@click.command(
    "summary", epilog="Example: sparsenet summary configs/mnist/nets/lenet.yaml --png lenet.png"
)
@click.argument("file", metavar="NET|SOLVER|CKPT", type=options.FILE)
@click.option(
    "--phase",
    type=click.Choice(["TRAIN", "TEST"]),
    default="TRAIN",
    show_default=True,
    help="The phase whose layers are shown.",
)
@options.overrides
@click.option("--dot", type=options.WRITTEN, metavar="FILE", help="Write it for Graphviz, as text.")
@click.option("--png", type=options.WRITTEN, metavar="FILE", help="Draw it to a PNG.")
@options.as_json
def command(
    file: Path,
    phase: str,
    overrides: tuple[str, ...],
    dot: Path | None,
    png: Path | None,
    as_json: bool,
) -> None:
    """Layers, output shapes, parameters and multiply-accumulates of a network, and their totals.

    All of it follows from the configuration: no data is read and no network is built. Shapes and
    counts are those of one example; parameters are what is trained, without BatchNorm's statistics.
    """
    net = describe(file, cast("Phase", phase), overrides)
    draw(net, dot, png)
    if as_json:
        options.print_json(net_document(net))
    else:
        click.echo(net_table(net))
