"""Whatever a text holds, it stays a text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.report.html import Html, breakable, element, island, joined, lines, text
from tests.report.parsed import parsed

ANY = st.text(st.sampled_from("<>&\"'`=/-! scriptx\u2028\u202e\x00\x1b\u00e4"), max_size=30)
PLAIN = ANY.filter(str.isprintable)


@given(PLAIN)
def test_a_text_is_read_again_as_it_was(words: str) -> None:
    [node] = parsed(element("p", text(words), title=words))
    assert (node.words, node.attributes["title"]) == (words, words)
    assert parsed(element("p", breakable(words)))[0].words == words


@given(ANY)
def test_no_text_is_markup(words: str) -> None:
    inner = joined([text(words), lines(words), breakable(words), text("")], between=words)
    nodes = parsed(element("p", inner, title=words, data_x=words))
    assert {node.tag for node in nodes} <= {"p", "wbr"}
    assert set(nodes[0].attributes) == {"title", "data-x"}


@pytest.mark.parametrize("character", ["\u202e", "\u2028", "\x1b", "\x00", "\n"])
def test_what_has_no_glyph_is_shown_escaped(character: str) -> None:
    assert character not in text(f"a{character}b")
    assert character.encode("unicode_escape").decode() in text(f"a{character}b")


def test_attributes() -> None:
    made = element("input", id="a", checked=True, hidden=False, name=None, class_="b", aria_label=1)
    assert made == '<input id="a" checked class="b" aria-label="1">'
    assert element("circle", cx=1.23456, cy=-0.001) == '<circle cx="1.23" cy="0"></circle>'
    assert element("svg", viewBox="0 0 1 1") == '<svg viewBox="0 0 1 1"></svg>'


@pytest.mark.parametrize("size", [123456.789, 1e6, 1e-3])
def test_numbers_of_a_drawing_have_no_exponent(size: float) -> None:
    assert "e" not in element("g", x=size).removeprefix("<g").partition(">")[0]


@given(st.dictionaries(ANY, ANY | st.lists(ANY, max_size=3), max_size=4))
def test_nothing_ends_an_island_and_all_of_it_comes_back(data: dict[str, object]) -> None:
    made = island("data", data)
    assert made.startswith('<script type="application/json" id="data">')
    body = made.partition(">")[2].removesuffix("</script>")
    assert body.isascii()
    assert not set("<>&") & set(body)
    assert json.loads(body) == data


def test_an_island_has_no_numbers_that_json_has_not() -> None:
    with pytest.raises(ValueError, match="JSON"):
        island("data", [float("nan")])


def test_lines_stay_lines() -> None:
    assert lines("a: <b>\n\u202ec\n") == Html("a: &lt;b&gt;\n\\u202ec\n")
