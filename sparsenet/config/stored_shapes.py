"""The shapes that a net's Data layers leave to their LMDBs."""

from __future__ import annotations

from sparsenet.config.document import Document
from sparsenet.data.database import database
from sparsenet.data.options import below_root
from sparsenet.data.records import first_shape
from sparsenet.data.sources import LMDB
from sparsenet.errors import SparsenetError
from sparsenet.record import KeyPath


def merge_stored_shapes(document: Document, path: KeyPath) -> None:
    """Put the `shape` of each LMDB of the net at `path` that is left out: its first record's.

    So a configuration that is stored does not need the LMDB. Where there is none to be looked at,
    that is reported.
    """
    layers = document.at((*path, "layers"))
    for index, layer in enumerate(layers if isinstance(layers, list) else []):
        if not isinstance(layer, dict) or layer.get("source") != LMDB:
            continue
        root, folder = layer.get("root"), layer.get("folder")
        known = isinstance(folder, str) and folder and (root is None or isinstance(root, str))
        if layer.get("shape") is not None or not known:
            continue
        try:
            layer["shape"] = list(first_shape(database(below_root(root, folder, "folder"))))
        except SparsenetError as error:
            words = f"is missing, and cannot be looked up: {error}"
            document.spoil((*path, "layers", index, "shape"), words)
