"""`sparsenet prune-threshold`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.progress import choose_display
from sparsenet.workflows.prune_threshold import PruneOptions, prune_threshold
from sparsenet.workflows.pruning_options import PAPER_RANGE, PruningOptions


@click.command(
    "prune-threshold",
    epilog="Example: sparsenet prune-threshold configs/mnist/dense.yaml runs/dense/best.pt "
    "--density 20%,10%,5%,2%,1%",
)
@click.argument("solver", type=options.FILE)
@click.argument("checkpoint", metavar="CKPT", type=options.FILE)
@click.option(
    "--delta",
    metavar="RANGE|LIST",
    help="Zero the weights of magnitude below each of start:stop:step, the stop included, or of "
    f"a list as 0.01,0.02. Default, unless one of the next three is given: {PAPER_RANGE}.",
)
@click.option(
    "--like",
    metavar="CKPT2",
    type=options.FILE,
    help="Keep in each layer as many weights as CKPT2 has nonzeros there.",
)
@click.option(
    "--t",
    metavar="LAYER=T,...",
    help="Keep the T largest weights of a layer, a count or a percentage: conv1=300,ip1=5%. "
    "Other layers stay as they are.",
)
@click.option(
    "--density", metavar="PERCENT,...", help="Keep that part of each layer: 5%, or 20%,10%,5%."
)
@click.option(
    "--retrain",
    is_flag=True,
    help="For each, also train from scratch as SOLVER says, without its stages, under l0 "
    "constraints of the same counts, in OUTPUT/retrain. What is finished is not trained again. "
    "A layer without a weight left cannot be constrained so: that one is passed over.",
)
@options.overrides
@click.option("--output", type=options.FOLDER, help="Where to write; default: CKPT's folder.")
@options.device
@options.as_json
@options.quiet
def command(
    solver: Path,
    checkpoint: Path,
    delta: str | None,
    like: Path | None,
    t: str | None,
    density: str | None,
    retrain: bool,
    overrides: tuple[str, ...],
    output: Path | None,
    device: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Zero the small weights of CKPT, a network of SOLVER, without training, and measure it.

    The baseline to any sparse training; biases stay. Prints accuracy, nonzeros and bytes of each
    result, and writes them as threshold.txt, threshold.csv and the figure threshold.png.
    """
    chosen = PruneOptions(
        prunings=PruningOptions(delta=delta, like=like, t=t, density=density),
        overrides=overrides,
        output=output,
        device=device,
        retrain=retrain,
    )
    result = prune_threshold(solver, checkpoint, chosen, choose_display(quiet=quiet))
    if as_json:
        options.print_json(result.document)
    else:
        click.echo(result.text, nl=False)
