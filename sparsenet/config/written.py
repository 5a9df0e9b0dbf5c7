"""Values that know where they were written, so that they can be put elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sparsenet.config.templates import PLACEHOLDER
from sparsenet.record import KeyPath


class Written(NamedTuple):
    """A value and the key path it was written at; in mappings and lists are Written values too."""

    value: Any
    path: KeyPath

    @property
    def placeholder(self) -> str | None:
        """The key that the value stands for, of a text such as `$width`."""
        match = PLACEHOLDER.fullmatch(self.value) if isinstance(self.value, str) else None
        return match and match[1]


def written(value: Any, path: KeyPath) -> Written:
    """Plain data that was written at `path`."""
    if isinstance(value, dict):
        return Written({key: written(item, (*path, key)) for key, item in value.items()}, path)
    if isinstance(value, list):
        return Written([written(item, (*path, i)) for i, item in enumerate(value)], path)
    return Written(value, path)


def substituted(node: Written, values: Mapping[str, Written]) -> Written:
    """The same with the `values` of its placeholders in their stead."""
    if isinstance(node.value, dict):
        return node._replace(value={k: substituted(v, values) for k, v in node.value.items()})
    if isinstance(node.value, list):
        return node._replace(value=[substituted(item, values) for item in node.value])
    return values.get(node.placeholder or "", node)


def plain(node: Written, at: KeyPath, origins: dict[KeyPath, KeyPath]) -> Any:
    """The plain data, put at the key path `at`; notes in `origins` where each value is from."""
    origins[at] = node.path
    if isinstance(node.value, dict):
        return {key: plain(item, (*at, key), origins) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item, (*at, i), origins) for i, item in enumerate(node.value)]
    return node.value


def leaves(node: Written, above: str = "") -> Iterator[tuple[Written, str]]:
    """Each value that is no mapping or list, with the nearest key above it."""
    if isinstance(node.value, dict):
        for key, item in node.value.items():
            yield from leaves(item, key)
    elif isinstance(node.value, list):
        for item in node.value:
            yield from leaves(item, above)
    else:
        yield node, above
