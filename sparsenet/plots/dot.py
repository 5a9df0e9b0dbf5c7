"""A net as a text that Graphviz draws: https://graphviz.org/doc/info/lang.html."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsenet.errors import printable
from sparsenet.plots.wiring import color_of, dims, kind_of, wires_of

DOT_BEGINS = b"digraph "
"""How each of these texts begins."""


def dot_text(net: Mapping[str, Any], totals: str) -> str:
    """A box for each layer and an arrow for each blob it reads, with the blob's shape.

    `net` is the document of `sparsenet summary --json`. Labels' arrows are dashed.
    """
    title = _quoted(f"{net['name']}, {net['phase']}", totals)
    lines = [
        f"digraph {_quoted(net['name'])} {{",
        f'  graph [label={title}, labelloc=t, fontname="Helvetica"];',
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];',
        '  edge [fontname="Helvetica", fontsize=9];',
    ]
    for place, layer in enumerate(net["layers"]):
        words = [layer["name"], kind_of(layer)]
        if layer["parameters"]:
            words.append(f"{layer['parameters']:,} parameters")
        lines.append(f'  n{place} [label={_quoted(*words)}, fillcolor="{color_of(layer)}"];')
    for wire in wires_of(net["layers"]):
        style = ", style=dashed" if wire.is_label else ""
        shape = _quoted(dims(wire.shape))
        lines.append(f"  n{wire.source} -> n{wire.target} [label={shape}{style}];")
    return "\n".join([*lines, "}", ""])


def _quoted(*lines: str) -> str:
    r"""Texts as the lines of one quoted label.

    In a label a backslash begins an escape, as `\N`, and an ampersand an entity, as `&amp;`.
    """
    escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;"})
    return '"' + "\\n".join(printable(line).translate(escapes) for line in lines) + '"'
