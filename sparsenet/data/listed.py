"""A part of a data set that stays where it is: its images are read when they are used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from sparsenet.data.decoding import ColorOrder, Decoder
from sparsenet.data.folders import ImageFiles
from sparsenet.data.raw import DataError
from sparsenet.data.reader import Decode
from sparsenet.data.transforms import Transform


@dataclass(frozen=True)
class ListedSet:
    """The training or the test part of a source, in its order: a name for each image.

    `decode` gives an image by its name. All are of the shape `stored` where they are `alike`, else
    that is the least they can be. `labels` is as in RawSet.
    """

    name: str
    names: tuple[Path | str, ...]
    labels: Tensor
    decode: Decode
    stored: tuple[int, int, int]
    alike: bool = True

    def __len__(self) -> int:
        return len(self.names)

    def taken(self, chosen: Tensor) -> ListedSet:
        """The samples chosen, in that order."""
        names = tuple(self.names[sample] for sample in chosen.tolist())
        return replace(self, names=names, labels=self.labels[chosen])


def listed_files(
    name: str,
    files: ImageFiles,
    transform: Transform,
    is_color: bool = True,
    order: ColorOrder = "RGB",
) -> ListedSet:
    """The files of an image folder, each to be resized as `transform` says.

    Raises DataError where the whole transform would not give all of them one size.
    """
    decode = Decoder(is_color, transform.resize, order)
    try:
        stored = transform.least_shape(3 if is_color else 1)
    except ValueError as error:
        raise DataError(str(error)) from None
    alike = transform.exact_size is not None
    return ListedSet(name, files.paths, files.labels, decode, stored, alike)
