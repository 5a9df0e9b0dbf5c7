"""Trials on an existing Ray cluster (the extra `sparsenet[ray]`)."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import secrets
import socket
import tempfile
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sparsenet.errors import ConfigError
from sparsenet.files import replacing, write_text
from sparsenet.study_folder import StudyFolder
from sparsenet.trials.board import Status
from sparsenet.trials.work import Order, Outcome, carry_out

_RETRIES = -1  # however often a machine is lost, its trials are carried out by another
_CONNECT_SECONDS = 10.0
_BROUGHT_BACK = ("config.yaml", "metrics.jsonl", "summary.json", "summary.txt", "final.pt")
_DATA = "SPARSENET_DATA"
_VERSION = importlib.metadata.version("sparsenet")
Files = dict[str, bytes]


class ClusterPool:
    """Carries out orders on the machines of a cluster, each with `threads` cores, `jobs` at a time.

    A machine that sees the study's folder works in it, so that a trial whose machine is lost goes
    on from its snapshots; any other works in a folder of its own, and what it made is brought back.
    With `--device cuda` each takes its share of a GPU, 1 / `jobs`.
    """

    def __init__(
        self, address: str, folder: StudyFolder, jobs: int | None, threads: int, device: str | None
    ) -> None:
        """Raises ConfigError where ray is not installed, or no cluster answers at the address."""
        self.slots = jobs
        self._ray = _connected(address)
        self._folder = folder
        self._token = secrets.token_hex(16)
        write_text(folder.token, self._token)
        gpus = 1 / (jobs or 1) if device is not None and device.startswith("cuda") else 0
        here = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=True
        )
        self._notes: Any = (
            self._ray.remote(_Notes).options(num_cpus=0, scheduling_strategy=here).remote()
        )
        self._task: Any = self._ray.remote(_carry_out).options(
            num_cpus=threads, num_gpus=gpus, max_retries=_RETRIES
        )
        self._threads = threads
        self._sent: dict[Path, Any] = {}

    def submit(self, order: Order) -> Future[Outcome]:
        """Carry out an order as soon as a machine is free."""
        needed = [path for path in (order.start, *order.members) if path is not None]
        whole = replace(
            order,
            folder=order.folder.resolve(),
            start=order.start and order.start.resolve(),
            members=tuple(path.resolve() for path in order.members),
        )
        site = _Site(
            self._folder.token.resolve(), self._token, self._threads, os.environ.get(_DATA)
        )
        sent = {str(path.resolve()): self._content(path) for path in needed}
        done: Future[Outcome] = Future()
        done.set_running_or_notify_cancel()
        answer = self._task.remote(whole, site, sent, self._notes)
        answer.future().add_done_callback(lambda found: _take(found, done, order.folder))
        return done

    def status(self, key: str) -> Status | None:
        """Where a trial stands, None where that is not known."""
        try:
            found: Status | None = self._ray.get(self._notes.read.remote(key), timeout=5)
        except self._ray.exceptions.RayError:
            return None
        return found

    def stop(self) -> None:
        """Ask all running trials to save what they have and stop."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.get(self._notes.stop.remote(), timeout=5)

    def close(self) -> None:
        """Leave the cluster, which ends what this command still runs on it."""
        self._ray.shutdown()
        self._folder.token.unlink(missing_ok=True)

    def _content(self, path: Path) -> Any:
        """A checkpoint in the cluster's store, put there once, for who does not see the file."""
        if path not in self._sent:
            self._sent[path] = self._ray.put(path.read_bytes())
        return self._sent[path]


def _connected(address: str) -> Any:
    try:
        import ray  # noqa: PLC0415  an extra
        import ray.util.scheduling_strategies  # noqa: PLC0415
    except ImportError:
        words = "needs Ray, which is not installed: pip install 'sparsenet[ray]'"
        raise ConfigError(f"--cluster {words}") from None
    _require_answer(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise ConfigError(f"--cluster {address}: no Ray cluster answers: {first}") from None
    return ray


def _require_answer(address: str) -> None:
    """Raise ConfigError where nothing listens at HOST:PORT: Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not colon or not host or not port.isdecimal():
        raise ConfigError(
            f"--cluster {address}: is not auto, nor HOST:PORT as of `ray start --head`"
        )
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--cluster {address}: no Ray cluster answers: {reason}") from None


def _take(found: Any, done: Future[Outcome], folder: Path) -> None:
    """Put the files of a trial into the study's folder and hand over its outcome."""
    try:
        outcome, files = found.result()
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with replacing(folder / name) as stream:
                stream.write(content)
    except Exception as error:  # whatever it is, who waits for the outcome is to have it
        done.set_exception(error)
    else:
        done.set_result(outcome)


class _Notes:
    """The board, as an actor of the cluster: how far trials are, and whether to stop."""

    def __init__(self) -> None:
        self._found: dict[str, Status] = {}
        self._stopping = False

    def report(self, key: str, status: Status | None) -> bool:
        """Note where a trial stands; whether it is to go on."""
        if status is None:
            self._found.pop(key, None)
        else:
            self._found[key] = status
        return not self._stopping

    def read(self, key: str) -> Status | None:
        """Where a trial stands."""
        return self._found.get(key)

    def stop(self) -> None:
        """From now on nobody is to go on."""
        self._stopping = True


class _NotesBoard:
    """The notes, for a trial."""

    def __init__(self, notes: Any) -> None:
        self.notes = notes

    def report(self, key: str, status: Status | None) -> bool:
        """Note where a trial stands; a report may be lost with the machine that has the notes."""
        import ray  # noqa: PLC0415  an extra

        try:
            return bool(ray.get(self.notes.report.remote(key, status), timeout=10))
        except ray.exceptions.RayError:
            return True


class _Site:
    """What a machine needs to know of the command's: its folder's token, and where its data are."""

    def __init__(self, token_file: Path, token: str, threads: int, data: str | None) -> None:
        self.token_file, self.token = token_file, token
        self.threads, self.data, self.version = threads, data, _VERSION

    @property
    def seen(self) -> bool:
        """Whether this machine sees the study's folder."""
        try:
            return self.token_file.read_text(encoding="utf-8") == self.token
        except (OSError, UnicodeDecodeError):
            return False


def _carry_out(
    order: Order, site: _Site, sent: dict[str, Any], notes: Any
) -> tuple[Outcome, Files]:
    """Carry out an order on this machine of the cluster; the files to be brought back."""
    if site.version != _VERSION:
        words = f"a machine has sparsenet {_VERSION}, the command {site.version}"
        return Outcome(error=f"--cluster: {words}", exit_code=ConfigError.exit_code), {}
    torch.set_num_threads(site.threads)
    if site.data is not None:
        os.environ.setdefault(_DATA, site.data)
    if site.seen:
        return carry_out(order, _NotesBoard(notes)), {}
    with tempfile.TemporaryDirectory(prefix="sparsenet-") as name:
        folder = Path(name)
        outcome = carry_out(_moved(order, sent, folder), _NotesBoard(notes))
        made = folder / "run"
        found = [made / file for file in _BROUGHT_BACK]
        return outcome, {path.name: path.read_bytes() for path in found if path.exists()}


def _moved(order: Order, sent: dict[str, Any], folder: Path) -> Order:
    """The order with the checkpoints it needs in a folder of this machine."""
    import ray  # noqa: PLC0415  an extra

    here = {}
    for place, (path, content) in enumerate(sent.items()):
        here[path] = folder / f"given-{place}.pt"
        here[path].write_bytes(ray.get(content))
    return replace(
        order,
        folder=folder / "run",
        start=order.start and here[str(order.start)],
        members=tuple(here[str(path)] for path in order.members),
    )
