"""JSON Schemas of the two files, made from their records."""

from __future__ import annotations

from typing import Any

from sparsenet.config.net import NetConfig
from sparsenet.config.solver import SolverConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def net_schema() -> dict[str, Any]:
    """The schema of a net file."""
    schema = NetConfig.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, **schema, "title": "sparsenet net file"}


def solver_schema() -> dict[str, Any]:
    """The schema of a solver file, whose `net` is a path or a whole net."""
    schema = SolverConfig.model_json_schema(by_alias=True)
    net = schema["properties"]["net"]
    path = {"type": "string", "description": "path of a net file, relative to this file"}
    schema["properties"]["net"] = {
        "anyOf": [path, {"$ref": net.pop("$ref")}],
        **net,
    }
    return {"$schema": DIALECT, **schema, "title": "sparsenet solver file"}
