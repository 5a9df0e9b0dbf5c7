"""From a folder to its page: what is read, what is refused, what is kept."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sparsenet.errors import ConfigError, SparsenetError
from sparsenet.files import FileError
from sparsenet.workflows.report import write_report
from tests.report import samples
from tests.report.parsed import Node, named, parsed

EVERY = pytest.mark.parametrize(
    "make", [samples.search, samples.ensemble, samples.sweep, samples.run]
)
Make = Callable[[Path], Path]


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


@EVERY
def test_the_page_needs_nothing_but_itself(make: Make, tmp_path: Path) -> None:
    folder = make(tmp_path / "x")
    samples.figure(folder)
    path = write_report(folder)
    assert path == folder / "report.html"
    nodes = parsed(path.read_text(encoding="utf-8"))
    linked = [
        node.attributes.get(key) for node in nodes for key in ("src", "href", "srcset", "data")
    ]
    assert all(link.startswith(("data:image/svg+xml;base64,", "#")) for link in linked if link)
    [policy] = named(nodes, "meta", http_equiv="Content-Security-Policy")
    assert (policy.attributes["content"] or "").startswith("default-src 'none'; img-src data:;")
    assert not [node for node in nodes if node.tag in {"link", "iframe", "object", "base"}]
    assert not re.search(r"url\(|@import", path.read_text(encoding="utf-8"))


@EVERY
def test_the_same_folder_gives_the_same_bytes(make: Make, tmp_path: Path) -> None:
    folder = make(tmp_path / "x")
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first
    assert write_report(folder, tmp_path / "other.html").read_bytes() == first


@EVERY
def test_links_within_lead_somewhere_and_names_are_unique(make: Make, tmp_path: Path) -> None:
    nodes = parsed(page_of(make(tmp_path / "x")))
    ids = [node.attributes["id"] for node in nodes if "id" in node.attributes]
    assert len(set(ids)) == len(ids)
    used = [(node.attributes.get("href") or "").lstrip("#") for node in named(nodes, "a")]
    used += [node.attributes.get("aria-labelledby") or "" for node in nodes]
    used += [node.attributes.get("for") or "" for node in nodes]
    assert set(filter(None, used)) <= set(ids)


def test_figures_are_pictures_with_their_words(tmp_path: Path) -> None:
    folder = samples.search(tmp_path)
    svg = samples.figure(folder, "tradeoff", "<script>alert(1)</script>").read_bytes()
    samples.figure(folder, "<b>own")
    nodes = parsed(page_of(folder))
    own, known = named(nodes, "img")
    assert own.attributes["alt"] == "<b>own"
    assert (known.attributes["alt"] or "").startswith("Accuracy against the memory of the weights")
    coded = (known.attributes["src"] or "").partition("base64,")[2]
    assert base64.b64decode(coded) == svg
    assert len(named(nodes, "figcaption")) == 2
    assert not [node for node in nodes if node.tag == "script" and "alert" in node.words]


def test_a_folder_without_figures_has_no_section_for_them(tmp_path: Path) -> None:
    assert not named(parsed(page_of(samples.search(tmp_path))), "section", id="figures")


def test_the_configuration_is_in_it_folded(tmp_path: Path) -> None:
    for make in (samples.search, samples.run):
        nodes = parsed(page_of(make(tmp_path / make.__name__)))
        [pre] = [node for node in named(nodes, "pre") if "details" in node.path]
        assert "max_iter: " in pre.words


def hostile(folder: Path) -> list[Path]:
    """Folders in which every text that can be is markup."""
    evil = samples.EVIL
    layers: samples.Layers = {evil: ([4, 4], 4), "</script><!--": ([4, 4], 4), "\u2028": ([4], 1)}
    search = samples.search(folder / "search", 3, layers)
    document = json.loads((search / "study.json").read_text())
    texts = {"net": evil, "solver": evil, "settings": {evil: evil, "figure": evil}}
    (search / "study.json").write_text(json.dumps(document | texts | {"configuration": texts}))
    run = samples.run(folder / "run", layers, samples.log_lines(stage=evil))
    summary = json.loads((run / "summary.json").read_text()) | {"net": evil, "missed": [evil]}
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "config.yaml").write_text(f"# {evil}\n")
    sweep, ensemble = samples.sweep(folder / "sweep"), samples.ensemble(folder / "ensemble")
    for path, old in ((sweep / "sweep.csv", "l0"), (ensemble / "study.json", "CIFAR10_quick")):
        path.write_text(path.read_text().replace(old, evil))
    return [search, run, sweep, ensemble]


def scripts(nodes: list[Node]) -> list[str | None]:
    return [node.attributes.get("type") for node in named(nodes, "script")]


def test_no_text_from_a_file_is_markup(tmp_path: Path) -> None:
    for folder in hostile(tmp_path):
        page = page_of(folder)
        nodes = parsed(page)
        assert scripts(nodes) == ["application/json", None], folder
        assert not [n for n in nodes if any(key.startswith("on") for key in n.attributes)]
        assert "\u2028" not in page
        assert page.count(samples.EVIL) == 0
        assert page.count("&lt;script&gt;alert(1)") > 0


@pytest.mark.parametrize("name", ["empty", "metrics only"])
def test_a_folder_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    if name == "metrics only":
        (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(ConfigError) as raised:
        write_report(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path} holds neither a run nor a study: "
        "a study has study.json, a run has config.yaml and metrics.jsonl"
    )
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("content", ["", "<!doctype html>\n<title>mine</title>"])
def test_a_page_that_is_not_ours_is_kept(content: str, tmp_path: Path) -> None:
    path = samples.run(tmp_path) / "report.html"
    path.write_text(content)
    with pytest.raises(ConfigError, match="is not of sparsenet report and is kept"):
        write_report(tmp_path)
    assert path.read_text() == content


def test_a_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    folder = samples.run(tmp_path / "x")
    with pytest.raises(ConfigError, match="there is no folder"):
        write_report(folder, tmp_path / "none" / "a.html")
    with pytest.raises(ConfigError, match="is not of sparsenet report"):
        write_report(folder, tmp_path)


DAMAGES: list[tuple[str, str, Callable[[str], str], str]] = [
    ("search", "front.csv", lambda text: text[:-2], ":52: is cut off: no newline ends it"),
    ("search", "front.csv", lambda text: text.replace("greedy,1,", "greedy,x,", 1),
     ":3: round: 'x' is not a whole number"),
    ("search", "front.csv", lambda text: text.partition("\n")[0] + "\n", ": has no row"),
    ("search", "study.json", lambda text: text[:-1], ": not JSON"),
    ("search", "study.json", lambda text: text.replace("5000", "[" * 100_000 + "]" * 100_000),
     ": nested too deeply"),
    ("search", "study.json", lambda text: text.replace('"search"', '"sear"'),
     ": command: 'sear' is not search, ensemble or sweep"),
    ("search", "study.json", lambda text: text.replace("2400", '"many"'),
     ": layers: conv1: weights: 'many' is not a whole number"),
    ("sweep", "sweep.csv", lambda text: text.replace("seed", "sead"),
     ":1: there is no column 'seed'"),
    ("run", "metrics.jsonl", lambda text: "[]\n" + text, ":1: [] is not an object"),
    ("run", "summary.json", lambda text: text.replace("900", '"x"'), ": best: iter: 'x' is not"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "damage", "words"), DAMAGES)
def test_a_damaged_file_is_named_in_one_line(
    kind: str, name: str, damage: Callable[[str], str], words: str, tmp_path: Path
) -> None:
    folder = getattr(samples, kind)(tmp_path)
    path = folder / name
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(FileError) as raised:
        write_report(folder)
    assert str(raised.value).startswith(f"{path}{words}")
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("kind", ["search", "ensemble", "sweep", "run"])
def test_files_cut_off_anywhere_give_a_page_or_an_error_of_ours(kind: str, tmp_path: Path) -> None:
    folder: Path = getattr(samples, kind)(tmp_path)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for length in range(0, len(whole), len(whole) // 12 + 1):
            path.write_bytes(whole[:length])
            with suppress(SparsenetError):
                write_report(folder)
        path.write_bytes(whole)
