"""The documentation: made from the code as it is, its commands and links good."""

from __future__ import annotations

import difflib
import json
import re
import runpy
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

import sparsenet.config.load  # noqa: F401  every record is defined by now, with that of sweeps
from sparsenet.cli.main import cli
from sparsenet.config.constraints import weight_shapes
from sparsenet.config.load import load_net, load_solver
from sparsenet.config.sweep import load_sweep
from sparsenet.data.sources import SOURCES
from sparsenet.layers import LAYERS
from sparsenet.layers.fillers import FILLERS
from sparsenet.record import Record, field_names
from sparsenet.regularization.regularizers import REGULARIZERS
from sparsenet.solver.lr_policies import LR_POLICIES
from sparsenet.solver.update import UPDATES
from sparsenet.studies.grid import settings_of

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("README.md")), *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def records(above: type[Record] = Record) -> Iterator[type[Record]]:
    """Every record that a file can hold: those that no other is made from."""
    for record in above.__subclasses__():
        if record.__module__.startswith("sparsenet."):
            below = list(records(record))
            yield from below or [record]


def sections(text: str) -> dict[str, str]:
    """The text below each heading, up to the next one of any level."""
    prose = re.sub(r"```.*?```", lambda block: block[0].replace("\n#", "\n "), text, flags=re.S)
    parts = re.split(r"^#+ (.+)$", prose, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def home_of(record: type[Record]) -> str:
    """The sections that describe a record, joined."""
    found = sections(REFERENCE)
    for family in (LAYERS, FILLERS, REGULARIZERS):
        for name, kind in family.items():
            if kind is record:
                shared = [
                    title
                    for title in found
                    if title == "Keys of every layer"
                    or (title.startswith("Keys of") and re.search(rf"\b{name}\b", title))
                ]
                return "".join(found[title] for title in [name, *shared * (family is LAYERS)])
    files = {"SolverConfig": "Solver file", "NetConfig": "Net file", "SweepConfig": "Sweep file"}
    spaced = re.sub(r"(?<=[a-z])([A-Z])", lambda match: f" {match[0].lower()}", record.__name__)
    return found[files.get(record.__name__, spaced)]


def test_the_configuration_page_is_current() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "make_configuration_docs.py"))["page"]()
    changes = difflib.unified_diff(REFERENCE.splitlines(), made.splitlines(), lineterm="", n=0)
    assert made == REFERENCE, "run `make docs`:\n" + "\n".join(changes)


@pytest.mark.parametrize("record", list(records()), ids=lambda record: record.__name__)
def test_every_key_has_its_row(record: type[Record]) -> None:
    home = home_of(record)
    is_tagged = any(record in family.values() for family in (FILLERS, REGULARIZERS))
    for key in field_names(record):
        assert f"\n| `{key}` | " in home or (key == "type" and is_tagged), key


@pytest.mark.parametrize("names", [LR_POLICIES, UPDATES, SOURCES])
def test_every_registered_name_has_its_row(names: dict[str, object]) -> None:
    for name in names:
        assert f"\n| `{name}` | " in REFERENCE


def test_every_row_says_what_a_key_takes_and_means() -> None:
    tables = [text for text in sections(REFERENCE).values() if "| key | value |" in text]
    rows = [row for text in tables for row in re.findall(r"^\| (`\w+` \|.*) \|$", text, re.M)]
    assert len(rows) > 100
    for row in rows:
        _, value, default, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", row))
        assert value, row
        assert meaning, row
        assert "None" not in default, row


def test_the_stages_of_the_page_load() -> None:
    [example] = [block for block in blocks(REFERENCE, "yaml") if block.startswith("stages:")]
    stages = json.dumps(yaml.safe_load(example)["stages"])
    solver = load_solver(ROOT / "configs" / "digits" / "solver.yaml", [f"stages={stages}"]).solver
    assert [stage.name for stage in solver.stages] == ["dense", "half", "all"]


def test_the_net_with_blocks_of_the_page_loads(tmp_path: Path) -> None:
    [example] = [block for block in blocks(REFERENCE, "yaml") if block.startswith("defaults:")]
    (tmp_path / "net.yaml").write_text(example, encoding="utf-8")
    names = [layer.name for layer in load_net(tmp_path / "net.yaml").layers]
    convolutions = [name for name in names if name.endswith("conv")]
    assert len(convolutions) == 8
    assert (convolutions[0], convolutions[-1]) == ("layer1/0/conv", "layer2/4/conv")


def test_the_sweep_of_the_page_is_one(tmp_path: Path) -> None:
    [example] = [block for block in blocks(REFERENCE, "yaml") if block.startswith("solver: ")]
    (tmp_path / "sweep.yaml").write_text(example, encoding="utf-8")
    sweep = load_sweep(tmp_path / "sweep.yaml")
    solver = load_solver(ROOT / sweep.solver)
    settings = settings_of(sweep, "net", list(weight_shapes(solver.solver.net)))
    counts = Counter(setting.method for setting in settings)
    assert counts == {"dense": 2, "l0": 12, "l1": 4, "shrink": 8, "pruned": 12}
    for setting in settings:
        made = setting.at(1.0) if setting.automatic else setting
        load_solver(ROOT / sweep.solver, made.overrides)


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced blocks of these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S)
    return [body for language, body in found if language in languages]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of console and sh blocks, without prompts, comments, and what is piped after."""
    for block in blocks(text, "console", "sh", "bash", "shell"):
        prompted = re.search(r"^\$ ", block, flags=re.M)
        for line in block.replace("\\\n", " ").splitlines():
            if prompted and not line.startswith("$ "):
                continue  # output
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            end = next((i for i, w in enumerate(words) if w in {"|", ">", "&&", ";"}), len(words))
            if words:
                yield words[:end]


COMMANDS = [
    pytest.param(words, id=f"{path.name}: {' '.join(words)}")
    for path in PAGES
    for words in commands(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_good(words: list[str]) -> None:
    program, *arguments = words
    if program == "sparsenet":
        check_command(arguments)
    elif program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for target in (a for a in arguments if "=" not in a):
            assert re.search(rf"^{target}:", makefile, flags=re.M), target
    elif program.startswith("python") and arguments[0].startswith("scripts/"):
        assert (ROOT / arguments[0]).is_file()


def check_command(arguments: list[str]) -> None:
    """Options and the number of arguments are right, and the shipped files it names are there."""
    if arguments[0].startswith("--"):
        assert arguments in (["--help"], ["--version"])
        return
    command = cli.get_command(click.Context(cli), arguments[0])
    assert command is not None, arguments[0]
    parser = command.make_parser(click.Context(command))
    values, left, _ = parser.parse_args(arguments[1:])
    assert left == []
    for parameter in command.params:
        if parameter.required:
            assert isinstance(values.get(parameter.name or ""), str | tuple), parameter.name
    for word in arguments:
        if word.startswith("configs/"):
            assert (ROOT / word).is_file(), word


@pytest.mark.parametrize(
    "words", [["train"], ["train", "a.yaml", "--nope"], ["memsize", "a", "b"], ["--nope"]]
)
def test_a_bad_command_would_be_found(words: list[str]) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        check_command(words)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in sections(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), target
        if anchor:
            assert anchor in anchors(other.read_text(encoding="utf-8")), target
