"""JSON Schemas of the two files, made from their records, for editors to complete and check by."""

from __future__ import annotations

from typing import Any

from sparsenet.config.net import NetConfig
from sparsenet.config.solver import SolverConfig
from sparsenet.regularization.regularizers import REGULARIZERS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def net_schema() -> dict[str, Any]:
    """The schema of a net file."""
    schema = NetConfig.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, **schema, "title": "sparsenet net file"}


def solver_schema() -> dict[str, Any]:
    """The schema of a solver file, whose `net` is a path or a whole net."""
    schema = SolverConfig.model_json_schema(by_alias=True)
    keys = schema["properties"]
    path = {"type": "string", "description": "path of a net file, relative to this file"}
    keys["net"] = {"anyOf": [path, {"$ref": keys["net"].pop("$ref")}], **keys["net"]}
    by_layer, null = keys["regularization"]["anyOf"]
    by_layer["additionalProperties"] = _override_schema()
    keys["regularization"]["anyOf"] = [by_layer, null]
    return {"$schema": DIALECT, **schema, "title": "sparsenet solver file"}


def _override_schema() -> dict[str, Any]:
    """Any keys of any regularizer, none required: they go over those of the layer's own."""
    variants: dict[str, list[dict[str, Any]]] = {}
    for regularizer in REGULARIZERS.values():
        for key, schema in regularizer.model_json_schema(by_alias=True)["properties"].items():
            variants.setdefault(key, []).append(schema)
    keys = {key: {"anyOf": schemas} for key, schemas in variants.items()}
    return {"type": "object", "additionalProperties": False, "properties": keys}
