"""HTML and SVG as text, in which nothing from outside is markup.

`Html` is what may stand in a page as it is. Only the functions here make it, so that a type checker
finds a text that was put into a page without being escaped.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import NewType

from sparsenet.errors import printable

Html = NewType("Html", str)

Attribute = str | int | float | bool | None

_VOID = {"br", "img", "input", "meta"}


def text(words: object) -> Html:
    """Any text, escaped; what has no glyph, or would turn the direction, is shown as `\\u202e`."""
    return Html(html.escape(printable(str(words))))


def lines(words: str) -> Html:
    """A text of several lines, each escaped as `text`."""
    return Html("\n".join(text(line) for line in words.split("\n")))


def breakable(words: str) -> Html:
    """A text as `text`, that may be broken after a slash where a page is narrow."""
    return Html(text(words).replace("/", "/<wbr>"))


def joined(parts: Iterable[Html], between: str = "\n") -> Html:
    """Parts one after another; `between` is a text, too."""
    return Html(html.escape(between).join(parts))


def element(name: str, /, *body: Html, **attributes: Attribute) -> Html:
    """One element; an attribute `class_` is `class`, `aria_label` is `aria-label`.

    An attribute that is None or False is left out, one that is True has no value.
    """
    head = name + "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{head}>" if name in _VOID else f"<{head}>{''.join(body)}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_value(value)}"'


def _value(value: str | float) -> str:
    """Numbers to a hundredth, which is finer than any screen."""
    if not isinstance(value, float):
        return text(value)
    return f"{round(value, 2) + 0:.2f}".rstrip("0").rstrip(".")


def island(name: str, data: object) -> Html:
    """Plain data as JSON in an element of this id that no browser runs.

    All that could end the element or open a comment in it is escaped, and all that is not ASCII.
    """
    escapes = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})
    body = Html(json.dumps(data, allow_nan=False, separators=(",", ":")).translate(escapes))
    return element("script", body, type="application/json", id=name)
