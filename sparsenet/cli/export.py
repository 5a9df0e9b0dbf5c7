"""`sparsenet export`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.workflows.export import FORMATS, export


@click.command(
    "export",
    epilog="Example: sparsenet export runs/digits/best.pt --format onnx --output digits.onnx",
)
@click.argument("model", type=options.FILE)
@click.option(
    "--format",
    "name",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="onnx: for ONNX Runtime and other programs that read ONNX (an extra).",
)
@click.option(
    "--output",
    "-o",
    type=options.WRITTEN,
    metavar="FILE",
    help="The file; default: beside MODEL, with the format's ending.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file where there is one.")
@options.as_json
def command(model: Path, name: str, output: Path | None, overwrite: bool, as_json: bool) -> None:
    """Write the network of MODEL, a checkpoint, as a file that other programs run.

    Its input is what the network sees behind the Data layer's transform, under the name of that
    layer's image blob, any number of images at a time; what the transform does is told in the file.
    Its output is the scores that accuracy and loss read, or their probabilities where a Softmax
    ends the network. All weights are kept bit for bit, and so their zeros.

    The file is written only when it has proved to be the network: on images of random pixels the
    largest difference from its scores must be at most 1e-4 of the largest score.
    """
    result = export(model, name, output, overwrite=overwrite)
    if as_json:
        options.print_json(result.document)
    else:
        click.echo(result.text, nl=False)
