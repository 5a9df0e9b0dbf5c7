"""`sparsenet memsize`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.storage.report import SPEED_NOTE, memory_csv, memory_json, memory_table
from sparsenet.workflows.memsize import memory_of


@click.command("memsize", epilog="Example: sparsenet memsize runs/digits/best.pt --csv")
@click.argument("file", metavar="CKPT|NET|SOLVER", type=options.FILE)
@options.overrides
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print a CSV table, sizes in bytes.")
def command(file: Path, overrides: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """Memory of each layer in every storage format, the best, and the information floor.

    For a checkpoint or packed model nonzeros are counted from its weights; for a net or solver file
    they are the declared t of the last stage, and relative4 and relative8 the most that these take.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    memory, counts = memory_of(file, overrides)
    if as_json:
        options.print_json(memory_json(memory))
    elif as_csv:
        click.echo(memory_csv(memory), nl=False)
    else:
        click.echo(memory_table(memory, counts))
    if as_json or as_csv:
        click.echo(SPEED_NOTE, err=True)
