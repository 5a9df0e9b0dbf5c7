"""A browser for the tests of a page that need a real one, and a page for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparsenet.workflows.report import write_report
from tests.report import chromium, samples
from tests.report.chromium import Chromium


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    program = chromium.found()
    if program is None:
        pytest.skip("there is no Chromium in PATH or $CHROME")
    browser = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(started: Chromium) -> Iterator[Chromium]:
    """The browser; whatever a test did, no page has asked for anything or complained."""
    started.size(1200, 900)
    started.medium()
    yield started
    assert started.requests() == [started.evaluate("location.href")]
    assert started.complaints() == []


@pytest.fixture(scope="session")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = samples.search(tmp_path_factory.mktemp("search"), 10)
    samples.figure(folder)
    return write_report(folder)
