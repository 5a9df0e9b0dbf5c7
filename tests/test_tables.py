"""Tables as a terminal shows them."""

from __future__ import annotations

import pytest

from sparsenet.tables import WIDTH, aligned

ROWS = [["layer", "shape", "weights"], ["conv1", "20x1x5x5", "500"], ["ip", "10", "1,000"]]


def test_texts_are_to_the_left_and_numbers_to_the_right() -> None:
    assert aligned(ROWS, left=(0, 1)) == [
        "layer  shape     weights",
        "conv1  20x1x5x5      500",
        "ip     10          1,000",
    ]
    assert aligned(ROWS)[2] == "ip           10    1,000"


@pytest.mark.parametrize(("room", "gap"), [(0, 2), (-1, 1)])
def test_columns_move_closer_where_the_table_would_be_too_wide(room: int, gap: int) -> None:
    [line] = aligned([["a" * (WIDTH - 3 - room), "b"]])
    assert line == "a" * (WIDTH - 3 - room) + " " * gap + "b"
