"""One page that needs nothing but itself: its style, script, figures and data are all in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from sparsenet.report.html import Html, element, island, joined, lines, text

PAGE_BEGINS = "<!doctype html>\n<!-- sparsenet report -->\n"
"""How each of these pages begins."""


@dataclass(frozen=True)
class Fact:
    """A number a reader looks for first, with its name and what is to be known of it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page below its own heading; `id` is unique in the page."""

    id: str
    title: str
    body: Sequence[Html]


@dataclass(frozen=True)
class Report:
    """What a page says, without its figures and configuration; `data` is for its script."""

    title: str
    lead: Sequence[str]
    facts: Sequence[Fact]
    sections: Sequence[Section]
    data: Mapping[str, object] = field(default_factory=dict)


def page(report: Report) -> str:
    """The whole page, as text."""
    script, style = _asset("report.js"), _asset("report.css")
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", text(report.title)),
        element("style", style),
    ]
    body = [
        _header(report),
        element("main", joined(_section(section) for section in report.sections)),
        island("data", report.data),
        element("script", script),
    ]
    whole = element("html", element("head", joined(head)), element("body", joined(body)), lang="en")
    return f"{PAGE_BEGINS}{whole}\n"


def _asset(name: str) -> Html:
    """A file of our own, which needs no escaping."""
    return Html((files("sparsenet.report") / "assets" / name).read_text(encoding="utf-8"))


def _policy(script: Html) -> str:
    """No network at all, pictures within the page only, and no script but ours.

    Styles are inline and not by their hash: browsers differ in whether a picture's own count.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _header(report: Report) -> Html:
    links = [element("a", text(part.title), href=f"#{part.id}") for part in report.sections]
    parts = [
        element("h1", text(report.title)),
        *(element("p", text(sentence)) for sentence in report.lead),
        element("dl", joined(map(_fact, report.facts)), class_="facts"),
        element("nav", joined(links), aria_label="parts of this page"),
    ]
    return element("header", joined(parts))


def _fact(fact: Fact) -> Html:
    said = [element("dt", text(fact.name)), element("dd", text(fact.value), class_="value")]
    if fact.note:
        said.append(element("dd", text(fact.note), class_="small"))
    return element("div", *said)


def _section(section: Section) -> Html:
    heading = element("h2", text(section.title))
    return element("section", joined([heading, *section.body]), id=section.id)


def configuration(yaml: str) -> Section:
    """The merged configuration, folded."""
    body = element("pre", element("code", lines(yaml)))
    summary = element("summary", text(f"{yaml.count(chr(10)):,} lines of YAML"))
    return Section("configuration", "Configuration", [element("details", summary, body)])


def settings(values: Mapping[str, str]) -> Html:
    """Names with their values, where there are any."""
    pairs = [
        element("div", element("dt", text(key)), element("dd", text(value)))
        for key, value in values.items()
        if value
    ]
    return element("dl", joined(pairs), class_="pairs") if pairs else Html("")
