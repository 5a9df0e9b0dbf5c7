"""One image file -> uint8 pixels (channels, height, width), whatever its name says it is.

JPEG is decoded by torchvision, which is several times faster and lets other threads run meanwhile,
all else by Pillow: torchvision's PNG decoder ends the process where a checksum is wrong. As in
torchvision's ImageFolder, transparency is dropped and EXIF orientation is not applied.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile
from torch import Tensor
from torch.nn.functional import interpolate

from sparsenet.data.raw import DataError
from sparsenet.errors import listed

ColorOrder = Literal["RGB", "BGR"]
# Pillow's limit against small files that decompress to all of the memory.
MAX_PIXELS = 89_478_485
# Of all that Pillow reads: for some others it starts programs, as Ghostscript for an EPS.
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP")
_STARTS_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

# Pillow warns of as many pixels as are refused below. For all of the process: images are decoded in
# threads, and what one of them does to the filters for a while, it does to the others.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Decoder:
    """`decode` as a set wants its images, by the path alone."""

    is_color: bool
    resize: int | tuple[int, int] | None
    order: ColorOrder

    def __call__(self, path: str) -> Tensor:
        """The image of a file. Raises DataError as `decode`."""
        return decode(Path(path), self.is_color, self.resize, self.order)


def decode(
    path: Path,
    is_color: bool,
    resize: int | tuple[int, int] | None = None,
    order: ColorOrder = "RGB",
) -> Tensor:
    """The image of a file: uint8 (3, height, width), or (1, height, width) of its luminance.

    `resize` is the shorter side in pixels (the other keeps the ratio, truncated), or (height,
    width); bilinear, antialiased, and the identity where the size is right already. Of channels of
    12 or 16 bits the upper 8 are kept. Raises DataError, naming the file: unreadable, empty,
    truncated, of none of the FORMATS, of more than MAX_PIXELS, or of numbers that do not tell what
    is white: floating-point, signed or of 32 bits.
    """
    return decode_bytes(path, read(path), is_color, resize, order)


def decode_bytes(
    path: Path | str,
    data: bytes,
    is_color: bool,
    resize: int | tuple[int, int] | None = None,
    order: ColorOrder = "RGB",
) -> Tensor:
    """The same of the bytes that were read from a file, or from a place of that name."""
    try:
        image = resized(_decoded(data, is_color), resize)
        return image.flip(0) if is_color and order == "BGR" else image
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # decoders fail on damaged files in any type of exception
        # Memory that ran out is no fault of the image.
        if isinstance(error, MemoryError) or "allocate memory" in str(error):
            raise
        raise DataError(f"{path}: not a whole image: {_why(error)}") from None


def encoded_shape(path: Path | str, data: bytes) -> tuple[int, int, int]:
    """(channels, height, width) of the image in these bytes: 1 for grey, else 3.

    Its pixels are not decoded. Raises DataError, naming the path.
    """
    try:
        image = _opened(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:
        raise DataError(f"{path}: not a whole image: {_why(error)}") from None
    return 1 if image.mode[0] in "1LIF" else 3, image.height, image.width


def read(path: Path) -> bytes:
    """The bytes of a file. Raises DataError, naming it, where it cannot be read or is empty."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not data:
        raise DataError(f"{path}: the file is empty")
    return data


def _decoded(data: bytes, is_color: bool) -> Tensor:
    import torchvision.io  # noqa: PLC0415 - takes a second to import, and makes torch.ops.image

    size = _jpeg_size(data)
    if size is None:
        return _decoded_by_pillow(data, is_color)
    _check_size(*size)
    mode = torchvision.io.ImageReadMode.RGB if is_color else torchvision.io.ImageReadMode.GRAY
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    # Not torchvision.io's decode_jpeg, which warns at every call that TorchCodec will replace it.
    pixels: Tensor = torch.ops.image.decode_jpeg(encoded, mode.value, False)
    return pixels


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in the frame header of a JPEG file; None where there is no plain one."""
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        length, height, width = struct.unpack_from(">HxHH", data, at + 2)
        if data[at + 1] in _STARTS_OF_FRAME:
            return width, height
        at += 2 + length
    return None


def _opened(data: bytes) -> Image.Image:
    """The image, its pixels not yet decoded."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise DataError(f"not a {listed(FORMATS)} image") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"its pixels are more than the limit of {MAX_PIXELS:,}") from None
    _check_size(*image.size)
    return image


def _decoded_by_pillow(data: bytes, is_color: bool) -> Tensor:
    image = _opened(data)
    if image.mode == "F":
        raise DataError("its pixels are floating-point numbers")
    if image.mode.startswith("I"):  # convert would clip them to 8 bits
        image = _upper_bits(image)
    image.info.pop("transparency", None)  # it is dropped in any case, and convert would warn of it
    pixels = np.array(image.convert("RGB" if is_color else "L"))
    return torch.from_numpy(pixels.reshape(image.height, image.width, -1)).permute(2, 0, 1)


def _upper_bits(image: Image.Image) -> Image.Image:
    bits = 16  # also where a PGM has fewer: Pillow scales them
    if isinstance(image, TiffImageFile):
        if image.mode == "I":
            # They may end at 255 as well as at 65535, and the next file of the set elsewhere.
            raise DataError("its pixels are signed or of 32 bits: save them as unsigned 8 or 16")
        bits = image.tag_v2[BITSPERSAMPLE][0]
    return Image.fromarray((np.asarray(image) >> (bits - 8)).astype(np.uint8))


def resized(image: Tensor, resize: int | tuple[int, int] | None) -> Tensor:
    """A uint8 image (channels, height, width) at the size that `resize` says: see `decode`.

    Raises DataError where that is of more than MAX_PIXELS.
    """
    height, width = size = image.shape[1], image.shape[2]
    if isinstance(resize, tuple):
        size = resize
    elif resize is not None and height <= width:
        size = resize, int(resize * width / height)
    elif resize is not None:
        size = int(resize * height / width), resize
    if size == (height, width):
        return image.contiguous()
    _check_size(size[1], size[0])
    return interpolate(image[None], size, mode="bilinear", antialias=True)[0].contiguous()


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise DataError(f"{width}x{height} pixels are more than the limit of {MAX_PIXELS:,}")


def _why(error: Exception) -> str:
    """The first line of an exception, without the place in the C++ that torchvision puts first."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"^.*\.cpp:\d+, ", "", line)[:160]
