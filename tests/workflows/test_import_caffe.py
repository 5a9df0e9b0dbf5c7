"""`import-caffe`: the files it writes are the net and solver of Caffe's, or none are written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sparsenet.caffe.caffe_pb2 import NetParameter
from sparsenet.caffe.wire import CaffeError
from sparsenet.checkpoint import load_checkpoint
from sparsenet.config.load import load_net, load_solver
from sparsenet.config.net import NetConfig
from sparsenet.config.readers import Readers
from sparsenet.errors import ConfigError
from sparsenet.execution.load import load_packed
from sparsenet.progress import Quiet
from sparsenet.workflows.build import build_net
from sparsenet.workflows.import_caffe import import_caffe
from sparsenet.workflows.pack import PackOptions, pack_file
from sparsenet.workflows.stored import open_stored
from tests.caffe.files import blob, drawn, layer, write_net

DATA = """layer { name: "d" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 3 channels: 1 height: 6 width: 6 } }
"""
BODY = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'
INPUT = 'input: "data" input_shape { dim: 3 dim: 1 dim: 6 dim: 6 }\n'
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 7 momentum: 0.9\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.prototxt").write_text(f'name: "n"\n{DATA}{BODY}{LOSS}', encoding="utf-8")
    (tmp_path / "solver.prototxt").write_text(f"{SOLVER}gamma: 0.5\n", encoding="utf-8")
    return tmp_path


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_solver_becomes_two_files_that_load(folder: Path) -> None:
    done = import_caffe(folder / "solver.prototxt", folder / "out")
    assert written(folder / "out") == ["net.yaml", "solver.yaml"]
    solver = load_solver(folder / "out" / "solver.yaml").solver
    assert (solver.base_lr, solver.max_iter, solver.momentum) == (0.1, 7, 0.9)
    assert [it.name for it in solver.net.layers] == ["d", "conv", "relu", "ip", "loss"]
    assert done.net.parameters == 4 * 9 + 4 + 5 * 64 + 5
    words = "gamma: is not used by lr_policy fixed, only by step, exp, inv, multistep, sigmoid"
    assert done.left_out == [f"{folder / 'solver.prototxt'}:2: {words}"]
    assert done.text.endswith(f"next: sparsenet train {folder / 'out' / 'solver.yaml'}\n")


def test_a_net_is_a_net_file_whether_text_or_binary(folder: Path) -> None:
    import_caffe(folder / "net.prototxt", folder / "text")
    message = NetParameter()
    from google.protobuf import text_format

    text_format.Parse((folder / "net.prototxt").read_text(encoding="utf-8"), message)
    (folder / "binary.prototxt").write_bytes(message.SerializeToString())
    import_caffe(folder / "binary.prototxt", folder / "binary")
    assert written(folder / "text") == written(folder / "binary") == ["net.yaml"]
    nets = [load_net(folder / name / "net.yaml") for name in ("text", "binary")]
    assert nets[0] == nets[1]


@pytest.mark.parametrize("end", ["", 'layer { name: "p" type: "Softmax" bottom: "ip" top: "p" }'])
def test_a_deploy_net_can_be_packed_and_computes_its_scores(folder: Path, end: str) -> None:
    """With the weights of a caffemodel, as float64 computes them from their definition."""
    (folder / "deploy.prototxt").write_text(INPUT + BODY + end, encoding="utf-8")
    tensors = drawn(4, 1, 3, 3), drawn(4, seed=1), drawn(5, 64, seed=2), drawn(5, seed=3)
    blobs = [blob(tensor) for tensor in tensors]
    model = write_net(
        folder / "x.caffemodel",
        layer("conv", "Convolution", *blobs[:2]),
        layer("ip", "InnerProduct", *blobs[2:]),
    )
    done = import_caffe(folder / "deploy.prototxt", folder / "out", weights=model)
    assert written(folder / "out") == ["net.yaml", "weights.pt"]
    assert any("loss and accuracy of ip were added" in note for note in done.notes)
    checkpoint = folder / "out" / "weights.pt"
    assert torch.equal(load_checkpoint(checkpoint).weights["ip.weight"], tensors[2])

    images = drawn(3, 1, 6, 6, seed=4)
    wide = [tensor.double() for tensor in tensors]
    conv = torch.nn.functional.conv2d(images.double(), wide[0], wide[1]).relu()
    scores = conv.flatten(1) @ wide[2].T + wide[3]
    stored = open_stored(checkpoint, device="cpu")
    readers = Readers(stored.net.graphs["TEST"])
    assert readers.scores == ("p" if end else "ip")
    pack_file(checkpoint, PackOptions(folder / "x.packed", data=False), Quiet())
    packed = load_packed(folder / "x.packed")
    expected = scores.softmax(1) if end else scores
    torch.testing.assert_close(packed(images).double(), expected, rtol=1e-4, atol=1e-5)


def test_a_deploy_net_that_can_have_no_loss_is_one_problem_of_its_own_file(folder: Path) -> None:
    """The loss that is added is in no file of the user's; the other problems stay."""
    path = folder / "deploy.prototxt"
    map_of_scores = BODY[: BODY.index('layer { name: "ip"')]
    path.write_text(INPUT + map_of_scores, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        import_caffe(path, folder / "out")
    [problem] = raised.value.problems
    assert str(problem).startswith(f"{path}: no loss can be added to it")
    assert "16 labels" in problem.message
    wrong = map_of_scores.replace("kernel_size: 3", "kernel_size: 9")
    path.write_text(INPUT + wrong.replace('name: "conv"', 'name: "loss1"'), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        import_caffe(path, folder / "out")
    assert [problem.key for problem in raised.value.problems] == ["net.layers.loss1"]
    assert not (folder / "out").exists()


def test_a_net_of_which_only_a_test_has_data_is_for_every_phase(folder: Path) -> None:
    text = DATA.replace("memory_data_param", "include { phase: TEST } memory_data_param")
    (folder / "test.prototxt").write_text(text + BODY + LOSS, encoding="utf-8")
    import_caffe(folder / "test.prototxt", folder / "out")
    net = load_net(folder / "out" / "net.yaml")
    assert all(it.phase is None for it in net.layers)


def test_all_problems_are_told_at_once_by_caffes_lines_and_nothing_is_written(
    folder: Path,
) -> None:
    text = f"""{DATA}layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param {{
        num_output: 0
        kernel_size: 3 axis: 2 }} }}
    layer {{ name: "lrn" type: "LRN" bottom: "none" top: "lrn"
      lrn_param {{
        local_size: 4 }} }}
    layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool"
      pooling_param {{ pool: STOCHASTIC
        kernel_size: 3 pad: 3 }} }}
    {LOSS}"""
    (folder / "net.prototxt").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        import_caffe(folder / "solver.prototxt", folder / "out")
    said = [
        str(problem).removeprefix(f"{folder}/net.prototxt:") for problem in caught.value.problems
    ]
    assert [line.partition(" ")[0] for line in said] == ["5:", "6:", "9:", "11:"]
    assert "conv.convolution_param.axis: 2 is another axis" in said[1]
    assert "pool.pooling_param.pool: 'STOCHASTIC' is not possible here" in said[3]
    assert "net.layers.conv.num_output: 0 must be at least 1" in said[0]
    assert "net.layers.lrn.local_size: 4 must be odd" in said[2]
    assert written(folder / "out") == []


def test_files_that_are_there_are_kept_unless_they_may_be_replaced(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    (out / "net.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"net\.yaml exists: replace it by --overwrite"):
        import_caffe(folder / "solver.prototxt", out)
    assert written(out) == ["net.yaml"]
    assert (out / "net.yaml").read_text(encoding="utf-8") == "mine"
    import_caffe(folder / "solver.prototxt", out, overwrite=True)
    assert isinstance(load_net(out / "net.yaml"), NetConfig)


def test_weights_that_do_not_fit_leave_nothing_written(folder: Path) -> None:
    model = write_net(folder / "x.caffemodel", layer("ip", "InnerProduct", blob(drawn(5, 9))))
    with pytest.raises(ConfigError, match=r"ip\.weight: 5x9 in the checkpoint, 5x64 in the net"):
        import_caffe(folder / "solver.prototxt", folder / "out", weights=model)
    assert written(folder / "out") == []


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"PK\x03\x04zip", b"\xff" * 50])
def test_what_is_no_file_of_caffes_is_one_line(folder: Path, content: bytes) -> None:
    path = folder / "x.prototxt"
    path.write_bytes(content)
    with pytest.raises((ConfigError, CaffeError)) as caught:
        import_caffe(path, folder / "out")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_an_imported_net_trains(folder: Path) -> None:
    """In-place layers too: the gradient reaches the first layer."""
    import_caffe(folder / "net.prototxt", folder / "out")
    net = build_net(load_net(folder / "out" / "net.yaml"), 1, torch.device("cpu"))
    outputs = net(drawn(3, 1, 6, 6), torch.tensor([0, 1, 2]), "TRAIN")
    outputs.loss.backward()
    gradients = [blob.tensor.grad for blob in net.blobs]
    assert len(gradients) == 4
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
