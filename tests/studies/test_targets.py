"""How a target is read, and what meets it, against the storage formats by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.errors import ConfigError
from sparsenet.storage.accounting import ModelMemory
from sparsenet.studies.targets import Size, Target, size_in_bytes, target_of

MEMORY = ModelMemory.of([("conv", (4, 1, 3, 3), 9, 4), ("ip", (10, 20), 30, 0)], [("bn", 8, 10)])
# conv: bitmask ceil(36/8) + 4*9 = 41; ip: 30 gaps and 11 skips at most of half a byte, and 120;
# 4 biases, 8 + 10 others: 88.
SIZE = Size(39, 236, 41 + 141 + 88, 4 * 236 + 88)
FLAGS = ("nonzeros", "density", "ratio", "budget")


def target(**given_: str) -> Target:
    return target_of(dict.fromkeys(FLAGS) | given_, SIZE)


def refused(**given_: str) -> str:
    with pytest.raises(ConfigError) as raised:
        target(**given_)
    return str(raised.value)


def test_the_size_of_a_net_is_that_of_its_best_formats_with_biases() -> None:
    assert Size.of(MEMORY) == SIZE
    assert SIZE.words() == "39 nonzero weights and 270 B"


@settings(deadline=None)
@given(st.integers(1, 10**15 - 1), st.integers(0, 10**16))
def test_nonzeros_are_met_by_no_more(most: int, found: int) -> None:
    asked = target(nonzeros=str(most))
    assert asked == Target(f"--nonzeros {most}", nonzeros=most)
    assert asked.met(Size(found, 10**16, 10**17, 10**17)) == (found <= most)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**7))
def test_a_density_is_a_share_of_the_weights_rounded_down(hundredths: int, weights: int) -> None:
    text = f"{Decimal(hundredths) / 10**4:f}%"
    dense = Size(weights, weights, 4 * weights, 4 * weights)
    found = target_of({"density": text}, dense).nonzeros
    assert found == floor(Fraction(hundredths, 10**6) * weights)


@settings(deadline=None)
@given(st.integers(100, 10**5), st.integers(1, 10**7))
def test_a_ratio_is_of_the_dense_bytes(hundredths: int, dense: int) -> None:
    text = f"{Decimal(hundredths) / 100:f}"
    asked = target_of({"ratio": text}, Size(1, 1, dense, dense))
    for taken in (dense, dense * 100 // hundredths, dense * 100 // hundredths + 1):
        assert asked.met(Size(1, 1, taken, dense)) == (taken * hundredths <= dense * 100)


def test_a_budget_counts_biases_and_statistics() -> None:
    assert target(budget="270").met(SIZE)
    assert not target(budget="269B").met(SIZE)
    assert target(ratio="3.82").met(SIZE)  # 1032 / 270 = 3.822
    assert not target(ratio="3.83").met(SIZE)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65536),
        ("64KiB", 65536),
        ("64 kib", 65536),
        ("64 KIB", 65536),
        ("1.5MiB", 1572864),
        ("0.5B", 0),
        ("2GiB", 2**31),
        ("1.0009765625KiB", None),
        ("1.000976KiB", 1024),
        ("1e3", None),
        ("64KB", None),
        ("64K", None),
        ("-1", None),
        ("", None),
        (" 64KiB", None),
        ("64KiB\n", None),
        ("9" * 16, None),
        ("1.", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    if size is not None:
        assert size_in_bytes("--budget", text) == size
        return
    with pytest.raises(ConfigError) as raised:
        size_in_bytes("--budget x", text)
    assert str(raised.value) == "--budget x: is not a size such as 64KiB, 1.5MiB or 65536"


@pytest.mark.parametrize("unit", ["", "B", "KiB", "MiB", "GiB"])
@settings(deadline=None)
@given(number=st.integers(0, 10**6), quarters=st.integers(0, 3))
def test_units_are_powers_of_1024(unit: str, number: int, quarters: int) -> None:
    factor = 1024 ** ["B", "KiB", "MiB", "GiB"].index(unit or "B")
    text = f"{number}.{25 * quarters:02d}{unit}"
    assert size_in_bytes("", text) == (4 * number + quarters) * factor // 4


def test_exactly_one_is_given() -> None:
    assert refused() == "give one of --nonzeros, --density, --ratio, --budget"
    words = "--density and --budget exclude each other"
    assert refused(density="5%", budget="1KiB") == words
    assert target_of({"ratio": "2", "budget": None}, SIZE).flag == "--ratio 2"


WHOLE = "is not a whole number from 1"
PERCENT = "is not a percentage above 0% and at most 100%, such as 5%"
RATIO = "is not a number from 1, such as 10"


@pytest.mark.parametrize(
    ("flag", "text", "words"),
    [
        *[("nonzeros", text, WHOLE) for text in ("0", "-3", "1.5", "5%", "", "9" * 16, "1_0")],
        *[("density", text, PERCENT) for text in ("5", "0%", "0.0%", "101%", "-1%", "five", "")],
        *[("ratio", text, RATIO) for text in ("0", "0.99", "-2", "1e3", "10x", "nan", "inf", "")],
        ("budget", "small", "is not a size such as 64KiB, 1.5MiB or 65536"),
    ],
)
def test_what_is_none_is_refused_with_the_flag_and_value(flag: str, text: str, words: str) -> None:
    assert refused(**{flag: text}) == f"--{flag} {text}: {words}"


def test_the_ends_are_in() -> None:
    assert target(density="100%").nonzeros == 236
    assert target(ratio="1").bytes == 1032
    assert target(nonzeros="1").nonzeros == 1
