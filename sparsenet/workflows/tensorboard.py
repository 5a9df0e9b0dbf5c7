"""Event files for TensorBoard, an extra: `pip install sparsenet[tensorboard]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsenet.errors import ConfigError


def require_tensorboard() -> None:
    """Raise ConfigError where the extra is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401, PLC0415  the extra is optional
    except ImportError:
        message = "--tensorboard needs its extra: pip install 'sparsenet[tensorboard]'"
        raise ConfigError(message) from None


class EventFiles:
    """Writes the scalars of metrics.jsonl as event files."""

    def __init__(self, path: Path, purge_step: int) -> None:
        """Open the event files; those from `purge_step` on are replaced. Raises ConfigError."""
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

        self._writer: Any = SummaryWriter(str(path), purge_step=purge_step or None)

    def displayed(self, line: dict[str, Any]) -> None:
        """Loss and learning rate."""
        self._writer.add_scalar("train/loss", line["loss"], line["iter"])
        self._writer.add_scalar("train/lr", line["lr"], line["iter"])

    def tested(self, line: dict[str, Any]) -> None:
        """Every score of a test, and the nonzeros of each layer."""
        for name, value in line["outputs"].items():
            self._writer.add_scalar(f"{line['phase'].lower()}/{name}", value, line["iter"])
        for name, count in line["nonzeros"].items():
            self._writer.add_scalar(f"nonzeros/{name}", count, line["iter"])

    def close(self) -> None:
        """Write what is still buffered."""
        self._writer.close()
