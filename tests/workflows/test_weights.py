"""What `--weights` starts from: any file of weights, told in a few lines, with the right mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sparsenet.caffe.wire import CaffeError
from sparsenet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sparsenet.config.read import write_yaml
from sparsenet.errors import ConfigError
from sparsenet.foreign.read import ForeignError
from sparsenet.progress import Quiet
from sparsenet.run_folder import RunFolder
from sparsenet.workflows.budget import Promise
from sparsenet.workflows.train import TrainOptions, dry_run, train
from sparsenet.workflows.weights import GivenWeights, load_weights, take_weights
from tests.caffe.files import blob, layer, write_hdf5, write_net
from tests.small import convolution, inner_product, net_data, parts

SHAPES = {"conv.weight": (4, 1, 3, 3), "conv.bias": (4,), "fc.weight": (10, 144), "fc.bias": (10,)}
MEAN = {"mean": "train", "scale": 0.0625}


def state() -> dict[str, Tensor]:
    """A state dict that fits the net of `solver`."""
    generator = torch.Generator().manual_seed(4)
    return {name: torch.rand(shape, generator=generator) for name, shape in SHAPES.items()}


def solver(
    folder: Path, head: str = "fc", outputs: int = 10, transform: Any = MEAN, **data: Any
) -> Path:
    """A solver file of one update that changes nothing."""
    layers = convolution("conv", 4), inner_product(head, outputs, top="scores")
    net = net_data(*layers, transform=transform, **data)
    path = folder / "solver.yaml"
    path.write_text(write_yaml({"net": net, "max_iter": 1, "base_lr": 1e-30, "display": 0}))
    return path


class Notes(Quiet):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def tuned(path: Path, weights: Path) -> tuple[Checkpoint, list[str]]:
    """The net that a run from `weights` ends with, and the first lines it showed."""
    display, folder = Notes(), RunFolder(path.parent / "run")
    train(path, TrainOptions(output=folder.path, weights=weights, overwrite=True), display)
    return load_checkpoint(folder.final), [note for note in display.notes if note[0] in "WM"]


@pytest.mark.parametrize("save", [torch.save, save_file])
def test_a_training_starts_from_a_file_of_others(
    save: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    save(state(), tmp_path / "state")
    final, notes = tuned(solver(tmp_path), tmp_path / "state")
    assert notes == ["Weights copied: conv, fc"]
    for name, tensor in state().items():
        torch.testing.assert_close(final.weights[name], tensor)
    shown: list[Promise] = []
    dry_run(solver(tmp_path), TrainOptions(weights=tmp_path / "state"), shown.append)
    assert [promise.memory.weights.params for promise in shown] == [36 + 1440]


def test_a_renamed_head_of_other_classes_is_left_fresh(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "state")
    with pytest.raises(ConfigError) as raised:
        tuned(solver(tmp_path, outputs=12), tmp_path / "state")
    assert str(raised.value).splitlines() == [
        f"{tmp_path / 'state'}: fc.weight: 10x144 in the checkpoint, 12x144 in the net",
        f"{tmp_path / 'state'}: fc.bias: 10 in the checkpoint, 12 in the net",
        f"{tmp_path / 'state'}: a layer that is renamed in the net is left fresh",
    ]
    assert not (tmp_path / "run").exists()
    final, notes = tuned(solver(tmp_path, "head", outputs=12), tmp_path / "state")
    assert notes == ["Weights copied: conv", "Weights fresh: head", "Weights unused: fc"]
    assert final.weights["head.weight"].shape == (12, 144)


def test_a_file_of_another_net_or_of_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    torch.save({"a.1.weight": torch.ones(2)}, path)
    with pytest.raises(ConfigError) as raised:
        tuned(solver(tmp_path), path)
    words = "no layer of its net is in this one: it has a/1, and the net conv, fc"
    assert str(raised.value) == f"{path}: {words}"
    no_data = solver(tmp_path, source="CIFAR10", root=str(tmp_path / "nowhere"), download=False)
    with pytest.raises(ConfigError, match="no layer of its net is in this one"):
        tuned(no_data, path)  # before the data are asked for
    path.write_bytes(b"GIF89a")
    with pytest.raises(ForeignError, match="not a sparsenet checkpoint, a torch state dict, a"):
        tuned(solver(tmp_path), path)
    assert not (tmp_path / "run").exists()


# The mean image


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A checkpoint of images 8x8 with a mean image like no other."""
    path = tmp_path / "trained.pt"
    config = {"net": {"layers": [{"name": "conv"}]}}
    mean = torch.arange(64.0).reshape(1, 8, 8)
    save_checkpoint(path, Checkpoint(config, iter=3, weights=state(), mean_image=mean))
    return path


def test_the_mean_image_of_a_checkpoint_goes_on_to_be_subtracted(
    trained: Path, tmp_path: Path
) -> None:
    for keys in (MEAN, MEAN | {"mirror": True}):
        final, notes = tuned(solver(tmp_path, transform=keys), trained)
        assert notes == ["Weights copied: conv, fc"]
        assert final.mean_image is not None
        assert torch.equal(final.mean_image, torch.arange(64.0).reshape(1, 8, 8))


def test_images_of_another_size_get_their_own_mean(trained: Path, tmp_path: Path) -> None:
    keys = MEAN | {"resize": 10}
    torch.save(state(), tmp_path / "state")
    own, _ = tuned(solver(tmp_path, "head", transform=keys), tmp_path / "state")
    final, notes = tuned(solver(tmp_path, "head", transform=keys), trained)
    assert notes == [
        "Weights copied: conv",
        "Weights fresh: head",
        "Weights unused: fc",
        f"Mean image computed anew: that of {trained} is 1x8x8, and the images are 1x10x10",
    ]
    assert final.mean_image is not None
    assert own.mean_image is not None
    assert torch.equal(final.mean_image, own.mean_image)
    assert final.mean_image.shape == (1, 10, 10)


def test_without_a_mean_image_none_is_missed(trained: Path, tmp_path: Path) -> None:
    final, notes = tuned(solver(tmp_path, "head", transform={"resize": 10}), trained)
    assert final.mean_image is None
    assert not any("Mean" in note for note in notes)


def test_sums_of_caffes_are_averages_in_a_net_that_has_these() -> None:
    net = parts(net_data({"name": "bn", "type": "BatchNormScale"}, inner_product("ip", 10))).net
    sums = {"mean": torch.tensor([3.0]), "variance": torch.tensor([5.0])}
    given = {f"bn.{name}": tensor for name, tensor in sums.items()}
    given["bn.factor"] = torch.tensor([4.0])
    [copied, *_] = take_weights(net, GivenWeights(Path("w"), given))
    assert copied == "Weights copied: bn"
    for name, tensor in sums.items():
        assert torch.equal(net.weights()[f"bn.{name}"], tensor / 4)


# Deep nets


def test_a_name_in_a_file_forges_no_line_and_steers_no_terminal() -> None:
    given = {"conv.weight": torch.ones(SHAPES["conv.weight"])}
    name = "\x1b[31mevil\nerror: fake.weight"
    net = parts(net_data(convolution("conv", 4), inner_product("fc", 10))).net
    [*_, told] = take_weights(net, GivenWeights(Path("w"), given | {name: torch.ones(1)}))
    assert told == r"Weights unused: \x1b[31mevil\nerror: fake"


def test_the_layers_of_a_deep_net_are_told_by_their_stages(tmp_path: Path) -> None:
    names = ["stem", *(f"layer{i}/{j}" for i in (1, 2) for j in range(15)), "fc"]
    net = parts(net_data(*(inner_product(name, 10) for name in names))).net
    weights = {name: tensor.clone() for name, tensor in net.weights().items()}
    given = GivenWeights(tmp_path, weights, net="ResNet")
    assert take_weights(net, given) == [
        "Weights are those of torchvision's ResNet",
        "Weights copied: stem, layer1/* (15 layers), layer2/* (15 layers), fc",
    ]
    for name in ("layer2/3", "layer2/4"):
        weights[f"old/{name}.weight"] = weights.pop(f"{name}.weight")
    weights["extra"] = weights.pop("fc.weight")
    assert take_weights(net, given)[1:] == [
        "Weights copied: stem, layer1/* (15 layers), layer2/* (15 layers), fc",
        "Weights fresh: layer2/3.weight, layer2/4.weight, fc.weight",
        "Weights unused: old/layer2/3, old/layer2/4, extra",
    ]
    few = {name: tensor for name, tensor in weights.items() if not name.startswith("layer2/1")}
    assert take_weights(net, GivenWeights(tmp_path, few))[0] == (
        "Weights copied: stem, layer1/* (15 layers), layer2/* (9 of 15 layers), fc"
    )


def test_a_checkpoint_is_told_from_a_state_dict_by_its_content(
    trained: Path, tmp_path: Path
) -> None:
    assert load_weights(trained).mean_image is not None
    renamed = tmp_path / "weights.pth"
    trained.rename(renamed)
    assert load_weights(renamed).weights.keys() == SHAPES.keys()
    torch.save({"format": "another", "weights": state()}, renamed)
    with pytest.raises(ForeignError, match="'format' is of type str"):
        load_weights(renamed)


def test_caffes_files_are_taken_by_layer_name(tmp_path: Path) -> None:
    held = state() | {"conv.weight": torch.zeros(4, 1, 3, 3)}
    conv, fc = ([held[f"{name}.weight"], held[f"{name}.bias"]] for name in ("conv", "fc"))
    binary, hdf5 = tmp_path / "net.caffemodel", tmp_path / "net.caffemodel.h5"
    write_hdf5(hdf5, {"conv": conv, "old": fc})
    write_net(
        binary,
        layer("conv", "Convolution", *map(blob, conv)),
        layer("old", "InnerProduct", *map(blob, fc)),
    )
    for path in (binary, hdf5):
        checkpoint, told = tuned(solver(tmp_path), path)
        assert torch.equal(checkpoint.weights["conv.bias"], held["conv.bias"])
        assert not torch.equal(checkpoint.weights["fc.bias"], held["fc.bias"])
        weights = [line for line in told if line.startswith("Weights")]
        assert weights == ["Weights copied: conv", "Weights fresh: fc", "Weights unused: old"]
    binary.write_bytes(binary.read_bytes()[:-9])
    with pytest.raises(CaffeError, match=r"net\.caffemodel: the file is cut off or damaged"):
        tuned(solver(tmp_path), binary)
