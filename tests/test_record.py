import math
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from sparsenet.record import KeyProblem, Listed, OneOrMany, Record, check_record, field_names


class Square(Record):
    type: Literal["square"] = "square"
    side: float = Field(1.0, gt=0, le=8)


class Circle(Record):
    type: Literal["circle"] = "circle"
    radius: int = Field(ge=1)

    @model_validator(mode="after")
    def _even(self):
        if self.radius == 7:
            raise ValueError("sevens are not drawn")
        if self.radius % 2:
            raise KeyProblem("radius", f"{self.radius} is odd")
        return self


Shape = Annotated[Square | Circle, Field(discriminator="type")]


class Drawing(Record):
    name: str = Field(min_length=1)
    from_: int | None = Field(None, alias="from")
    shapes: Listed[Shape] = Field((), max_length=3)
    sizes: OneOrMany[int] | None = None
    frames: OneOrMany[Square] = ()
    named: dict[str, Shape] = Field(default_factory=dict)
    colour: Literal["red", "green"] = "red"
    filled: bool = False


def problems(**keys):
    record, found = check_record(Drawing, {"name": "d", **keys})
    assert record is None
    return {".".join(map(str, path)): message for path, message in found}


def test_what_is_right_is_a_frozen_record():
    data = {
        "name": "d",
        "from": 3,
        "shapes": [{"type": "circle", "radius": 2}, {"type": "square"}],
        "sizes": 4,
        "frames": {"type": "square", "side": 2},
        "named": {"square": {"type": "circle", "radius": 4}},
    }
    record, found = check_record(Drawing, data)
    assert found == []
    assert record.from_ == 3
    assert record.shapes == (Circle(radius=2), Square())
    assert record.sizes == (4,)
    assert record.frames == (Square(side=2),)
    assert record.named == {"square": Circle(radius=4)}
    with pytest.raises(ValueError, match="frozen"):
        record.name = "e"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"nme": 1}, {"nme": "unknown key; did you mean 'name'?"}),
        ({"fro": 1}, {"fro": "unknown key; did you mean 'from'?"}),
        ({"from_": 1}, {"from_": "unknown key; did you mean 'from'?"}),
        ({"name": 5}, {"name": "5 is not a text"}),
        ({"name": ""}, {"name": "'' must have at least 1 character"}),
        ({"from": "x"}, {"from": "'x' is not a whole number"}),
        ({"from": True}, {"from": "true is not a whole number"}),
        ({"from": 1e4}, {"from": "10000.0 is not a whole number; write 10000"}),
        ({"from": 0.5}, {"from": "0.5 is not a whole number"}),
        ({"filled": "yes"}, {"filled": "'yes' is not true or false"}),
        ({"filled": None}, {"filled": "null is not true or false"}),
        ({"colour": "rde"}, {"colour": "'rde' is not red or green; did you mean 'red'?"}),
        ({"colour": 3}, {"colour": "3 is not red or green"}),
        ({"shapes": {"type": "square"}}, {"shapes": "{type: 'square'} is not a list"}),
        ({"shapes": [5]}, {"shapes.0": "5 is not a mapping of keys to values"}),
        ({"shapes": [{}]}, {"shapes.0.type": "is missing"}),
        ({"shapes": [{"type": "circle"}]}, {"shapes.0.radius": "is missing"}),
        (
            {"shapes": [{"type": "cirle"}]},
            {"shapes.0.type": "'cirle' is not square or circle; did you mean 'circle'?"},
        ),
        (
            {"shapes": [{"type": ["square"]}]},
            {"shapes.0.type": "['square'] is not square or circle; did you mean 'square'?"},
        ),
        (
            {"shapes": [{"type": "square", "radius": 1}]},
            {"shapes.0.radius": "unknown key; it may be side or type"},
        ),
        (
            {"shapes": [{"type": "square", "side": 0}]},
            {"shapes.0.side": "0 must be greater than 0"},
        ),
        (
            {"shapes": [{"type": "square"}, {"type": "square", "side": 8.5}]},
            {"shapes.1.side": "8.5 must be at most 8"},
        ),
        (
            {"shapes": [{"type": "square", "side": math.nan}]},
            {"shapes.0.side": ".nan is not a finite number"},
        ),
        (
            {"shapes": [{"type": "square"}] * 4},
            {"shapes": "[" + "{type: 'square'}, " * 3 + "{t... must have at most 3 values"},
        ),
        ({"shapes": [{"type": "circle", "radius": 3}]}, {"shapes.0.radius": "3 is odd"}),
        ({"shapes": [{"type": "circle", "radius": 7}]}, {"shapes.0": "sevens are not drawn"}),
        ({"sizes": "x"}, {"sizes": "'x' is not a whole number"}),
        ({"sizes": ["x"]}, {"sizes.0": "'x' is not a whole number"}),
        (
            {"sizes": [1, "x", None]},
            {"sizes.1": "'x' is not a whole number", "sizes.2": "null is not a whole number"},
        ),
        ({"sizes": []}, {"sizes": "[] must have at least 1 value"}),
        ({"frames": {"sid": 1}}, {"frames.sid": "unknown key; did you mean 'side'?"}),
        ({"frames": [{"sid": 1}]}, {"frames.0.sid": "unknown key; did you mean 'side'?"}),
        ({"named": []}, {"named": "[] is not a mapping of keys to values"}),
        (
            {"named": {"square": {"type": "circle", "radius": 0}}},
            {"named.square.radius": "0 must be at least 1"},
        ),
        ({"named": {"a": {"radius": 2}}}, {"named.a.type": "is missing"}),
        (
            {"named": {"a": {"type": "circle", "x": 1, "radius": 1}}},
            {"named.a.x": "unknown key; it may be radius or type"},
        ),
    ],
    ids=str,
)
def test_problems_have_the_path_and_words_of_the_file(keys, expected):
    assert problems(**keys) == expected


def test_all_problems_are_found_at_once():
    keys = {"from": "x", "nme": 1, "colour": "blue", "shapes": [{"type": "circle"}, {"side": 1}]}
    assert set(problems(**keys)) == {"from", "nme", "colour", "shapes.0.radius", "shapes.1.type"}


def test_what_is_no_mapping_at_all():
    words = "5 is not a mapping of keys to values"
    assert check_record(Drawing, 5) == (None, [((), words)])


def test_field_names_are_those_of_the_file():
    assert field_names(Drawing)[:3] == ["name", "from", "shapes"]


def test_the_json_schema_asks_for_what_tells_records_apart():
    schema = Drawing.model_json_schema()
    assert schema["$defs"]["Square"]["required"] == ["type"]
    assert schema["$defs"]["Circle"]["required"] == ["type", "radius"]
    assert schema["required"] == ["name"]


def test_the_json_schema_takes_one_or_many():
    number = {"type": "integer"}
    sizes = Drawing.model_json_schema()["properties"]["sizes"]["anyOf"]
    assert sizes == [number, {"type": "array", "items": number, "minItems": 1}, {"type": "null"}]
