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
    help="onnx: for ONNX Runtime and other programs that read ONNX (an extra); c: C99 that needs "
    "nothing but libc and libm, a folder; caffe: deploy.prototxt and caffemodel (an extra), a "
    "folder.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file, or of c and caffe the folder; default: beside MODEL.",
)
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@options.as_json
def command(model: Path, name: str, output: Path | None, overwrite: bool, as_json: bool) -> None:
    """Write the network of MODEL, a checkpoint or packed model, for other programs to run.

    Its input is what the network sees behind the Data layer's transform; what the transform does is
    told in the ONNX file and the prototxt, and done by a function in C. Its output is the scores
    that accuracy and loss read, or their probabilities where a Softmax ends the network. ONNX and
    Caffe's file keep all weights bit for bit, and so their zeros; C computes from them as they are
    packed.

    Nothing is written that has not proved to be the network: on images of random pixels the largest
    difference from its scores must be at most 1e-4 of the largest score. For C that takes a
    compiler; Caffe's files are imported again for it.
    """
    result = export(model, name, output, overwrite=overwrite)
    if as_json:
        options.print_json(result.document)
    else:
        click.echo(result.text, nl=False)
