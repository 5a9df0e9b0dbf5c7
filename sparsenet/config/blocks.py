"""Writing out a net file's `blocks` and `defaults` as plain layers, before anything is checked.

What comes out is what a person would have written without them, and all that the records, the
run folder and checkpoints see. Each value keeps the place where it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparsenet.config.document import Document
from sparsenet.config.read import MAX_NODES
from sparsenet.config.template_checks import RightBlock, check_blocks, check_defaults
from sparsenet.config.templates import Block, BlockUse
from sparsenet.config.written import Written, plain, substituted, written
from sparsenet.errors import suggested
from sparsenet.layers import LAYERS
from sparsenet.record import KeyPath, check_record

MAX_DEPTH = 30
"""Blocks within blocks."""


def expand_blocks(document: Document, path: KeyPath = ()) -> None:
    """Write out the net at `path` of the document, noting what is wrong with its templates.

    Layers that are no list stay as they are, for their record to complain of.
    """
    net = document.at(path)
    if not isinstance(net, dict):
        return
    found = len(document.problems)
    expansion = _Expansion(document, path)
    if isinstance(layers := net.get("layers"), list):
        expansion.run(layers)
        document.rewrite((*path, "layers"), expansion.layers, expansion.origins)
    if len(document.problems) > found:
        # Layers may be missing, and what others say of them is no problem of its own.
        document.spoiled.add((*path, "blocks"))
        if not expansion.layers:
            document.spoiled.add((*path, "layers"))
    net.pop("blocks", None)
    net.pop("defaults", None)


def is_as_written(net: object, keys: list[str]) -> bool:
    """Whether the key path `keys` is one of the net as its file has it, not of a block's layer."""
    if not isinstance(net, dict) or keys[:1] != ["layers"] or len(keys) == 1:
        return True
    layers = net.get("layers")
    items = layers if isinstance(layers, list) else []
    return any(isinstance(item, dict) and item.get("name") == keys[1] for item in items)


@dataclass(frozen=True)
class _Scope:
    """What surrounds layers that are written out: the net itself, or a use of a block."""

    prefixes: tuple[str, ...] = ("",)
    """Of the names around them, innermost first."""
    values: Mapping[str, Written] = field(default_factory=dict)
    """What the use gives, by key."""
    reads: Written | None = None
    """The blob that the use says it reads."""
    previous: str | None = None
    """The blob that it reads otherwise."""
    within: tuple[str, ...] = ()
    """The blocks, outermost first."""


class _TooMany(Exception):
    pass


class _Expansion:
    """A net's layers as they are written out, and where each of their values was written."""

    def __init__(self, document: Document, path: KeyPath) -> None:
        self.document, self.path = document, path
        self.blocks = check_blocks(document, (*path, "blocks"))
        self.defaults = {
            kind: written(keys, (*path, "defaults", kind)).value
            for kind, keys in check_defaults(document, (*path, "defaults")).items()
        }
        self.layers: list[Any] = []
        self.origins: dict[KeyPath, KeyPath] = {}
        self.steps = 0
        self.last: str | None = None
        """The first top of the last layer."""
        self.uses: set[str] = set()
        self.blobs: dict[str, str] = {}
        """By the names that a bottom can call them: their own, and those of uses."""

    def run(self, layers: list[Any]) -> None:
        """Write out everything, or as much as a net may hold."""
        path = (*self.path, "layers")
        try:
            self.write(written(layers, path), _Scope())
        except _TooMany:
            words = f"with their blocks they hold more than {MAX_NODES:,} values"
            self.document.report(path, words)
            self.layers, self.origins = [], {}

    def write(self, items: Written, scope: _Scope) -> None:
        """Write out the layers and uses of one block, or of the net."""
        for index, item in enumerate(items.value):
            self.spend(1)
            if not isinstance(item.value, dict):
                self.layer(item)
                continue
            keys = substituted(item, scope.values).value
            if "bottom" in keys:
                keys["bottom"] = self.bottom(item.value["bottom"], scope)
            elif index == 0 and scope.reads is not None:
                keys["bottom"] = scope.reads
            if "block" in keys:
                self.use(Written(keys, item.path), scope)
            else:
                self.layer(Written(self.named(keys, scope), item.path))

    def spend(self, steps: int) -> None:
        """Note work done; raises _TooMany where it would not end, as of blocks within blocks."""
        self.steps += steps
        if self.steps + len(self.origins) > MAX_NODES:
            raise _TooMany

    def bottom(self, node: Written, scope: _Scope) -> Written:
        """The blobs that a `bottom` in a scope means, inner ones before outer ones of a name."""
        if node.placeholder == "bottom":
            return scope.reads or node._replace(value=scope.previous or node.value)
        node = scope.values.get(node.placeholder or "", node)
        if isinstance(node.value, list):
            return node._replace(value=[self.bottom(item, scope) for item in node.value])
        names = [f"{prefix}{node.value}" for prefix in scope.prefixes]
        known = (self.blobs[name] for name in names if name in self.blobs)
        return node._replace(value=next(known, node.value))

    def named(self, keys: dict[str, Written], scope: _Scope) -> dict[str, Written]:
        """A layer's keys with its names as the net has them, and the defaults of its type."""
        for key in keys.keys() & {"name", "top"}:
            keys[key] = _prefixed(keys[key], scope.prefixes[0])
        kind = keys["type"].value if "type" in keys else None
        defaults = self.defaults.get(kind, {}) if isinstance(kind, str) else {}
        return keys | {key: value for key, value in defaults.items() if key not in keys}

    def layer(self, layer: Written) -> None:
        """Put a layer at the end."""
        at = (*self.path, "layers", len(self.layers))
        data = plain(layer, at, self.origins)
        self.layers.append(data)
        tops = _tops(data)
        for top in tops:
            if top in self.uses:
                words = f"{top!r} is the name of an earlier use of a block already"
                self.document.report(layer.path, words)
        self.blobs.update((top, top) for top in tops)
        self.last = tops[0] if tops else None

    def use(self, item: Written, scope: _Scope) -> None:
        """Write out the layers of the block that a use names, as often as it says."""
        noted: dict[KeyPath, KeyPath] = {}
        use, problems = check_record(BlockUse, plain(item, (), noted))
        self.spend(len(noted))
        for key, message in problems:
            self.document.report(_path(item, str(key[0])), message)
        right = self.usable(use, item, scope) if use else None
        if use is None or right is None:
            return
        inner = _Scope(
            values=self.values(use, right.block, item),
            reads=item.value["bottom"] if use.bottom else None,
            within=(*scope.within, use.block),
        )
        around = scope.prefixes[0]
        for path in use.paths:
            prefixes = (f"{around}{path}/", *scope.prefixes) if path else scope.prefixes
            self.write(right.layers, replace(inner, prefixes=prefixes, previous=self.last))
            inner = replace(inner, reads=None)
            self.ends_with(self.last, around + path)
        self.ends_with(self.last, around + (use.name or ""))

    def ends_with(self, blob: str | None, name: str) -> None:
        """Let a use's name stand for the blob it ends with."""
        if name and blob is not None:
            self.blobs[name] = blob

    def usable(self, use: BlockUse, item: Written, scope: _Scope) -> RightBlock | None:
        """The block, if it is there and right, is not around its use, and the names are free."""
        at = _path(item, "block")
        names = {scope.prefixes[0] + path for path in (use.name or "", *use.paths) if path}
        if self.document.is_spoiled((*self.path, "blocks")):
            return None
        if use.block not in self.blocks:
            words = f"there is no block {use.block!r}{suggested(use.block, self.blocks)}"
        elif use.block in scope.within:
            words = f"the block {use.block!r} would be within itself"
        elif len(scope.within) == MAX_DEPTH:
            words = f"blocks within blocks are more than {MAX_DEPTH} deep"
        elif taken := sorted(names & self.uses | names & self.blobs.keys()):
            at = _path(item, "name" if use.name else "repeat")
            words = f"{taken[0]!r} is the name of an earlier layer already"
        else:
            self.uses |= names
            return self.blocks[use.block]
        self.document.report(at, words)
        return None

    def values(self, use: BlockUse, block: Block, item: Written) -> dict[str, Written]:
        """What stands for each of the block's keys, noting which are missing or not its own."""
        known = [*block.defaults, *BlockUse.model_fields]
        for key in item.value:
            if key not in known:
                self.document.report((*item.path, key), f"unknown key{suggested(key, known)}")
        values = {}
        for key, default in block.defaults.items():
            if key in item.value:
                values[key] = item.value[key]
            elif default is None:
                at = (*item.path, key)
                self.document.spoil(at, f"is missing: the block {use.block!r} needs it")
                values[key] = Written(None, at)
            else:
                index, value = default
                path = (*self.path, "blocks", use.block, "keys", index, key)
                values[key] = written(value, path)
        return values


def _path(item: Written, key: str) -> KeyPath:
    """Where the value of a use's key was written, or would be."""
    return item.value[key].path if key in item.value else (*item.path, key)


def _prefixed(names: Written, prefix: str) -> Written:
    """A name, or a list of them, with a prefix."""
    if isinstance(names.value, list):
        return names._replace(value=[_prefixed(name, prefix) for name in names.value])
    if isinstance(names.value, str) and names.value:
        return names._replace(value=prefix + names.value)
    return names


def _tops(layer: object) -> list[str]:
    """The blobs that a layer writes, as far as its keys are what they should be."""
    if not isinstance(layer, dict):
        return []
    kind = layer.get("type")
    record = LAYERS.get(kind) if isinstance(kind, str) else None
    usual = record.model_fields["top"].default if record else None
    tops = layer.get("top") or usual or layer.get("name")
    listed = tops if isinstance(tops, list | tuple) else [tops]
    return [top for top in listed if isinstance(top, str) and top]
