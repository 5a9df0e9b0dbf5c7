"""JSON Schemas of the files, made from their records, for editors to complete and check by."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from sparsenet.config.net import NetConfig
from sparsenet.config.net_pattern import KEY, MEANING
from sparsenet.config.solver import SolverConfig
from sparsenet.config.sweep import SweepConfig
from sparsenet.config.template_checks import default_keys
from sparsenet.config.templates import Block, BlockUse
from sparsenet.layers import LAYERS
from sparsenet.regularization.regularizers import REGULARIZERS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def net_schema() -> dict[str, Any]:
    """The schema of a net file."""
    schema = NetConfig.model_json_schema(by_alias=True)
    _add_templates(schema, schema["$defs"])
    return {"$schema": DIALECT, **schema, "title": "sparsenet net file"}


def solver_schema() -> dict[str, Any]:
    """The schema of a solver file, whose `net` is a path or a whole net."""
    schema = SolverConfig.model_json_schema(by_alias=True)
    keys = schema["properties"]
    _add_templates(schema["$defs"]["NetConfig"], schema["$defs"])
    path = {"type": "string", "description": "path of a net file, relative to this file"}
    keys["net"] = {"anyOf": [path, {"$ref": keys["net"].pop("$ref")}], **keys["net"]}
    by_layer, null = keys["regularization"]["anyOf"]
    by_layer["additionalProperties"] = _override_schema()
    keys["regularization"]["anyOf"] = [by_layer, null]
    return {"$schema": DIALECT, **schema, "title": "sparsenet solver file"}


def sweep_schema() -> dict[str, Any]:
    """The schema of a sweep file."""
    schema = SweepConfig.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, **schema, "title": "sparsenet sweep file"}


def _add_templates(net: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Let a net have a pattern, blocks, defaults, and uses of blocks among its layers."""
    references, made = models_json_schema([(Block, "validation"), (BlockUse, "validation")])
    definitions.update(made["$defs"])
    use, block = references[BlockUse, "validation"], references[Block, "validation"]
    plain = {
        "type": "object",
        "required": ["name", "type"],
        "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
    }
    definitions["Block"]["properties"]["layers"]["items"] = {"anyOf": [plain, use]}
    layers = net["properties"].pop("layers")
    pattern = definitions["Convolution"]["properties"][KEY]
    by_type = {name: _defaults_of(definitions[LAYERS[name].__name__], name) for name in LAYERS}
    net["properties"] |= {
        KEY: {**pattern, "description": MEANING},
        "defaults": {
            "description": "by layer type: keys for the layers of this type that leave them out",
            "type": "object",
            "additionalProperties": False,
            "properties": by_type,
        },
        "blocks": {
            "description": "layers that are used several times, by name",
            "type": "object",
            "additionalProperties": block,
        },
        "layers": {**layers, "items": {"anyOf": [layers["items"], use]}},
    }


def _defaults_of(layer: dict[str, Any], name: str) -> dict[str, Any]:
    """A layer's keys but for each layer's own, none required."""
    keys = {key: layer["properties"][key] for key in default_keys(name)}
    return {"type": "object", "additionalProperties": False, "properties": keys}


def _override_schema() -> dict[str, Any]:
    """Any keys of any regularizer, none required: they go over those of the layer's own."""
    variants: dict[str, list[dict[str, Any]]] = {}
    for regularizer in REGULARIZERS.values():
        for key, schema in regularizer.model_json_schema(by_alias=True)["properties"].items():
            variants.setdefault(key, []).append(schema)
    keys = {key: {"anyOf": schemas} for key, schemas in variants.items()}
    return {"type": "object", "additionalProperties": False, "properties": keys}
