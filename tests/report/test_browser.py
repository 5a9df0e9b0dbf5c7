"""What the page's script does, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sparsenet.workflows.report import write_report
from tests.report import samples
from tests.report.chromium import Chromium

TIP = """(() => {
  const tip = document.getElementById("tip");
  const words = (selector) => [...tip.querySelectorAll(selector)].map((node) => node.textContent);
  return {shown: !tip.hidden, title: words("strong")[0], names: words("dt"), values: words("dd"),
          copied: words("code")};
})()"""
FOCUS = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"


def column(browser: Chromium, table: str, header: str) -> list[str]:
    """The words of a column from top to bottom, and how its header says it is sorted."""
    found: list[str] = browser.evaluate(
        f"(() => {{ const table = document.querySelector('[aria-labelledby={table}] table');"
        "const heads = [...table.querySelectorAll('th')];"
        f"const head = heads.find((th) => th.textContent === {json.dumps(header)});"
        "const cells = [...table.tBodies[0].rows].map((row) => row.cells[head.cellIndex]);"
        "return [head.ariaSort, ...cells.map((cell) => cell.textContent)]; })()"
    )
    return found


def press_header(browser: Chromium, table: str, header: str, key: str = "Enter") -> None:
    """Go to a header by the keyboard's focus and press a key."""
    browser.evaluate(
        f"[...document.querySelectorAll('[aria-labelledby={table}] th button')]"
        f".find((button) => button.textContent === {json.dumps(header)}).focus()"
    )
    browser.press(key)


def numbers(words: list[str]) -> list[float]:
    return [float(word.replace(",", "")) for word in words if word != "\N{EN DASH}"]


def test_columns_of_numbers_are_sorted_as_numbers_by_the_keyboard(
    browser: Chromium, search: Path
) -> None:
    browser.open(search)
    for header in ("nonzeros", "val %", "KiB"):
        for direction, reverse in (("ascending", False), ("descending", True)):
            press_header(browser, "table-candidates", header)
            said, *words = column(browser, "table-candidates", header)
            assert said == direction
            assert numbers(words) == sorted(numbers(words), reverse=reverse)
            assert len(words) == 51
    # What was not measured comes last, either way.
    said, *words = column(browser, "table-candidates", "val %")
    assert said == "none"
    press_header(browser, "table-candidates", "val %", key=" ")
    assert column(browser, "table-candidates", "val %")[0] == "ascending"
    missing = words.count("\N{EN DASH}")
    assert missing > 0
    for _ in range(2):
        _, *words = column(browser, "table-candidates", "val %")
        assert words[-missing:] == ["\N{EN DASH}"] * missing
        press_header(browser, "table-candidates", "val %")


def test_sorting_is_stable_and_the_first_order_comes_back(browser: Chromium, search: Path) -> None:
    browser.open(search)
    _, *rounds = column(browser, "table-candidates", "round")
    press_header(browser, "table-candidates", "layer cut")
    _, *layers = column(browser, "table-candidates", "layer cut")
    assert [name for name in layers if name] == sorted(name for name in layers if name)
    for _ in range(2):
        _, *layers = column(browser, "table-candidates", "layer cut")
        _, *after = column(browser, "table-candidates", "round")
        for name in set(layers):
            own = [int(r) for r, layer in zip(after, layers, strict=True) if layer == name]
            assert own == sorted(own), "rows that are equal keep their order, downwards too"
        press_header(browser, "table-candidates", "layer cut")
    press_header(browser, "table-candidates", "#")
    assert column(browser, "table-candidates", "round")[1:] == rounds


def test_a_click_sorts_one_table_alone(browser: Chromium, search: Path) -> None:
    browser.open(search)
    before = column(browser, "table-t", "KiB")
    browser.point("[aria-labelledby=table-candidates] th button", 1, click=True)
    assert column(browser, "table-candidates", "round")[0] == "ascending"
    assert column(browser, "table-t", "KiB") == before


def test_names_with_numbers_are_sorted_by_them(browser: Chromium, tmp_path: Path) -> None:
    layers = {f"conv{i}": ([4, 4], 4) for i in (10, 9, 1)}
    browser.open(write_report(samples.search(tmp_path, 1, layers)))
    press_header(browser, "table-layers", "layer")
    assert column(browser, "table-layers", "layer")[1:] == ["conv1", "conv9", "conv10"]


def details(page: Path, place: int) -> dict[str, Any]:
    """What a row of front.csv says in its tooltip."""
    text = page.read_text(encoding="utf-8")
    data = text.partition('id="data">')[2].partition("</script>")[0]
    found: dict[str, Any] = json.loads(data)["networks"][place]
    return found


def assert_tip_is_of(browser: Chromium, page: Path, place: int) -> None:
    tip, told = browser.evaluate(TIP), details(page, place)
    assert tip["shown"]
    assert tip["title"] == told["title"]
    assert list(zip(tip["names"], tip["values"], strict=True)) == list(map(tuple, told["facts"]))
    assert tip["copied"] == [words for _, words in told["copied"]]


def points_at(browser: Chromium, plot: str = "val") -> list[int]:
    found: list[int] = browser.evaluate(
        f"[...document.querySelectorAll('.plot.{plot} .point')].map((p) => Number(p.dataset.i))"
    )
    return found


def test_the_pointer_on_a_point_tells_of_it(browser: Chromium, search: Path) -> None:
    browser.open(search)
    assert not browser.evaluate(TIP)["shown"]
    for place, i in list(enumerate(points_at(browser)))[::7]:
        browser.point(".plot.val .point", place)
        assert_tip_is_of(browser, search, i)
    tip = browser.evaluate(TIP)
    assert tip["names"] == ["nonzeros", "memory", "validation", "test", "the search"]
    assert tip["copied"][0].startswith("sparsenet search configs/cifar10/quick.yaml --output ")
    assert tip["copied"][1].startswith("regularization: {conv1: {type: l0, t: ")
    browser.point("h1")
    assert (
        browser.evaluate(f"new Promise((then) => setTimeout(() => then({TIP}.shown), 600))")
        is False
    )


def test_the_tooltip_stays_for_who_goes_to_its_buttons(browser: Chromium, search: Path) -> None:
    browser.open(search)
    browser.point(".plot.val .point", 3, click=True)
    place = points_at(browser)[3]
    browser.point(".plot.val .point", 12)
    assert_tip_is_of(browser, search, place)
    browser.point("#tip .copied button", 1, click=True)
    assert_tip_is_of(browser, search, place)
    browser.press("Escape")
    assert not browser.evaluate(TIP)["shown"]


def test_points_are_reached_and_left_by_the_keyboard(browser: Chromium, search: Path) -> None:
    browser.open(search)
    browser.evaluate("document.getElementById('show-val').focus()")
    browser.press("Tab")
    start = browser.evaluate("Number(document.activeElement.dataset.i)")
    assert "chosen" in browser.evaluate("document.activeElement.getAttribute('class')")
    assert_tip_is_of(browser, search, start)
    sizes = []
    browser.press("Home")
    keep = "window.kept = []; addEventListener('keydown', (e) => kept.push(e.defaultPrevented)); 1"
    browser.evaluate(keep)
    for _ in range(4):
        place = browser.evaluate("Number(document.activeElement.dataset.i)")
        assert_tip_is_of(browser, search, place)
        sizes.append(browser.evaluate("Number(document.activeElement.getAttribute('cx'))"))
        browser.press("ArrowRight")
    assert sizes == sorted(sizes)
    assert browser.evaluate("window.kept") == [True] * 4, "an arrow key does not scroll the page"
    browser.press("ArrowLeft")
    assert browser.evaluate("Number(document.activeElement.dataset.i)") == place
    browser.press("Tab")
    assert browser.evaluate(FOCUS) == "Copy command that writes its solver"
    browser.press("Tab")
    assert browser.evaluate(FOCUS) == "Copy line of a solver file"
    browser.press("Escape")
    assert not browser.evaluate(TIP)["shown"]
    assert browser.evaluate("Number(document.activeElement.dataset.i)") == place


@pytest.mark.parametrize("clipboard", [True, False])
def test_a_button_copies_its_line(browser: Chromium, search: Path, clipboard: bool) -> None:
    browser.open(search)
    # The system's clipboard is not ours to write to: what would get there is looked at instead.
    if clipboard:
        write = "navigator.clipboard.writeText = async (words) => { window.taken = words; }; 1"
    else:
        write = (
            "navigator.clipboard.writeText = () => Promise.reject(new Error());"
            "document.execCommand = () => { window.taken = getSelection().toString() || "
            "document.activeElement.value; return true; }; 1"
        )
    browser.evaluate(write)
    browser.point(".plot.val .point", 5, click=True)
    for place in (0, 1):
        browser.point("#tip .copied button", place, click=True)
        said = "document.querySelector('#tip .said').textContent"
        assert (
            browser.evaluate(f"new Promise((then) => setTimeout(() => then({said}), 50))")
            == "Copied."
        )
        assert browser.evaluate("window.taken") == browser.evaluate(TIP)["copied"][place]
        assert browser.evaluate("document.activeElement.tagName") == "BUTTON"


def test_the_switch_goes_from_validation_to_test(browser: Chromium, search: Path) -> None:
    browser.open(search)
    seen = "['val', 'test'].map((n) => document.querySelector(`.plot.${n}`).offsetHeight > 0)"
    assert browser.evaluate(seen) == [True, False]
    browser.point("#show-test", click=True)
    assert browser.evaluate(seen) == [False, True]
    browser.point(".plot.test .point", 2)
    assert_tip_is_of(browser, search, points_at(browser, "test")[2])
    browser.medium("print")
    assert browser.evaluate(seen) == [True, True], "paper has no switch"


def test_hostile_names_are_words(browser: Chromium, tmp_path: Path) -> None:
    layers = dict(list(samples.LAYERS.items())[:2])
    names = [samples.EVIL, '</script><img src=x onerror="alert(1)">', "<!--", "\u2028'\"`"]
    page = write_report(samples.search(tmp_path, 2, layers | {n: ([4, 4], 4) for n in names}))
    browser.open(page)
    assert browser.evaluate("document.scripts.length") == 2
    assert browser.evaluate("document.images.length") == 0
    shown = column(browser, "table-layers", "layer")[1:]
    assert shown == [*layers, *names[:3], "\\u2028'\"`"]
    for place, i in enumerate(points_at(browser)):
        browser.point(".plot.val .point", place)
        if details(page, i)["title"].endswith(f"{names[1]} cut"):
            break
    assert_tip_is_of(browser, page, i)
    assert browser.evaluate("document.images.length") == 0
