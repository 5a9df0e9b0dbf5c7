"""YAML as one writes it by hand: a list or mapping in one line where it fits."""

from __future__ import annotations

from io import StringIO
from typing import Any

import yaml

from sparsenet.config.read import CoreDumper

_WIDTH = 100
_BLOCKS = 2
"""Above this depth nothing is in one line: the file's keys, and the list of its layers."""


class _Dumper(CoreDumper):
    """Indents the items of a list, which PyYAML leaves below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def write_compact(data: dict[str, Any]) -> str:
    """Plain data as YAML that `read_yaml` reads back unchanged, laid out as the shipped files."""
    node = _Dumper(StringIO(), sort_keys=False).represent_data(data)
    _lay_out(node, 0, 0, 0)
    return _text(node)


def _lay_out(node: yaml.Node, depth: int, indent: int, column: int) -> None:
    """Put a node that begins at a column in one line where it fits, else what is in it."""
    if not isinstance(node, yaml.CollectionNode):
        return
    _in_one_line(node)
    if not node.value or (depth >= _BLOCKS and column + len(_text(node).rstrip()) <= _WIDTH):
        return
    node.flow_style = False
    for item in node.value:
        if isinstance(item, tuple):
            key, value = item
            _lay_out(value, depth + 1, indent + 2, indent + len(key.value) + 2)
        else:
            _lay_out(item, depth + 1, indent + 2, indent + 2)


def _in_one_line(node: yaml.Node) -> None:
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = True
        for item in node.value:
            for part in item if isinstance(item, tuple) else (item,):
                _in_one_line(part)


def _text(node: yaml.Node) -> str:
    text = yaml.serialize(node, Dumper=_Dumper, allow_unicode=True, width=float("inf"))
    assert isinstance(text, str), "no encoding was asked for"
    return text
