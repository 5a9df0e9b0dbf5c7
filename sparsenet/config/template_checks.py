"""What can be wrong with a net's `blocks` and `defaults` as such, however they are used."""

from __future__ import annotations

from typing import Any, NamedTuple

from sparsenet.config.document import Document
from sparsenet.config.templates import PLACEHOLDER, Block
from sparsenet.config.written import Written, leaves, written
from sparsenet.errors import nearest, suggested
from sparsenet.layers import LAYERS
from sparsenet.record import KeyPath, check_record, field_names
from sparsenet.record_words import shown

EACH_LAYERS_OWN = ("name", "type", "bottom", "top")
"""Keys of a layer that have no default for its type."""


class RightBlock(NamedTuple):
    """A block that is right, and its layers but for their unknown keys."""

    block: Block
    layers: Written


def check_blocks(document: Document, path: KeyPath) -> dict[str, RightBlock | None]:
    """The blocks at `path` by name, None for what is none, noting what is wrong with each."""
    blocks: dict[str, RightBlock | None] = {}
    for name, data in _mapping(document, path).items():
        block, problems = check_record(Block, data)
        for key, message in problems:
            document.report((*path, name, *key), message)
        layers = written(data["layers"], (*path, name, "layers")) if block else None
        if block and layers:
            _check_keys(document, (*path, name), block, layers)
            layers = layers._replace(value=[_known(document, layer) for layer in layers.value])
        blocks[name] = RightBlock(block, layers) if block and layers else None
    return blocks


def _check_keys(document: Document, path: KeyPath, block: Block, layers: Written) -> None:
    """Every placeholder of the layers is a key, and every key, declared once, has one."""
    used: set[str] = set()
    for leaf, above in leaves(layers):
        if words := _misplaced(leaf, above, block):
            document.spoil(leaf.path, words)
        used.update(PLACEHOLDER.findall(str(leaf.value)))
    declared = [key if isinstance(key, str) else next(iter(key)) for key in block.keys]
    for index, key in enumerate(declared):
        if key in declared[:index]:
            document.report((*path, "keys", index), f"{key!r} is a key of the block already")
        elif key not in used:
            document.report((*path, "keys", index), f"no layer of the block uses ${key}")
    for key, default in block.defaults.items():
        at = (*path, "keys", default[0], key) if default else ()
        for leaf, _ in leaves(written(default[1], at)) if default else ():
            if _has_dollar(leaf):
                document.spoil(leaf.path, f"{leaf.value!r} cannot stand in a default")


def _misplaced(leaf: Written, above: str, block: Block) -> str | None:
    """What is wrong with a `$` in a value of a block's layers below the key `above`."""
    key = leaf.placeholder
    if key == "bottom":
        return None if above == "bottom" else "'$bottom' can stand in a bottom alone"
    if key is None:
        words = f"{shown(leaf.value)}: $KEY stands for a whole value, never for part of a text"
        return words if _has_dollar(leaf) else None
    names = [f"${name}" for name in block.defaults]
    words = f"{leaf.value!r} is no key of the block{suggested(leaf.value, names)}"
    return None if key in block.defaults else words


def _has_dollar(leaf: Written) -> bool:
    return isinstance(leaf.value, str) and "$" in leaf.value


def _known(document: Document, layer: Written) -> Written:
    """A block's layer without the keys that its type does not take, noting them once for all uses.

    The values that they stand for are right, and theirs is the place that others would name.
    """
    kind = layer.value["type"].value if "type" in layer.value else None
    record = LAYERS.get(kind) if isinstance(kind, str) and "block" not in layer.value else None
    if record is None:
        return layer
    names = field_names(record)
    for key in layer.value:
        if key not in names:
            document.report((*layer.path, key), f"unknown key{suggested(key, names)}")
    return layer._replace(value={key: v for key, v in layer.value.items() if key in names})


def check_defaults(document: Document, path: KeyPath) -> dict[str, dict[str, Any]]:
    """By layer type the right keys of the defaults at `path`, noting what is wrong with others."""
    defaults: dict[str, dict[str, Any]] = {}
    for kind, keys in _mapping(document, path).items():
        if kind not in LAYERS:
            document.report((*path, kind), f"no layer has this type{nearest(kind, LAYERS)}")
        elif not isinstance(keys, dict):
            document.report((*path, kind), f"{shown(keys)} is not a mapping of keys to values")
        else:
            taken = default_keys(kind)
            defaults[kind] = {key: value for key, value in keys.items() if key in taken}
            for key in (key for key in keys if key not in taken):
                words = "is each layer's own" if key in EACH_LAYERS_OWN else "unknown key"
                hint = "" if key in EACH_LAYERS_OWN else suggested(key, taken)
                document.report((*path, kind, key), words + hint)
    return defaults


def default_keys(kind: str) -> list[str]:
    """The keys of a layer type that can have defaults."""
    return [key for key in field_names(LAYERS[kind]) if key not in EACH_LAYERS_OWN]


def _mapping(document: Document, path: KeyPath) -> dict[str, Any]:
    """The mapping at `path`; an empty one where there is none, or where it is something else."""
    above = document.at(path[:-1])
    data = above.get(path[-1], {}) if isinstance(above, dict) else {}
    if isinstance(data, dict):
        return data
    document.spoil(path, f"{shown(data)} is not a mapping of names to mappings")
    return {}
