"""Writes docs/configuration.md from the records, with the digits files as its examples."""

from pathlib import Path

from sparsenet.config.reference import configuration_page

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "configs" / "digits"
PAGE = ROOT / "docs" / "configuration.md"


def page() -> str:
    solver, net = (EXAMPLE / name for name in ("solver.yaml", "net.yaml"))
    return configuration_page(solver.read_text("utf-8"), net.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
