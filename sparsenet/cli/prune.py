"""`sparsenet prune`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from sparsenet.cli import options
from sparsenet.progress import choose_display
from sparsenet.workflows.criteria import Criterion, Rule, Scope
from sparsenet.workflows.prune import prune
from sparsenet.workflows.prune_request import PAPER_FRACTIONS, PruneRequest

_AS_CONFIGURED = "max_iter"


def _updates(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """How many updates; 0 stands for the configuration's own number."""
    if value is None:
        return None
    if value == _AS_CONFIGURED:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
        words = f"{value!r} is not a number of updates; bare --finetune goes after CKPT"
        raise click.BadParameter(words, ctx, param)
    return int(value)


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(name.strip() for name in value.split(","))


@click.command(
    "prune",
    epilog="Example: sparsenet prune runs/digits/best.pt --criterion filter-norm "
    "--fraction 0.25,0.5 --shrink",
)
@click.argument("checkpoints", metavar="CKPT...", nargs=-1, required=True, type=options.FILE)
@click.option(
    "--criterion",
    type=click.Choice(["magnitude", "filter-norm", "random"]),
    default="filter-norm",
    show_default=True,
    help="Zero the filters of smallest l2 norm, or random ones; or the smallest weights.",
)
@click.option(
    "--fraction",
    metavar="RANGE|LIST",
    default=PAPER_FRACTIONS,
    show_default=True,
    help="The parts to zero, below 1: start:stop:step, the stop included, or a list as 0.25,0.5.",
)
@click.option(
    "--scope",
    type=click.Choice(["layer", "net"]),
    default="layer",
    show_default=True,
    help="layer: that part of each layer's filters (of each filter's weights). net: of all layers "
    "at once, but one filter of each layer stays.",
)
@click.option(
    "--layers",
    metavar="NAME,...",
    callback=_names,
    help="The layers to prune; default: every Convolution. Of an InnerProduct a filter is a row.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="For --criterion random."
)
@click.option(
    "--shrink",
    is_flag=True,
    help="Also remove the zeroed filters for good and write the smaller dense networks, in "
    "OUTPUT/prune. Their biases and shifts become zero first.",
)
@click.option(
    "--finetune",
    metavar="[ITERS]",
    is_flag=False,
    flag_value=_AS_CONFIGURED,
    callback=_updates,
    help="Then train each for ITERS updates, default its max_iter, as CKPT was trained, but with "
    "neither stages nor l0; zero weights stay zero. In OUTPUT/prune, and each only once.",
)
@click.option("--save", is_flag=True, help="Write the pruned networks, in OUTPUT/prune.")
@options.overrides
@click.option("--output", type=options.FOLDER, help="Where to write; default: CKPT's folder.")
@options.device
@options.as_json
@options.quiet
def command(
    checkpoints: tuple[Path, ...],
    criterion: str,
    fraction: str,
    scope: str,
    layers: tuple[str, ...] | None,
    seed: int,
    shrink: bool,
    finetune: int | None,
    save: bool,
    overrides: tuple[str, ...],
    output: Path | None,
    device: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Zero a rising part of each CKPT's filters or weights, without training, and measure it.

    How much pruning trained networks bear: the protocol of Khan & Stavness (2020). Biases and
    normalisations stay. Writes prune.txt, prune.csv and the figure prune.png, a curve a CKPT, or of
    those that only their seed tells apart one curve of means.

    prune-threshold is the other baseline: it zeroes weights below a magnitude, or all but so many
    of a layer, in every layer, and can train an l0 network of the same counts from scratch.
    """
    request = PruneRequest(
        rule=Rule(cast("Criterion", criterion), cast("Scope", scope), seed),
        fraction=fraction,
        layers=layers,
        overrides=overrides,
        output=output,
        device=device,
        finetune=finetune,
        shrink=shrink,
        save=save,
    )
    result = prune(checkpoints, request, choose_display(quiet=quiet))
    if as_json:
        options.print_json(result.document)
    else:
        click.echo(result.text, nl=False)
