"""`sparsenet verify`."""

from __future__ import annotations

from pathlib import Path

import click

from sparsenet.cli import options
from sparsenet.progress import choose_display
from sparsenet.workflows.verify import verify, verify_json, verify_text


@click.command("verify", epilog="Example: sparsenet verify digits.safetensors")
@click.argument("model", type=options.FILE)
@options.without_data
@options.overrides
@options.device
@options.as_json
@options.quiet
def command(
    model: Path,
    data: bool,
    overrides: tuple[str, ...],
    device: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Check that a packed MODEL is what it says it is.

    Its digest; that its constraints hold and no layer is dead; that it takes what the accounting
    says; and that its test accuracy is the one in the file, to 0.1 points. Ends with 1 where one
    of these does not hold.
    """
    checks = verify(model, overrides, device, data, choose_display(quiet=quiet))
    if as_json:
        options.print_json(verify_json(checks))
    else:
        click.echo(verify_text(checks))
    return 0 if all(check.holds for check in checks) else 1
