"""`sparsenet memsize`: the memory of a model, or what a net or solver file promises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparsenet.config.constraints import declared_balls
from sparsenet.config.load import load_net, load_solver
from sparsenet.config.read import read_yaml
from sparsenet.errors import ConfigError
from sparsenet.packed.file import is_packed, read_packed
from sparsenet.regularization.schedule import Schedule
from sparsenet.storage.accounting import ModelMemory
from sparsenet.storage.values import FLOAT32
from sparsenet.workflows.build import counted_memory, promised_memory, schedule_of
from sparsenet.workflows.stored import open_stored


def memory_of(path: Path, overrides: Sequence[str] = ()) -> tuple[ModelMemory, str]:
    """The memory of a file, and how its nonzeros are known: `nonzeros` counted, or `t` declared.

    Raises ConfigError, CheckpointError or PackError.
    """
    if path.suffix not in (".yaml", ".yml"):
        if overrides:
            raise ConfigError("--set goes with a net or solver file, not with a checkpoint")
        values = read_packed(path).values if is_packed(path) else FLOAT32
        return counted_memory(open_stored(path, device="cpu").net, values), "nonzeros"
    if "net" in read_yaml(path).data:
        config = load_solver(path, overrides).solver
        return promised_memory(config.net, schedule_of(config).final_counts()), "t"
    net_config = load_net(path, overrides)
    counts = Schedule(declared_balls(net_config), ()).final_counts()
    return promised_memory(net_config, counts), "t"
