"""`sparsenet pack`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.progress import choose_display
from sparsenet.workflows.pack import PackOptions, pack_file
from sparsenet.workflows.pack_report import pack_json, pack_text


@click.command("pack", epilog="Example: sparsenet pack runs/digits/best.pt -o digits.safetensors")
@click.argument("checkpoint", metavar="CKPT", type=options.FILE)
@options.written
@click.option(
    "--values",
    metavar="KIND",
    default="float32",
    show_default=True,
    help="How values are stored: float32, as they are; float16, bfloat16; int8, with a scale for "
    "each output; shared:K, K values of each layer that its weights share.",
)
@options.without_data
@options.overrides
@options.device
@options.as_json
@options.quiet
def command(
    checkpoint: Path,
    output: Path,
    overwrite: bool,
    values: str,
    data: bool,
    overrides: tuple[str, ...],
    device: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write CKPT as a safetensors file as small as memsize says.

    Each weight is stored in the format that costs least, which is lossless unless --values says
    otherwise. The test accuracy of what is written is measured and kept in the file.
    """
    chosen = PackOptions(output, values, data, overrides, device, overwrite)
    packed = pack_file(checkpoint, chosen, choose_display(quiet=quiet))
    if as_json:
        options.print_json(pack_json(packed))
    else:
        click.echo(pack_text(packed), nl=False)
