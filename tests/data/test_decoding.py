"""Any image file becomes the same three or one channels of bytes, or one line that names it."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sparsenet.data import decoding
from sparsenet.data.decoding import decode
from sparsenet.data.raw import DataError

HEIGHT, WIDTH = 30, 40
COLOURS = torch.tensor([1.0, 0.6, 0.3])[:, None, None]
# Smooth, so that what JPEG loses is small.
ROWS = torch.linspace(0, 60, HEIGHT)[:, None]
PIXELS = ((torch.linspace(0, 190, WIDTH) + ROWS) * COLOURS).round().byte()
PICTURE = Image.fromarray(PIXELS.permute(1, 2, 0).numpy())


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def distance(one: torch.Tensor, other: torch.Tensor) -> int:
    return int((one.int() - other.int()).abs().max())


def luminance(pixels: torch.Tensor) -> torch.Tensor:
    """ITU-R 601, as JPEG and Pillow have it."""
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    return (pixels * weights).sum(0, keepdim=True)


@pytest.mark.parametrize(
    ("name", "mode", "options", "tolerance"),
    [
        ("a.jpg", "RGB", {"quality": 95}, 8),
        ("progressive.jpg", "RGB", {"quality": 95, "progressive": True}, 8),
        ("cmyk.jpg", "CMYK", {"quality": 95}, 8),
        ("a.png", "RGB", {}, 0),
        ("alpha.png", "RGBA", {}, 0),
        ("a.bmp", "RGB", {}, 0),
        ("a.ppm", "RGB", {}, 0),
        ("a.tif", "RGB", {}, 0),
        ("a.webp", "RGB", {"lossless": True}, 0),
    ],
)
def test_colour_files(
    name: str, mode: str, options: dict[str, Any], tolerance: int, tmp_path: Path
) -> None:
    path = saved(tmp_path / name, PICTURE.convert(mode), **options)
    colour, grey = decode(path, True), decode(path, False)
    assert (colour.dtype, colour.shape) == (torch.uint8, (3, HEIGHT, WIDTH))
    assert (grey.dtype, grey.shape) == (torch.uint8, (1, HEIGHT, WIDTH))
    assert distance(colour, PIXELS) <= tolerance
    assert distance(grey, luminance(PIXELS)) <= max(tolerance // 2, 1)
    assert colour.is_contiguous()
    assert grey.is_contiguous()


@pytest.mark.parametrize(("name", "tolerance"), [("a.jpg", 3), ("a.png", 0), ("a.pgm", 0)])
def test_grey_files(name: str, tolerance: int, tmp_path: Path) -> None:
    path = saved(tmp_path / name, Image.fromarray(PIXELS[0].numpy()))
    assert distance(decode(path, False), PIXELS[:1]) <= tolerance
    colour = decode(path, True)
    assert torch.equal(colour, decode(path, False).expand(3, -1, -1))


@pytest.mark.parametrize("transparency", [None, 3, b"\x00\x80"])
def test_a_palette(transparency: int | bytes | None, tmp_path: Path) -> None:
    image = PICTURE.quantize(16)
    options = {} if transparency is None else {"transparency": transparency}
    path = saved(tmp_path / "a.png", image, **options)
    expected = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
    assert torch.equal(decode(path, True), expected)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_of_sixteen_bits_the_upper_eight_are_kept(name: str, tmp_path: Path) -> None:
    wide = (PIXELS[0].numpy().astype(np.uint16) << 8) | 0xAB
    path = saved(tmp_path / name, Image.fromarray(wide))
    assert torch.equal(decode(path, False), PIXELS[:1])
    assert torch.equal(decode(path, True), PIXELS[:1].expand(3, -1, -1))


def test_of_twelve_bits_the_upper_eight_are_kept(tmp_path: Path) -> None:
    # Two pixels of a TIFF that holds nothing but what it must.
    width, height, bits, inverted, strip, rows, count = 256, 257, 258, 262, 273, 278, 279
    tags = {width: 2, height: 1, bits: 12, inverted: 1, strip: 100, rows: 1, count: 3}
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries
    path = tmp_path / "a.tif"
    path.write_bytes(head.ljust(100, b"\0") + bytes.fromhex("AB1CD2"))
    assert decode(path, False).tolist() == [[[0xAB, 0xCD]]]


def test_the_content_tells_what_it_is_and_not_the_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", PICTURE, format="PNG")
    assert torch.equal(decode(path, True), PIXELS)


@pytest.mark.parametrize(
    ("resize", "shape"),
    [
        ((HEIGHT, WIDTH), (HEIGHT, WIDTH)),
        (HEIGHT, (HEIGHT, WIDTH)),
        ((8, 9), (8, 9)),
        (17, (17, 22)),
        ((60, 50), (60, 50)),
    ],
)
def test_resizing(resize: int | tuple[int, int], shape: tuple[int, int], tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", PICTURE)
    image = decode(path, True, resize)
    assert image.dtype == torch.uint8
    assert tuple(image.shape[1:]) == shape
    expected = torch.nn.functional.interpolate(
        PIXELS[None].float(), shape, mode="bilinear", antialias=True
    )
    assert distance(image, expected[0].round()) <= 1
    if shape == (HEIGHT, WIDTH):
        assert torch.equal(image, PIXELS)


def test_the_shorter_side_of_a_tall_image(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", PICTURE.transpose(Image.Transpose.ROTATE_90))
    assert decode(path, False, 17).shape == (1, 22, 17)


def bytes_of(kind: str) -> bytes:
    stream = io.BytesIO()
    PICTURE.save(stream, kind)
    return stream.getvalue()


def fault(path: Path, content: bytes, resize: int | None = None) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        decode(path, True, resize)
    named, _, words = str(caught.value).partition(": ")
    assert named == str(path)
    assert "\n" not in words
    return words


JPEG, PNG, GIF = bytes_of("JPEG"), bytes_of("PNG"), bytes_of("GIF")
NO_IMAGE = "not a JPEG, PNG, BMP, PPM, TIFF or WEBP image"


def claiming(content: bytes, at: int, layout: str, width: int, height: int) -> bytes:
    """An image whose header says that it is of another size."""
    return (
        content[:at] + struct.pack(layout, height, width) + content[at + struct.calcsize(layout) :]
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"no image at all, but text\n" * 9, NO_IMAGE),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", NO_IMAGE),
        (GIF, NO_IMAGE),
        (JPEG[: len(JPEG) // 2], "not a whole image: Image is incomplete or truncated"),
        (JPEG[:-2], "not a whole image: Image is incomplete or truncated"),
        (JPEG[:12], "not a whole image: Truncated File Read"),
        (PNG[: len(PNG) // 2], "not a whole image: image file is truncated"),
        (
            claiming(JPEG, JPEG.index(b"\xff\xc0") + 5, ">HH", 65535, 65535),
            "65535x65535 pixels are more than the limit of 89,478,485",
        ),
    ],
)
def test_what_is_no_image(content: bytes, expected: str, tmp_path: Path) -> None:
    assert fault(tmp_path / "a.jpg", content) == expected


def test_a_damaged_png_does_not_end_the_process(tmp_path: Path) -> None:
    damaged = bytearray(PNG)
    damaged[PNG.index(b"IDAT") + 40] ^= 0xFF
    assert fault(tmp_path / "a.png", bytes(damaged)).startswith("not a whole image: ")


def test_a_huge_image_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1199)
    assert fault(tmp_path / "a.png", PNG) == "40x30 pixels are more than the limit of 1,199"
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1200)
    words = fault(tmp_path / "a.png", PNG, resize=40)
    assert words == "53x40 pixels are more than the limit of 1,200"
    words = fault(tmp_path / "a.bmp", claiming(bytes_of("BMP"), 18, "<II", 60_000, 60_000))
    assert words == "its pixels are more than the limit of 1,200"


def test_a_huge_image_is_told_of_in_one_line_alone(tmp_path: Path) -> None:
    # In a process of its own: pytest makes errors of warnings.
    path = tmp_path / "a.bmp"
    path.write_bytes(claiming(bytes_of("BMP"), 18, "<II", 10_000, 10_000))
    program = "import sys; from pathlib import Path; from sparsenet.data.decoding import decode\n"
    program += "try: decode(Path(sys.argv[1]), True)\nexcept Exception as error: print(error)"
    command = [sys.executable, "-c", program, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    words = "10000x10000 pixels are more than the limit of 89,478,485"
    assert (said.stdout, said.stderr) == (f"{path}: {words}\n", "")


def test_numbers_that_are_no_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.ones((4, 4), dtype=np.float32)))
    assert fault(path, path.read_bytes()) == "its pixels are floating-point numbers"
    for value in (200, 60_000, 70_000, -1):
        path = saved(tmp_path / "a.tif", Image.fromarray(np.full((4, 4), value, dtype=np.int32)))
        words = "its pixels are signed or of 32 bits: save them as unsigned 8 or 16"
        assert fault(path, path.read_bytes()) == words


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.jpg", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(DataError, match=f"{path}: cannot be read: {why}"):
            decode(path, True)


def test_memory_that_runs_out_is_no_fault_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise MemoryError

    path = saved(tmp_path / "a.png", PICTURE)
    monkeypatch.setattr(decoding, "resized", failing)
    with pytest.raises(MemoryError):
        decode(path, True)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP"]), data=st.data())
def test_damage_gives_an_image_or_one_line(
    kind: str, data: st.DataObject, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(bytes_of(kind))
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), max_size=4)).items():
        content[place] = value
    path = tmp_path / "a"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    words = f"{path}: it is an image"
    try:
        assert decode(path, True).shape[0] == 3
    except DataError as error:
        words = str(error)
    assert words.startswith(f"{path}: ")
    assert "\n" not in words
