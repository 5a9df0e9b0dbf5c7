"""`sparsenet report`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.workflows.report import write_report


@click.command("report", epilog="Example: sparsenet report runs/search --output search.html")
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--output",
    type=options.WRITTEN,
    metavar="FILE",
    help="The page, instead of report.html in DIR.",
)
def command(folder: Path, output: Path | None) -> None:
    """Bind a run folder, or the folder of a search, ensemble or sweep, into one HTML page.

    The page needs no network and no other file: figures that `sparsenet plot` has drawn in DIR are
    in it. An earlier report is replaced, any other file is kept.
    """
    click.echo(write_report(folder, output))
