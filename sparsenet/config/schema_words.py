"""A JSON Schema in words: what a value may be, its default, its key, as cells of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeGuard

from sparsenet.errors import listed

Schema = Mapping[str, Any]
Link = Callable[[str, bool], str]
"""The words for a record by its name, in the singular or (True) in the plural."""

_NOUNS = {
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
    "string": "text",
}
_BOUNDS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def value_words(schema: Schema, link: Link, many: bool = False) -> str:
    """What a value may be: `whole number > 0`, "one of `L2`, `L1`", `list of texts`.

    `many` asks for the plural. Raises ValueError for a schema that has no words here.
    """
    if "$ref" in schema:
        return link(schema["$ref"].rpartition("/")[2], many)
    if "const" in schema or "enum" in schema:
        return _choices(schema.get("enum") or [schema["const"]], many)
    if "anyOf" in schema or "oneOf" in schema:
        return _either(list(_members(schema)), link, many)
    if schema["type"] == "array":
        return f"list{'s' * many} of {_count(schema)}{value_words(schema['items'], link, True)}"
    if schema["type"] == "object":
        values = schema.get("additionalProperties")
        to = f" of names to {value_words(values, link, True)}" if _is_map(values) else ""
        return f"mapping{'s' * many}{to}"
    return _scalar(schema, many)


def _is_map(value: object) -> TypeGuard[Schema]:
    return isinstance(value, Mapping)


def _choices(values: list[object], many: bool) -> str:
    quoted = [code(value) for value in values]
    if many or len(quoted) == 1:
        return listed(quoted)
    return f"one of {', '.join(quoted)}"


def _members(schema: Schema) -> Iterator[Schema]:
    """The members of a union and of the unions in it, but null: that is to leave the key out."""
    nested = schema.get("anyOf") or schema.get("oneOf")
    if nested:
        for member in nested:
            yield from _members(member)
    elif schema.get("type") != "null":
        yield schema


def _either(members: list[Schema], link: Link, many: bool) -> str:
    *others, last = members
    if others and list(_members(last.get("items", {}))) == others:
        return f"{_either(others, link, many)}, or a list of them"
    return listed(dict.fromkeys(value_words(member, link, many) for member in members))


def _count(schema: Schema) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    if high is None:
        return f"at least {low} " if low else ""
    if low == high:
        return f"{low} "
    return f"{low} to {high} " if low else f"up to {high} "


def _scalar(schema: Schema, many: bool) -> str:
    if schema["type"] not in _NOUNS:
        raise ValueError(f"no words for the schema {schema}")
    noun = _NOUNS[schema["type"]]
    if str(schema.get("pattern", "")).endswith("%$"):
        noun = "percentage"
    if many and not noun.endswith("`"):
        noun += "s"
    if "minimum" in schema and "maximum" in schema:
        return f"{noun} from {schema['minimum']:g} to {schema['maximum']:g}"
    bounds = [f"{sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if key in schema]
    return " ".join([noun, " and ".join(bounds)]).rstrip()


def default_words(key: str, record: Schema, defaults: Mapping[str, Schema]) -> str:
    """A key's default as it would stand in a file, `required`, or nothing where it has none.

    `defaults` are the properties of the record that the key holds, whose own defaults are not
    repeated.
    """
    if key in record.get("required", ()):
        return "*required*"
    value = record["properties"][key].get("default")
    if value is None:
        return ""
    if isinstance(value, Mapping):
        own = {k: v for k, v in value.items() if k == "type" or v != _default_of(defaults, k)}
        return code(own)
    return code(value)


def _default_of(properties: Mapping[str, Schema], key: str) -> object:
    return properties.get(key, {}).get("default")


def code(value: object) -> str:
    """A value as code, in YAML's flow style."""
    return f"`{_flow(value)}`"


def _flow(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return re.sub(r"e([-+])0+", r"e\1", f"{value:g}")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    return str(value)


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Prose whose `*`, `_` and `<` Markdown shall show, not obey; code spans stay as they are."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _escape(part) for part in parts)


def _escape(text: str) -> str:
    text = re.sub(r"(?<=\S)\*|\*(?=\S)", r"\\*", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)
