"""The written C project: its warnings, its sizes, its scores on real images, its main."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsenet.config.net import NetConfig
from sparsenet.data.decoding import decode
from sparsenet.data.memory import InMemory
from sparsenet.data.sources import load_source
from sparsenet.net import Net
from sparsenet.program.plan import plan
from sparsenet.program.preparing import preparing
from sparsenet.program.writing import Project, write_project
from sparsenet.storage.formats import FORMATS
from tests.program.sparse_nets import (
    NEEDS_COMPILER,
    Floats,
    pack,
    shipped,
    small,
    sparse_net,
    torch_scores,
)
from tests.program.test_layers import NETS
from tests.small import convolution, inner_product

pytestmark = NEEDS_COMPILER
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wdouble-promotion"]
SANITIZED = [*STRICT, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
DATA = os.environ.get("SPARSENET_DATA")
NEEDS_DATA = pytest.mark.skipif(not DATA, reason="SPARSENET_DATA names no folder of data")
COUNT = 200


def build(project: Project, flags: Sequence[str], name: str = "program") -> Path:
    made = project.folder / name
    sources = [str(project.folder / f"{project.name}.c")]
    sources += [] if "-shared" in flags else [str(project.folder / "main.c")]
    command = [os.environ.get("CC", "cc"), *flags, "-o", str(made), *sources, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return made


def mean_image_for(net: Net) -> Tensor | None:
    data = net.graphs["TEST"].data
    generator = torch.Generator().manual_seed(2)
    mean = torch.rand(data.mean_shape, generator=generator) * 255
    return mean if data.transform.mean else None


def written(
    net: Net, folder: Path, mean: Tensor | None = None, title: str | None = None, **packing: str
) -> Project:
    prepare = preparing(net.graphs["TEST"].data, mean)
    program = plan(net, pack(net, **packing))
    return write_project(program, prepare, folder, title or net.config.name)


class Library:
    """The project's own functions."""

    def __init__(self, project: Project) -> None:
        path = build(project, [*STRICT, "-Os", "-shared", "-fPIC"], "program.so")
        library = ctypes.CDLL(str(path))
        self._prepare, self._run = (library[f"{project.name}_{one}"] for one in ("prepare", "run"))

    def __call__(self, pixels: NDArray[np.uint8], scores: int) -> tuple[Floats, Floats, int]:
        """The prepared image of pixels (C, H, W), its scores, and the class."""
        together = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        image = np.empty(pixels.size, np.float32)
        found = np.empty(scores, np.float32)
        self._prepare(*(ctypes.c_void_p(a.ctypes.data) for a in (together, image)))
        best = self._run(*(ctypes.c_void_p(a.ctypes.data) for a in (image, found)))
        return image, found, best


def images_of(config: NetConfig, source: str) -> Tensor:
    """200 test images, at the size that the net's transform gives them."""
    layer = next(one for one in config.layers if one.type == "Data")
    if source == "cifar10":
        folders = sorted((Path(str(DATA)) / "cifar10" / "test").iterdir())
        files = [file for folder in folders for file in sorted(folder.iterdir())[:20]]
        return torch.stack([decode(file, True) for file in files])
    raw = load_source(source, None, train=False, download=False)
    return layer.transform.resized(raw.images[:COUNT])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "density", "blob", "source"),
    [
        ("digits/net.yaml", 0.05, "ip2", "digits"),
        pytest.param("mnist/nets/lenet.yaml", 0.05, "ip2", "MNIST", marks=NEEDS_DATA),
        pytest.param("mnist/nets/lenet-300-100.yaml", 0.02, "ip3", "MNIST", marks=NEEDS_DATA),
        pytest.param("cifar10/nets/quick.yaml", 0.1, "ip2", "cifar10", marks=NEEDS_DATA),
    ],
)
@pytest.mark.parametrize("values", ["float32", "int8", "shared:16"])
def test_scores_of_real_images_are_those_of_torch(
    path: str, density: float, blob: str, source: str, values: str, tmp_path: Path
) -> None:
    net = sparse_net(shipped(path), density)
    pixels = images_of(net.config, source)
    assert len(pixels) == COUNT
    mean = mean_image_for(net)
    library = Library(written(net, tmp_path, mean, values=values))
    data = net.graphs["TEST"].data
    labels = torch.zeros(COUNT, dtype=torch.int64)
    batches = InMemory(pixels, labels, COUNT, None, transform=data.transform, mean_image=mean)
    [(images, _)] = batches.sweep()
    expected = torch_scores(net, images.numpy(), blob)
    for one, image, scores in zip(pixels.numpy(), images.numpy(), expected, strict=True):
        prepared, found, best = library(one, 10)
        assert np.array_equal(prepared, image.reshape(-1))
        assert np.abs(found - scores).max() < 1e-4 * max(1, np.abs(expected).max())
        assert found[best] == found.max()


CROPPED = {
    "resize": [8, 8],
    "crop_size": 5,
    "mean_value": 30.5,
    "std": 3.0,
    "scale": 0.5,
}


@pytest.mark.parametrize("transform", [CROPPED, {"crop_size": 6, "mean": "train"}, {}])
def test_the_centre_is_prepared_as_by_the_data_layer(
    transform: dict[str, object], tmp_path: Path
) -> None:
    net = sparse_net(small(inner_product("ip", 10), transform=transform), 0.5)
    data, mean = net.graphs["TEST"].data, mean_image_for(net)
    pixels = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8)
    labels = torch.zeros(3, dtype=torch.int64)
    batches = InMemory(pixels, labels, 3, None, transform=data.transform, mean_image=mean)
    [(images, _)] = batches.sweep()
    library = Library(written(net, tmp_path, mean))
    for one, image in zip(pixels.numpy(), images.numpy(), strict=True):
        assert np.array_equal(library(one, 10)[0][: image.size], image.reshape(-1))


def ppm(path: Path, pixels: NDArray[np.uint8]) -> Path:
    return pgm(path, pixels, "P6\n{} {}\n255\n")


@pytest.mark.parametrize("source", ["ImageFolder", "lmdb"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_picture_gets_the_order_of_colours_that_the_net_sees(
    source: str, order: str, tmp_path: Path
) -> None:
    shape = {"shape": [3, 8, 8], "folder": "set"} if source == "lmdb" else {}
    keys = {"source": source, "color_order": order, "transform": {"resize": [8, 8]}, **shape}
    net = sparse_net(small(inner_product("ip", 10), **keys), 0.5)
    project = written(net, tmp_path)
    header = (tmp_path / f"{project.name}.h").read_text()
    assert f"together, {'blue' if order == 'BGR' else 'red'} first. */" in header
    picture = np.random.default_rng(0).integers(256, size=(8, 8, 3), dtype=np.uint8)
    seen = picture[..., ::-1] if order == "BGR" else picture
    image = np.ascontiguousarray(seen.transpose(2, 0, 1), np.float32)
    [scores] = torch_scores(net, image[None], "ip")
    code, out, err = run(build(project, SANITIZED), ppm(tmp_path / "a.ppm", picture))
    assert (code, err) == (0, "")
    found, score = out.split()
    assert int(found) == int(scores.argmax())
    assert float(score) == pytest.approx(float(scores.max()), rel=1e-4)


def pgm(path: Path, pixels: NDArray[np.uint8], header: str = "P5\n# made\n{} {}\n255\n") -> Path:
    path.write_bytes(header.format(pixels.shape[1], pixels.shape[0]).encode() + pixels.tobytes())
    return path


def run(program: Path, *arguments: Path) -> tuple[int, str, str]:
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("flags", [SANITIZED, [*SANITIZED, "-DLANES=1"]])
@pytest.mark.parametrize("kind", FORMATS)
def test_sanitizers_find_nothing(flags: list[str], kind: str, tmp_path: Path) -> None:
    relu = {"name": "relu", "type": "ReLU"}
    layers = (convolution("c1", 6, pad=1), relu, convolution("c2", 7), inner_product("ip", 10))
    net = sparse_net(small(*layers), 0.3)
    project = written(net, tmp_path, kind=kind, values="int8")
    image = pgm(tmp_path / "a.pgm", np.full((8, 8), 7, np.uint8))
    code, out, err = run(build(project, flags), image, image)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("name", NETS)
def test_every_layer_is_clean_under_warnings_and_sanitizers(name: str, tmp_path: Path) -> None:
    net = sparse_net(small(*NETS[name]), 0.5)
    image = pgm(tmp_path / "a.pgm", np.arange(64, dtype=np.uint8).reshape(8, 8))
    code, _, err = run(build(written(net, tmp_path), SANITIZED), image)
    assert (code, err) == (0, "")


@pytest.mark.skipif(not shutil.which("clang"), reason="there is no clang")
@pytest.mark.parametrize("name", NETS)
def test_every_layer_is_clean_under_the_warnings_of_clang_too(name: str, tmp_path: Path) -> None:
    written(sparse_net(small(*NETS[name]), 0.5), tmp_path)
    sources = sorted(map(str, tmp_path.glob("*.c")))
    command = ["clang", *STRICT, "-fsyntax-only", *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_makefile_builds_and_main_prints_the_class(tmp_path: Path) -> None:
    if not shutil.which("make"):
        pytest.skip("there is no make")
    net = sparse_net(small(inner_product("ip", 10)), 0.5)
    prepare = preparing(net.graphs["TEST"].data, None)
    names = ['a "b"', "*/ ??/", "ä\n", *"defghij"]
    project = write_project(plan(net, pack(net)), prepare, tmp_path, "8 nets /* in */ one", names)
    assert project.name == "net_8_nets_in_one"
    done = subprocess.run(["make", "-C", str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    pixels = np.random.default_rng(0).integers(256, size=(8, 8), dtype=np.uint8)
    image = torch.from_numpy(pixels).float() * 0.0625
    [scores] = torch_scores(net, image.reshape(1, 1, 8, 8).numpy(), "ip")
    best = int(scores.argmax())
    code, out, _ = run(tmp_path / project.name, pgm(tmp_path / "a.pgm", pixels))
    assert code == 0
    found, *_, score = out.split(" ")
    assert int(found) == best
    assert float(score) == pytest.approx(scores[best], rel=1e-4)
    assert names[best] in out


def test_a_wrong_image_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    program = build(written(sparse_net(small(inner_product("ip", 10)), 0.5), tmp_path), SANITIZED)
    pixels = np.zeros((8, 8), np.uint8)
    wrong = {
        "is no binary PGM (P5)": pgm(tmp_path / "1", pixels, "P6\n{} {}\n255\n"),
        "has a damaged header": pgm(tmp_path / "2", pixels, "P5\n{} x{}\n255\n"),
        "is of another size than the net's images": pgm(tmp_path / "3", pixels[:7]),
        "has pixels of another range than 0 to 255": pgm(tmp_path / "4", pixels, "P5 {} {} 9\n"),
        "ends before its last pixel": pgm(tmp_path / "5", pixels[:7], "P5 8 8 255\n"),
        "cannot be opened": tmp_path / "absent",
    }
    for words, path in wrong.items():
        assert run(program, path) == (2, "", f"error: {path}: {words}\n")
    (tmp_path / "6").write_bytes(b"P5 # no end")
    assert run(program, tmp_path / "6")[0] == 2
    code, out, err = run(program)
    assert (code, out) == (2, "")
    assert err.startswith("usage: ")


def test_lenet_at_5_percent_takes_less_than_110_kib_and_says_what(tmp_path: Path) -> None:
    if not shutil.which("size"):
        pytest.skip("there is no size of binutils")
    net = sparse_net(shipped("mnist/nets/lenet.yaml"), 0.05)
    project = written(net, tmp_path)
    build(project, [*STRICT, "-Os", "-shared", "-fPIC"])
    flags = [*STRICT, "-Os", "-c"]
    made = tmp_path / "lenet.o"
    command = ["cc", *flags, "-o", str(made), str(tmp_path / "lenet.c")]
    subprocess.run(command, check=True, cwd=tmp_path)
    done = subprocess.run(["size", "-A", str(made)], capture_output=True, text=True, check=True)
    sections = dict(re.findall(r"^(\.\S+) +(\d+)", done.stdout, re.MULTILINE))
    constant = sum(int(size) for name, size in sections.items() if ".ro" in name)
    assert constant < 110 * 1024
    assert project.weights + project.numbers <= constant < project.weights + project.numbers + 2048
    assert int(sections[".bss"]) == project.ram == 15_104
    text = (tmp_path / "lenet.c").read_text()
    assert f"RAM: {project.ram:,} bytes" in text
    assert f"Weights, packed: {project.weights:,} bytes" in text
