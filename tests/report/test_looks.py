"""What the page's style and policy come to, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsenet.workflows.report import write_report
from tests.report import samples
from tests.report.chromium import Chromium


def test_the_policy_lets_no_other_script_run(browser: Chromium, tmp_path: Path) -> None:
    page = write_report(samples.search(tmp_path, 1))
    text = page.read_text(encoding="utf-8")
    intruders = (
        "<script>window.ran = 'inline'</script><img src='data:,' onerror='window.ran = 1'>"
        "<img src='http://127.0.0.1:9/a.png'><script src='http://127.0.0.1:9/a.js'></script>"
        "<link rel=stylesheet href='http://127.0.0.1:9/a.css'>"
    )
    page.write_text(text.replace("<h1>", intruders + "<h1>"), encoding="utf-8")
    browser.open(page)
    assert browser.evaluate("typeof window.ran") == "undefined"
    tried = [url for url in browser.requests() if not url.startswith("file:")]
    blocked = [
        event["params"].get("blockedReason")
        for event in browser.events
        if event.get("method") == "Network.loadingFailed"
    ]
    assert all(reason == "csp" for reason in blocked)
    assert len(blocked) >= len(tried)
    browser.open(write_report(samples.search(tmp_path / "clean", 1)))


@pytest.mark.parametrize("kind", ["search", "ensemble", "sweep", "run"])
def test_a_phone_need_not_scroll_sideways(browser: Chromium, kind: str, tmp_path: Path) -> None:
    folder = getattr(samples, kind)(tmp_path)
    samples.figure(folder)
    page = write_report(folder)
    browser.size(360, 740, phone=True)
    browser.open(page)
    if kind == "search":
        browser.point(".plot.val .point", 4, click=True)
        assert browser.evaluate("!document.getElementById('tip').hidden")
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
    letters = browser.evaluate(
        "[...document.querySelectorAll('.plot text')].map((node) =>"
        "parseFloat(getComputedStyle(node).fontSize) * (node.getScreenCTM() || {a: 1}).a)"
    )
    assert all(height >= 10 for height in letters)


OVERLAPS = """(() => {
  const boxes = [...document.querySelectorAll(".plot .axes text")]
    .map((node) => [node.closest("svg"), node.textContent, node.getBoundingClientRect()]);
  const found = [];
  boxes.forEach(([svg, one, a], i) => boxes.slice(i + 1).forEach(([other, two, b]) => {
    const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
    if (svg === other && !apart && a.width && b.width) found.push(`${one} and ${two}`);
  }));
  return found;
})()"""


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("kind", ["search", "run", "deep", "one", "large"])
def test_no_words_of_a_drawing_overlap(
    browser: Chromium, kind: str, width: int, tmp_path: Path
) -> None:
    makers = {
        "search": lambda: samples.search(tmp_path, 10),
        "run": lambda: samples.run(tmp_path),
        "deep": lambda: samples.search(tmp_path, 25, samples.DEEP),
        "one": lambda: samples.search(tmp_path, 0),
        "large": lambda: samples.search(tmp_path, 16, {"fc": ([16384, 9600], 10)}),
    }
    browser.size(width, 800)
    browser.open(write_report(makers[kind]()))
    assert browser.evaluate(OVERLAPS) == []


CONTRAST = """(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    const own = getComputedStyle(node).backgroundColor;
    return own === "rgba(0, 0, 0, 0)" && node.parentElement ? ground(node.parentElement) : own;
  };
  const kinds = "h1, p, dt, dd, a, td, th button, .axes text, summary";
  const nodes = [...document.querySelectorAll(kinds)];
  return Math.min(...nodes.map((node) => {
    const style = getComputedStyle(node);
    const ink = light(node instanceof SVGElement ? style.fill : style.color);
    const paper = light(ground(node));
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  }));
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(browser: Chromium, search: Path, scheme: str) -> None:
    browser.medium(scheme=scheme)
    browser.open(search)
    assert browser.evaluate(CONTRAST) >= 4.5
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_style_of_a_figure_counts_within_it(browser: Chromium, search: Path) -> None:
    browser.open(search)
    pixel = (
        "(async () => { const image = document.querySelector('figure img'); await image.decode();"
        "const canvas = document.createElement('canvas'); canvas.width = 320; canvas.height = 200;"
        "const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);"
        "return [...context.getImageData(160, 100, 1, 1).data]; })()"
    )
    assert browser.evaluate(pixel) == [0, 0x72, 0xB2, 255]
