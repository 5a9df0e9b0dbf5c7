"""The frozen record all configuration is made of, and how its problems are put into words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from sparsenet.errors import listed, nearest

KeyPath = tuple[str | int, ...]


class Record(BaseModel):
    """A checked, frozen piece of configuration: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class KeyProblem(ValueError):
    """A record's own validator found the value of one of its keys wrong."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _one_or_many(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


R = TypeVar("R", bound=Record)
T = TypeVar("T")
Listed = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]
OneOrMany = Annotated[tuple[T, ...], BeforeValidator(_one_or_many)]


def check_record(record: type[R], data: object) -> tuple[R | None, list[tuple[KeyPath, str]]]:
    """Validate `data` as a `record`: the record or None, and (key path, message) of each problem.

    A validator of a record reports a problem by raising `ValueError(message)`; to name one of the
    record's keys it raises `KeyProblem(key, message)`.
    """
    try:
        return record.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        worded = dict.fromkeys((_path(data, item), _message(record, item)) for item in details)
        return None, list(worded)


def shown(value: object) -> str:
    """A value as the messages quote it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def field_names(record: type[Record]) -> list[str]:
    """The keys a record takes, as they are written in YAML."""
    return [field.alias or name for name, field in record.model_fields.items()]


_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}
_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "finite_number": "a finite number",
}


def _path(data: object, details: ErrorDetails) -> KeyPath:
    """The key path of a problem: pydantic's location without the tags of its unions."""
    path: list[str | int] = []
    node: Any = data
    location = details["loc"]
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(node, dict):
            if part not in node and (node.get("type") == part or not last):
                continue
            node = node.get(part)
        elif isinstance(node, list | tuple) and isinstance(part, int):
            node = node[part]
        elif not (last and isinstance(node, dict)):
            continue  # the name of a union's member or of a validator, not a key
        path.append(part)
    if details["type"] == "value_error" and isinstance(details["ctx"]["error"], KeyProblem):
        path.append(details["ctx"]["error"].key)
    if details["type"].startswith("union_tag") and isinstance(node, dict):
        path.append("type")
    return tuple(path)


def _message(record: type[Record], details: ErrorDetails) -> str:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind in ("missing", "union_tag_not_found"):
        return "is missing"
    if kind == "extra_forbidden":
        return "unknown key" + _nearest_key(record, details["loc"])
    if kind == "value_error":
        return str(context["error"])
    worded = _wrong_value(kind, context.get("tag", value), context)
    return worded or f"{shown(value)}: {details['msg']}"


def _wrong_value(kind: str, value: object, context: dict[str, Any]) -> str | None:
    if kind in ("literal_error", "union_tag_invalid"):
        allowed = _quoted(str(context.get("expected") or context["expected_tags"]))
        return f"{shown(value)} is not {listed(allowed)}{nearest(value, allowed)}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{shown(value)} must be {words} {context[key]}"
    if kind in _LENGTHS:
        key, words = _LENGTHS[kind]
        return f"{shown(value)} must have {words} {context[key]} value(s)"
    return f"{shown(value)} is not {_WANTED[kind]}" if kind in _WANTED else None


def _quoted(expected: str) -> list[str]:
    return [word.strip("' ") for word in expected.replace(" or ", ",").split(",") if word.strip()]


def _nearest_key(record: type[Record], location: tuple[str | int, ...]) -> str:
    records = [record]
    for part in location[:-1]:
        tagged = [member for member in records if _tag(member) == part]
        fields = [m.model_fields[part] for m in records if part in m.model_fields]
        records = tagged or [r for f in fields for r in _records(f.annotation)] or records
    names = sorted({name for member in records for name in field_names(member)})
    return nearest(location[-1], names) or f"; the keys here are {listed(names)}"


def _records(annotation: object) -> Iterator[type[Record]]:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for inner in get_args(annotation):
        yield from _records(inner)


def _tag(record: type[Record]) -> str | None:
    """The one value of a record's `type` key, by which a union of records is told apart."""
    field = record.model_fields.get("type")
    if field is None or get_origin(field.annotation) is not Literal:
        return None
    return str(get_args(field.annotation)[0])
