"""`sparsenet schema`."""

from __future__ import annotations

import click

from sparsenet.cli import options
from sparsenet.config.schema import net_schema, solver_schema


@click.command("schema", epilog="Example: sparsenet schema solver > solver.schema.json")
@click.argument("kind", type=click.Choice(["solver", "net"]), default="solver")
def command(kind: str) -> None:
    """Print the JSON Schema of solver (default) or net files, for an editor's completion.

    In VS Code, for one: a first line `# yaml-language-server: $schema=solver.schema.json`.
    """
    options.print_json(net_schema() if kind == "net" else solver_schema())
