"""The frozen record all configuration is made of, and its problems by their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from sparsenet.errors import suggested
from sparsenet.record_words import shown, wrong_value

KeyPath = tuple[str | int, ...]


class Record(BaseModel):
    """A checked, frozen piece of configuration: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    merged_before: ClassVar[tuple[str, ...]] = ()
    """Keys of a file that are written out into others before the record is checked."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """As pydantic's, but that a `type` which tells records apart must be there."""
        made = handler.resolve_ref_schema(handler(schema))
        if _tag(cls) is not None:
            made["required"] = ["type", *made.get("required", [])]
        return made


class KeyProblem(ValueError):
    """A record's own validator found the value of one of its keys wrong."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _one_or_many(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


class _OneOrMany:
    """Takes a single value for a list of one; the JSON Schema allows both."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_one_or_many, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


R = TypeVar("R", bound=Record)
T = TypeVar("T")
Listed = Annotated[tuple[T, ...], BeforeValidator(_as_tuple)]
OneOrMany = Annotated[tuple[T, ...], Field(min_length=1), _OneOrMany()]


def check_record(record: type[R], data: object) -> tuple[R | None, list[tuple[KeyPath, str]]]:
    """Validate `data` as a `record`: the record or None, and (key path, message) of each problem.

    A validator of a record reports a problem by raising `ValueError(message)`; to name one of the
    record's keys it raises `KeyProblem(key, message)`.
    """
    try:
        return record.model_validate(data), []
    except ValidationError as error:
        details = [item for item in error.errors(include_url=False) if not _long_enough(item)]
        worded = dict.fromkeys((_path(data, item), _message(record, item)) for item in details)
        return None, list(worded)


def registering(registry: dict[str, Any]) -> Callable[[type[R]], type[R]]:
    """A class decorator that makes a record known in `registry` by its `type`.

    The unions of configuration, its documentation and the contract tests run over the registry.
    """

    def register(record: type[R]) -> type[R]:
        tag = _tag(record)
        assert tag is not None, f"{record.__name__} has no type of one value"
        registry[tag] = record
        return record

    return register


def field_names(record: type[Record]) -> list[str]:
    """The keys a record takes, as they are written in YAML."""
    return [field.alias or name for name, field in record.model_fields.items()]


def _long_enough(details: ErrorDetails) -> bool:
    """Whether a list only counts as too short because pydantic leaves out its wrong items."""
    too_short = details["type"] == "too_short"
    return too_short and len(details["input"]) >= details["ctx"]["min_length"]


def _path(data: object, details: ErrorDetails) -> KeyPath:
    """The key path of a problem: pydantic's location without the tags of its unions."""
    path: list[str | int] = []
    node: Any = data
    location = details["loc"]
    for position, part in enumerate(location):
        absent = details["type"] == "missing" and position == len(location) - 1
        if isinstance(node, dict) and (part in node or absent):
            node = node.get(part)
        elif isinstance(node, list | tuple) and isinstance(part, int):
            node = node[part]
        else:
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
    if kind == "union_tag_invalid" and isinstance(value, dict):
        value = value.get("type")
    worded = wrong_value(kind, value, context)
    return worded or f"{shown(value)}: {details['msg']}"


def _nearest_key(record: type[Record], location: tuple[str | int, ...]) -> str:
    records = [record]
    for part in location[:-1]:
        tagged = [member for member in records if _tag(member) == part]
        fields = [m.model_fields[part] for m in records if part in m.model_fields]
        records = tagged or [r for f in fields for r in _records(f.annotation)] or records
    names = {name for r in records for name in (*field_names(r), *r.merged_before)}
    return suggested(location[-1], sorted(names))


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
    values = get_args(field.annotation)
    return str(values[0]) if len(values) == 1 else None
