"""`sparsenet import-caffe`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.errors import printable
from sparsenet.workflows.import_caffe import import_caffe


@click.command(
    "import-caffe",
    epilog="Example: sparsenet import-caffe examples/mnist/lenet_solver.prototxt -o lenet",
)
@click.argument("prototxt", type=options.FILE)
@click.option(
    "--output",
    "-o",
    "folder",
    type=options.FOLDER,
    required=True,
    metavar="DIR",
    help="The folder of what is written: solver.yaml, net.yaml and weights.pt.",
)
@click.option(
    "--weights",
    type=options.FILE,
    metavar="FILE",
    help="Trained weights, copied by layer name: a .caffemodel or HDF5 snapshot, or whatever train "
    "--weights takes.",
)
@click.option(
    "--shape",
    metavar="C,H,W",
    callback=options.image_shape,
    help="Channels, height and width of the stored images, where neither the file nor its data "
    "tell them.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@options.as_json
def command(
    prototxt: Path,
    folder: Path,
    weights: Path | None,
    shape: tuple[int, ...] | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write a solver or network of Caffe's as the files that train, summary and test take.

    PROTOTXT, as text or binary, is a solver with the network that it names, a train_val network or
    a deploy network; in the current format or V1. What it says and cannot be carried over without a
    change of the results is an error, all of it at once and with its lines; what has no effect on
    them is a warning. Its data layers keep their transform, and are to be pointed at their data.
    """
    imported = import_caffe(prototxt, folder, weights=weights, shape=shape, overwrite=overwrite)
    for line in imported.left_out:
        click.echo(f"warning: {printable(line)}", err=True)
    if as_json:
        options.print_json(imported.document)
    else:
        click.echo(imported.text, nl=False)
