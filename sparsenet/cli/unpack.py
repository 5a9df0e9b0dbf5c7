"""`sparsenet unpack`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.workflows.pack import unpack_file


@click.command("unpack", epilog="Example: sparsenet unpack digits.safetensors -o digits.pt")
@click.argument("model", type=options.FILE)
@options.written
def command(model: Path, output: Path, overwrite: bool) -> None:
    """Write the checkpoint that MODEL was packed from.

    Its weights are bit for bit those that were packed, where the values are float32.
    """
    iterations = unpack_file(model, output, overwrite)
    click.echo(f"{output}: the network after {iterations} updates")
