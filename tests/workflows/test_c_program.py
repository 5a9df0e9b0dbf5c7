"""`export_c` of a checkpoint: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sparsenet.checkpoint import Checkpoint, save_checkpoint
from sparsenet.errors import ConfigError
from sparsenet.exports.inference import ExportError
from sparsenet.net import Net
from sparsenet.storage.encoded import Encoded, encode
from sparsenet.storage.values import values_of
from sparsenet.workflows.c_program import export_c
from sparsenet.workflows.stored import StoredNet, open_stored
from tests.program.sparse_nets import NEEDS_COMPILER
from tests.small import configured, convolution, inner_product, net_data


def stored(folder: Path, *, large: bool = False, classes: int = 10) -> StoredNet:
    """A small net of random weights, as a checkpoint that is opened again."""
    layers = net_data(convolution("conv1", 4), inner_product("ip", 10))
    configuration = configured(layers)
    weights = {
        "conv1.weight": torch.randn(4, 1, 3, 3),
        "conv1.bias": torch.randn(4),
        "ip.weight": torch.randn(10, 144) * (1e6 if large else 1),
        "ip.bias": torch.randn(10),
    }
    names = tuple(f"name {i}" for i in range(classes))
    checkpoint = Checkpoint(configuration.data, 5, weights, classes=names)
    path = folder / "model.pt"
    save_checkpoint(path, checkpoint)
    return open_stored(path, device="cpu")


def test_a_checkpoint_becomes_a_project(tmp_path: Path) -> None:
    project, proof = export_c(stored(tmp_path), tmp_path / "new" / "c")
    assert proof is None or 0 <= proof.difference <= 1e-4 * proof.scale
    names = ["Makefile", "main.c", "small.c", "small.h"]
    assert sorted(path.name for path in project.folder.iterdir()) == names
    assert '"name 7"' in (project.folder / "main.c").read_text()
    assert project.weights == 4 * (36 + 1440)
    text = (project.folder / "small.c").read_text()
    assert "ip: 1,440 nonzeros, 5,760 bytes (dense, float32)" in text


def test_other_values_take_less(tmp_path: Path) -> None:
    # Packed as int8 and taken back: the values that the program computes from.
    net = stored(tmp_path)
    for blob in net.net.blobs:
        if blob.is_weight:
            blob.tensor.data.copy_(encode(blob.tensor, values_of("int8")).decoded())
    project, _ = export_c(net, tmp_path / "c", values_of("int8"))
    assert project.weights == 36 + 1440 + 4 * (4 + 10)


def test_what_is_there_is_kept_unless_it_may_go(tmp_path: Path) -> None:
    net = stored(tmp_path)
    (tmp_path / "main.c").write_text("mine")
    with pytest.raises(ConfigError, match=r"has main\.c already: give --overwrite"):
        export_c(net, tmp_path)
    assert (tmp_path / "main.c").read_text() == "mine"
    assert not (tmp_path / "small.c").exists()
    export_c(net, tmp_path, overwrite=True)
    assert (tmp_path / "main.c").read_text() != "mine"


def test_names_of_other_classes_are_left_out(tmp_path: Path) -> None:
    project, _ = export_c(stored(tmp_path, classes=9), tmp_path / "c")
    assert "name 7" not in (project.folder / "main.c").read_text()


def test_a_weight_beyond_its_values_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^ip: float16: .* is beyond float16$"):
        export_c(stored(tmp_path, large=True), tmp_path / "c", values_of("float16"))
    assert not (tmp_path / "c").exists()


@NEEDS_COMPILER
def test_a_program_that_is_not_the_net_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = stored(tmp_path)
    monkeypatch.setattr(
        "sparsenet.workflows.c_program.packed_weights", lambda net, values: packed(net, 1.01)
    )
    with pytest.raises(ExportError, match="its scores differ by "):
        export_c(net, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def packed(net: Net, factor: float) -> dict[str, Encoded]:
    """Weights that are not quite the net's."""
    return {b.layer.name: encode(b.tensor.detach() * factor) for b in net.blobs if b.is_weight}


def test_without_a_compiler_there_is_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    _, proof = export_c(stored(tmp_path), tmp_path / "c")
    assert proof is None
    assert (tmp_path / "c" / "small.c").exists()
