"""The processes that train together, as torch's launcher has started them.

`torchrun` says in the environment how many there are (WORLD_SIZE), which of them this one is
(RANK, LOCAL_RANK on its machine) and where they meet (MASTER_ADDR, MASTER_PORT). A process that was
started alone is rank 0 of 1, and nothing here then communicates.

Every process runs the same program, so all come to the same exchanges in the same order. What was
computed from files that only one may write is told to the others by `first`; what fails there
fails in all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import torch
from torch import Tensor
from torch import distributed as dist

from sparsenet.errors import ConfigError, SparsenetError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")

# A process that has died is noticed by its closed connections and by the launcher: until then
# there may be data to be downloaded or decoded, for which the others wait.
_PATIENCE = timedelta(hours=12)
_apart = False


class LostError(SparsenetError):
    """Another process of the run has ended, or cannot be reached."""


class _ElsewhereError(SparsenetError):
    """What went wrong in another process, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def launch() -> frozenset[str]:
    """Which start of torchrun's this is; empty without torchrun.

    A name for each machine's torchrun, which keeps it when it starts its processes again: one of
    them is enough to know a launch by, though another machine has been replaced meanwhile.
    """
    # It makes a folder of a new name: LAUNCH/attempt_0/0/error.json. TORCHELASTIC_RUN_ID may have
    # been given to an earlier launch too, and TORCHELASTIC_RESTART_COUNT is not raised where
    # another machine lost the process.
    log = os.environ.get("TORCHELASTIC_ERROR_FILE")
    own = Path(log).parents[2].name if log and len(Path(log).parents) > 2 else None
    return frozenset(name for name in gathered(own) if name)


def join() -> Store:
    """Meet the other processes, by gloo for tensors on a CPU and nccl for those on a GPU.

    Returns what they all can read and write. Raises ConfigError where the environment is not whole.
    """
    # Not every build of torch has them, and a single process does without.
    from torch.distributed.distributed_c10d import PrefixStore  # noqa: PLC0415
    from torch.distributed.rendezvous import rendezvous  # noqa: PLC0415

    on_gpus = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        store: Store
        store, rank_, size_ = next(rendezvous("env://", timeout=_PATIENCE))
        store = PrefixStore(_round(store, rank_, size_), store)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpus else "gloo",
            store=PrefixStore("group", store),
            rank=rank_,
            world_size=size_,
            timeout=_PATIENCE,
        )
    except ValueError as error:
        words = "several processes are started by torchrun, which sets RANK, WORLD_SIZE and where"
        raise ConfigError(f"{words} they meet: {error}") from None
    except RuntimeError as error:
        raise LostError(f"the other processes cannot be met: {_first_line(error)}") from None
    return store


def _round(store: Store, rank_: int, size_: int) -> str:
    """A name that the processes of this start agree on, and none before has used.

    torchrun's store outlives them, with what they wrote to it: after a restart the addresses of
    the dead are still there. So what rank 0 answers to is a question that nobody asked before.
    """
    if rank_ > 0:
        question = uuid4().hex
        store.set(f"asks {rank_}", question)
        name = store.get(f"answer to {question}").decode()
        store.set(f"{name} known to {rank_}", "")
        return name
    name = uuid4().hex
    for other in range(1, size_):
        while not store.check([f"{name} known to {other}"]):
            question = store.get(f"asks {other}").decode()  # of a process before, as it may be
            store.set(f"answer to {question}", name)
            time.sleep(0.02)
    return name


def leave() -> None:
    """Part when all have come here."""
    with _talking():
        dist.barrier()
    dist.destroy_process_group()


def size() -> int:
    """How many processes train together."""
    together = dist.is_available() and dist.is_initialized() and not _apart
    return dist.get_world_size() if together else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if size() > 1 else 0


def on_machine() -> tuple[int, int]:
    """Which of the processes on this machine this one is, from 0, and how many they are."""
    if size() == 1:
        return 0, 1
    local = int(os.environ.get("LOCAL_RANK", rank()))
    return local, int(os.environ.get("LOCAL_WORLD_SIZE", size()))


@contextmanager
def apart() -> Iterator[None]:
    """In the block this process computes for itself: it is rank 0 of 1."""
    global _apart  # noqa: PLW0603  as the process group is, of which it hides the others
    before, _apart = _apart, True
    try:
        yield
    finally:
        _apart = before


def sum_(tensor: Tensor) -> Tensor:
    """Replace a tensor by its sum over the processes: the same bits in each. Returns it."""
    if size() > 1:
        with _talking():
            dist.all_reduce(tensor)
    return tensor


class _Summed(torch.autograd.Function):
    """The sum over the processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return sum_(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return sum_(gradients[0].clone(memory_format=torch.contiguous_format))


def summed(tensor: Tensor) -> Tensor:
    """The sum of each process's tensor, through which gradients flow back into all of them."""
    if size() == 1:
        return tensor
    result: Tensor = _Summed.apply(tensor)
    return result


def gathered(value: T) -> list[T]:
    """What each process has, plain data, by rank."""
    if size() == 1:
        return [value]
    values: list[Any] = [None] * size()
    with _talking():
        dist.all_gather_object(values, value)
    return values


def first(function: Callable[[], T]) -> T:
    """What the function returns in rank 0, which alone calls it; what it raises there, all raise.

    The result is copied, tensors included, so the others need not see the files it came from.
    """
    if size() == 1:
        return function()
    told: list[Any] = [_attempt(function) if rank() == 0 else None]
    with _talking():
        dist.broadcast_object_list(told)
    result, failure = told[0]
    if failure:
        raise _ElsewhereError(*failure)
    return result  # type: ignore[no-any-return]


def in_turn(function: Callable[[], T]) -> T:
    """Call a function in one process of each machine, then in the others, that find its files.

    What it raises in one of them, all raise.
    """
    if size() == 1:
        return function()
    result: Any = None
    for leading in (True, False):
        failure = None
        if (on_machine()[0] == 0) is leading:
            result, failure = _attempt(function)
        for failed in filter(None, gathered(failure)):
            raise _ElsewhereError(*failed)
    return result  # type: ignore[no-any-return]


def _attempt(function: Callable[[], T]) -> tuple[T | None, tuple[str, int] | None]:
    """What a function returns, or the words and exit code of the error that it raises."""
    try:
        return function(), None
    except SparsenetError as error:
        return None, (str(error), error.exit_code)


@contextmanager
def _talking() -> Iterator[None]:
    """Put into words that another process does not answer any more."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        words = "another process of this run has ended, or cannot be reached"
        raise LostError(f"{words}: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
