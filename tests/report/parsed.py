"""A page as its elements, as a browser's parser finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"br", "img", "input", "meta", "wbr"}


@dataclass
class Node:
    """An element: its attributes and all text in it."""

    tag: str
    attributes: dict[str, str | None]
    words: str = ""
    path: tuple[str, ...] = field(default=())


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.open: list[Node] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs), path=tuple(above.tag for above in self.open))
        self.nodes.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for node in self.open:
            node.words += data


def parsed(page: str) -> list[Node]:
    """Every element in its order; each must be closed by its own end."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser.nodes


def named(nodes: list[Node], tag: str, **attributes: str) -> list[Node]:
    """The elements of a tag whose attributes have these values."""
    wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    return [node for node in nodes if node.tag == tag and wanted.items() <= node.attributes.items()]


def table_of(nodes: list[Node], name: str) -> list[dict[str, str]]:
    """The rows of the table below the title of this id, by their headers."""
    start = next(i for i, node in enumerate(nodes) if node.attributes.get("id") == name)
    inside = nodes[start:]
    headers: list[str] = []
    rows: list[list[str]] = []
    for node in inside[2:]:  # after the title and the frame
        if node.tag in {"p", "section"}:
            break
        if node.tag == "th":
            headers.append(node.words)
        if node.tag == "tr" and "tbody" in node.path:
            rows.append([])
        if node.tag == "td":
            rows[-1].append(node.words)
    return [dict(zip(headers, row, strict=True)) for row in rows]
