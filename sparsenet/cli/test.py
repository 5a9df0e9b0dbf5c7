"""`sparsenet test`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from sparsenet.cli import options
from sparsenet.layers.base import Phase
from sparsenet.progress import choose_display
from sparsenet.workflows.summary import score_dict
from sparsenet.workflows.test import evaluate_checkpoint


@click.command("test", epilog="Example: sparsenet test runs/digits/best.pt --phase VAL")
@click.argument("checkpoint", type=options.FILE)
@click.option("--phase", type=click.Choice(["TEST", "VAL"]), default="TEST", show_default=True)
@options.overrides
@options.device
@options.as_json
def command(
    checkpoint: Path, phase: str, overrides: tuple[str, ...], device: str | None, as_json: bool
) -> None:
    """Measure the accuracy and loss of CHECKPOINT, by the configuration it holds."""
    display = choose_display(quiet=False)
    score = evaluate_checkpoint(checkpoint, cast("Phase", phase), overrides, device, display)
    if as_json:
        options.print_json({"phase": score.phase, **score_dict(score)})
        return
    for name, value in score.outputs.items():
        click.echo(f"{score.phase} {name} = {value:.6g} ({score.samples} samples)")
