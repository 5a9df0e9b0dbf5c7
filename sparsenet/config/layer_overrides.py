"""The solver file's `regularization` over that of the layers it names."""

from __future__ import annotations

import re
from typing import Any

from sparsenet.config.document import Document
from sparsenet.errors import suggested
from sparsenet.layers import LAYERS
from sparsenet.layers.base import WeightedLayer
from sparsenet.record import KeyPath
from sparsenet.record_words import shown


def merge_regularization(document: Document) -> None:
    """Move the solver's `regularization` into the layers it names, noting what is wrong with it.

    Its keys go over those of the layer's own regularization; another type replaces it whole. In a
    name `*` stands for any text, and of several names for a layer a later goes over an earlier.
    Where it or the net is not what it should be, it stays for its record to complain of.
    """
    given, net = document.data.get("regularization"), document.data.get("net")
    layers = net.get("layers") if isinstance(net, dict) else None
    if not isinstance(given, dict) or not isinstance(layers, list):
        return
    del document.data["regularization"]
    for name, keys in given.items():
        path: KeyPath = ("regularization", name)
        if not isinstance(keys, dict):
            document.report(path, f"{shown(keys)} is not a mapping of keys to values")
            continue
        for index in _layers_called(document, layers, name, path):
            place: KeyPath = ("net", "layers", index, "regularization")
            _merge_one(document, layers[index], keys, place, path)


def _layers_called(document: Document, layers: list[Any], name: str, path: KeyPath) -> list[int]:
    """The indices of the layers of this name that have weights; none, and a problem, without."""
    types = {
        layer["name"]: (index, layer.get("type"))
        for index, layer in enumerate(layers)
        if isinstance(layer, dict) and isinstance(layer.get("name"), str)
    }
    weighted = [known for known, (_, kind) in types.items() if _may_have_weights(kind)]
    pattern = ".*".join(map(re.escape, str(name).split("*")))
    if found := [types[known][0] for known in weighted if re.fullmatch(pattern, known, re.DOTALL)]:
        return found
    if ("net", "blocks") in document.spoiled:
        return []  # it may be a layer of a block that is wrong
    if name in types:
        words = f"a {types[name][1]} layer has no weights to regularize"
    else:
        words = f"the net has no layer {name!r} with weights{suggested(name, weighted)}"
    document.report(path, words)
    return []


def _may_have_weights(kind: object) -> bool:
    """Also of a type that does not exist, which is a problem of its own."""
    layer = LAYERS.get(kind) if isinstance(kind, str) else None
    return layer is None or issubclass(layer, WeightedLayer)


def _merge_one(
    document: Document, layer: dict[str, Any], keys: dict[str, Any], path: KeyPath, written: KeyPath
) -> None:
    own = layer.get("regularization")
    if own is not None and not isinstance(own, dict):
        return  # its record complains of what the net file says
    if own is None or ("type" in keys and keys["type"] != own.get("type")):
        own = {}
        document.move(path, written)
    layer["regularization"] = {**own, **keys}
    for key in keys:
        document.move((*path, key), (*written, key))
