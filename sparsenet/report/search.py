"""What the report of a search says, from study.json and front.csv."""

from __future__ import annotations

from collections.abc import Sequence

from sparsenet.report.html import element, text
from sparsenet.report.page import Fact, Report, Section, settings
from sparsenet.report.search_tables import candidates, counts, layers
from sparsenet.report.solver_line import regularization_line, solver_command
from sparsenet.report.tradeoff import Details, Kind, Network, details_data, tradeoff
from sparsenet.results.rows import Candidate, Study
from sparsenet.results.words import counted, kib, percent, whole, with_sign

_WITHIN = 0.01 + 1e-9
"""One point of accuracy, and what a sum of decimals may be off."""


def search_report(study: Study, front: Sequence[Candidate], folder: str) -> Report:
    """The report; `folder` is the study's, as its reader would name it. `front` has a row."""
    start, chosen = front[0], _chosen(front)
    networks = [_network(study, row, row is chosen, folder, row is start) for row in front]
    curve = [tradeoff(networks), element("p", text(_HOW), class_="small screen")]
    sections = [
        Section("curve", "Accuracy against memory", curve),
        Section("candidates", "Candidates", [candidates(front, chosen)]),
        Section("layers", "Layers", [layers(study, chosen or start), counts(study, front)]),
        Section("settings", "Settings", [settings({"solver": study.solver, **study.settings})]),
    ]
    data = {"networks": details_data(networks)}
    return Report(f"Search of {study.net}", _lead(front, chosen), _facts(front), sections, data)


_HOW = (
    "Point at a network to see what it is and how to have it again; a click keeps it shown. By "
    "keyboard: Tab, then the arrow keys; Escape closes."
)


def _chosen(front: Sequence[Candidate]) -> Candidate | None:
    """The smallest network within 1 point of the start on validation; the start is one itself."""
    least = front[0].val_accuracy
    if least is None:
        return None
    close = [row for row in front if (row.val_accuracy or 0) >= least - _WITHIN]
    return min(close, key=lambda row: (row.bytes or 0, -(row.val_accuracy or 0)))


def _lead(front: Sequence[Candidate], chosen: Candidate | None) -> list[str]:
    start, tried = front[0], front[1:]
    began = f"The search started from {_in_words(start)}."
    if not tried:
        return [f"No network has been tried yet. {began}"]
    taken = sum(row.accepted for row in tried)
    by = f" by the strategy {start.strategy}" if start.strategy else ""
    rounds = counted(max(row.round for row in front), "round")
    first = f"{counted(len(tried), 'network')} tried{by} in {rounds}, {taken:,} of them accepted"
    spoilt = sum(row.val_accuracy is None and row.test_accuracy is None for row in tried)
    first += f"; {spoilt:,} diverged." if spoilt else "."
    return [f"{first} {began}", _choice(start, chosen)]


def _choice(start: Candidate, chosen: Candidate | None) -> str:
    if chosen is None:
        return (
            "The start has no validation accuracy, so that no smaller network is held against it."
        )
    if chosen is start:
        return "No smaller network stayed within 1 point of it on validation."
    times = f"{(start.bytes or 0) / max(chosen.bytes or 0, 1):.1f} times smaller"
    found = f"The smallest network within 1 point of it on validation is {times}"
    return f"{found}: {_in_words(chosen)}."


def _in_words(row: Candidate) -> str:
    share = "" if row.density in (None, 1) else f" ({percent(row.density)} % of all)"
    size = f"{whole(row.nonzeros)} nonzero weights{share} in {kib(row.bytes)} KiB"
    measured = [
        f"{with_sign(share)} on {name}"
        for name, share in (("validation", row.val_accuracy), ("test", row.test_accuracy))
        if share is not None
    ]
    return ", ".join([size, " and ".join(measured)] if measured else [size])


def _facts(front: Sequence[Candidate]) -> list[Fact]:
    start, chosen = front[0], _chosen(front)
    facts = [_fact("Start", start)]
    if chosen is not None and chosen is not start:
        facts.append(_fact("Smallest within 1 point", chosen))
    path = [row for row in front if row.accepted]
    if path and path[-1] not in (start, chosen):
        facts.append(_fact("End of the accepted path", path[-1]))
    if (spent := front[-1].spent) is not None:
        facts.append(Fact("Updates trained", whole(spent), counted(len(front), "network")))
    return facts


def _fact(name: str, row: Candidate) -> Fact:
    if (share := row.test_accuracy) is not None:
        return Fact(name, f"{kib(row.bytes)} KiB", f"{with_sign(share)} on test")
    return Fact(name, f"{kib(row.bytes)} KiB", f"{with_sign(row.val_accuracy)} on validation")


def _network(study: Study, row: Candidate, chosen: bool, folder: str, first: bool) -> Network:
    kind: Kind = "start" if first else "accepted" if row.accepted else "rejected"
    title = "Start of the search" if first else f"Round {row.round}"
    if row.layer:
        title += f", {row.layer} cut"
    facts = [
        ("nonzeros", f"{whole(row.nonzeros)} ({percent(row.density)} %)"),
        ("memory", f"{kib(row.bytes)} KiB = {whole(row.bytes)} bytes"),
        ("validation", with_sign(row.val_accuracy)),
        ("test", with_sign(row.test_accuracy)),
        ("the search", {"start": "starts here"}.get(kind, kind)),
    ]
    copied = [("line of a solver file", regularization_line(row.t))]
    if row.bytes is not None:
        command = solver_command(study.solver, folder, row.bytes)
        copied.insert(0, ("command that writes its solver", command))
    details = Details(title, facts, copied)
    return Network(kind, row.bytes, row.val_accuracy, row.test_accuracy, details, chosen)
