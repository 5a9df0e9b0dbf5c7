"""docs/configuration.md: every key of the files, made from the records that check them.

A new layer, filler, regularizer, policy, solver type or key appears by itself: the page is the
JSON Schema that `sparsenet schema` prints, in words, with the equations of the docstrings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from sparsenet.config.reference_text import (
    BLOCKS,
    HEAD,
    INTROS,
    READING,
    STAGES,
    SWEEP,
    policies_table,
    sources_table,
    types_table,
)
from sparsenet.config.schema import solver_schema, sweep_schema
from sparsenet.config.schema_words import Schema, default_words, escaped, table, value_words
from sparsenet.layers import LAYERS
from sparsenet.layers.fillers import FILLERS
from sparsenet.regularization.regularizers import REGULARIZERS

Keys = dict[str, Schema]
Shared = dict[tuple[str, ...], Keys]
_FAMILIES: dict[str, Mapping[str, type]] = {
    "Layers": LAYERS,
    "Fillers": FILLERS,
    "Regularizers": REGULARIZERS,
}
_EXAMPLES = {"Stage": STAGES, "Block": BLOCKS}
_FILES = {"SolverConfig": "Solver file", "NetConfig": "Net file", "SweepConfig": "Sweep file"}


def configuration_page(solver_example: str, net_example: str) -> str:
    """The page as Markdown, beginning with a solver file and its net file as examples."""
    page = _Page()
    sections = [
        HEAD,
        f"## Example\n\nA solver file:\n\n```yaml\n{solver_example.strip()}\n```",
        f"and its net file, `net.yaml` in the same folder:\n\n```yaml\n{net_example.strip()}\n```",
        READING,
        *page.solver(),
        *page.net(),
        *page.family("Regularizers", {}),
        *page.family("Fillers", {}),
        *page.sweep(),
    ]
    return "\n\n".join(sections) + "\n"


class _Page:
    """The page's sections in order; each record has its table once, after its first mention."""

    def __init__(self) -> None:
        schema, sweep = solver_schema(), sweep_schema()
        self.records: Keys = {**schema["$defs"], "SolverConfig": schema}
        self.records |= {**sweep["$defs"], "SweepConfig": sweep}
        members = {kind.__name__ for family in _FAMILIES.values() for kind in family.values()}
        self._described = members | {"NetConfig"}

    def solver(self) -> Iterator[str]:
        """The solver file, its policies and types, and the records below it."""
        record = self.records["SolverConfig"]
        yield "## Solver file"
        yield self._table(record, record["properties"])
        yield f"### Learning rate policies\n\n{INTROS['Learning rate policies']}"
        yield policies_table()
        yield f"### Solver types\n\n{INTROS['Solver types']}"
        yield types_table()
        yield from self._below(record["properties"])

    def net(self) -> Iterator[str]:
        """The net file, the keys that layers share, and the layers."""
        record = self.records["NetConfig"]
        yield f"## Net file\n\n{escaped(record['description'])}"
        yield self._table(record, record["properties"])
        yield from self._below({"blocks": record["properties"]["blocks"]})
        shared = _shared({name: self._options(kind) for name, kind in LAYERS.items()})
        for owners, keys in shared.items():
            first = self.records[LAYERS[owners[0]].__name__]
            every = len(owners) == len(LAYERS)
            yield f"### {_shared_title(owners)}"
            yield self._table(*(_with_type(first, keys) if every else (first, keys)))
            yield from self._below(keys)
        yield from self.family("Layers", shared)

    def sweep(self) -> Iterator[str]:
        """The sweep file, and its methods."""
        record = self.records["SweepConfig"]
        yield f"## Sweep file\n\n{escaped(record['description'])}\n\n{SWEEP}"
        yield self._table(record, record["properties"])
        yield from self._below(record["properties"])

    def family(self, title: str, shared: Shared) -> Iterator[str]:
        """One section a member, with its keys that are not among the `shared`."""
        yield f"## {title}\n\n{INTROS[title]}"
        for name, kind in sorted(_FAMILIES[title].items()):
            groups = [owners for owners in shared if name in owners]
            known = [item for owners in groups for item in shared[owners].items()]
            own = {k: v for k, v in self._options(kind).items() if (k, v) not in known}
            record = self.records[kind.__name__]
            yield f"### {name}\n\n{escaped(record['description'])}"
            if also := [_linked(_shared_title(g)) for g in groups if len(g) < len(LAYERS)]:
                yield f"Takes the {' and the '.join(also)}{', and:' if own else '.'}"
            if own:
                yield self._table(record, own)
            yield from self._below(own)
            if name == "Data":
                yield f"### Data sets\n\n{sources_table()}"

    def _options(self, kind: type) -> Keys:
        """A family member's keys but `type`, which its heading says."""
        properties: Keys = self.records[kind.__name__]["properties"]
        return {key: schema for key, schema in properties.items() if key != "type"}

    def _below(self, keys: Keys) -> Iterator[str]:
        """Sections of the records that these keys hold, and of those below them."""
        for name in _references(keys):
            if name not in self._described:
                self._described.add(name)
                record = self.records[name]
                yield f"### {_title(name)}\n\n{escaped(record['description'])}"
                if name in _EXAMPLES:
                    yield _EXAMPLES[name]
                yield self._table(record, record["properties"])
                yield from self._below(record["properties"])

    def _table(self, record: Schema, keys: Keys) -> str:
        """The table of some of a record's keys."""
        rows = []
        for key, schema in keys.items():
            held = self.records.get(next(_references(schema), ""), {}).get("properties", {})
            value, default = value_words(schema, _link), default_words(key, record, held)
            rows.append([f"`{key}`", value, default, escaped(schema["description"])])
        return table(["key", "value", "default", "meaning"], rows)


def _with_type(layer: Schema, keys: Keys) -> tuple[Schema, Keys]:
    """The keys of every layer with `type`, by which the records of layers are told apart."""
    kinds: Schema = {"enum": sorted(LAYERS), "description": "the kind of layer"}
    required = {**layer, "required": [*layer["required"], "type"]}
    return required, {"name": keys["name"], "type": kinds, **keys}


def _shared(options: Mapping[str, Keys]) -> Shared:
    """Keys by the layers that take them alike, where these are several; those of all layers first.

    A key that every layer has counts as every layer's, although one or the other (Data's `top`)
    describes it otherwise in its own table.
    """
    variants: dict[str, list[tuple[Schema, list[str]]]] = {}
    for name, keys in sorted(options.items()):
        for key, schema in keys.items():
            known = variants.setdefault(key, [])
            alike = [names for other, names in known if other == schema]
            if alike:
                alike[0].append(name)
            else:
                known.append((schema, [name]))
    has = Counter(key for keys in options.values() for key in keys)
    shared: Shared = {}
    for key, known in variants.items():
        for schema, names in known:
            if len(names) > 1:
                owners = sorted(options) if has[key] == len(options) else names
                shared.setdefault(tuple(owners), {})[key] = schema
    return dict(sorted(shared.items(), key=lambda item: -len(item[0])))


def _references(node: object) -> Iterator[str]:
    """Names of the records that a schema refers to, in order."""
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for key, value in node.items():
            if key != "discriminator":
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _shared_title(owners: tuple[str, ...]) -> str:
    if len(owners) == len(LAYERS):
        return "Keys of every layer"
    return f"Keys of {', '.join(owners[:-1])} and {owners[-1]}"


def _title(record: str) -> str:
    """A record's heading: `AccuracyGoal` is `Accuracy goal`."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda match: f" {match[0].lower()}", record)


def _linked(title: str, words: str | None = None) -> str:
    """A link to a heading of the page."""
    anchor = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
    return f"[{words or title[0].lower() + title[1:]}](#{anchor})"


def _link(record: str, many: bool) -> str:
    for title, family in _FAMILIES.items():
        if record in {kind.__name__ for kind in family.values()}:
            return _linked(title, title.lower() if many else title.lower().removesuffix("s"))
    title = _FILES.get(record) or _title(record)
    return _linked(title, title.removesuffix(" file").lower() + "s" * many)
