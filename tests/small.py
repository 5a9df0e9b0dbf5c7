"""Small nets on the 8x8 digits, as plain data and as the live parts of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sparsenet.config.load import Configuration, from_data
from sparsenet.workflows.build import Parts, build

XAVIER = {"type": "xavier"}


def convolution(name: str, outputs: int, **keys: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "Convolution",
        "num_output": outputs,
        "kernel_size": 3,
        "weight_filler": XAVIER,
        **keys,
    }


def inner_product(name: str, outputs: int, **keys: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "InnerProduct",
        "num_output": outputs,
        "weight_filler": XAVIER,
        **keys,
    }


def write_solver(folder: Path, net: str, solver: str) -> Path:
    """The solver file of these texts in the folder, its net beside it."""
    (folder / "net.yaml").write_text(net)
    path = folder / "solver.yaml"
    path.write_text(solver)
    return path


def net_data(*layers: dict[str, Any], **data: Any) -> dict[str, Any]:
    """A net: its Data layer with the keys `data`, the layers, an accuracy and a loss."""
    top = layers[-1].get("top", layers[-1]["name"])
    source = {"name": "digits", "type": "Data", "source": "digits", "batch_size": 16}
    scaled = {"transform": {"scale": 0.0625}}
    return {
        "name": "small",
        "layers": [
            source | scaled | data,
            *layers,
            {"name": "accuracy", "type": "Accuracy", "bottom": [top, "label"], "phase": "TEST"},
            {"name": "loss", "type": "SoftmaxWithLoss", "bottom": [top, "label"]},
        ],
    }


def configured(net: dict[str, Any], **solver: Any) -> Configuration:
    """The checked configuration of a net and solver keys."""
    return from_data({"net": net, "max_iter": 10, "base_lr": 0.1, "display": 0, **solver}, "small")


def parts(net: dict[str, Any], **solver: Any) -> Parts:
    """The live parts of a run on the CPU."""
    return build(configured(net, **solver), torch.device("cpu"))
