"""`sparsenet schema`."""

from __future__ import annotations

import click

from sparsenet.cli import options
from sparsenet.config.schema import net_schema, solver_schema, sweep_schema

_SCHEMAS = {"solver": solver_schema, "net": net_schema, "sweep": sweep_schema}


@click.command("schema", epilog="Example: sparsenet schema solver > solver.schema.json")
@click.argument("kind", type=click.Choice(list(_SCHEMAS)), default="solver")
def command(kind: str) -> None:
    """Print the JSON Schema of solver (default), net or sweep files, for an editor's completion.

    In VS Code, for one: a first line `# yaml-language-server: $schema=solver.schema.json`.
    """
    options.print_json(_SCHEMAS[kind]())
