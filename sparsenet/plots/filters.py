"""Figure 2 of Collins & Kohli (2014): filters of a dense and a sparse network, and the zeros."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sparsenet.plots.rows import Filters, in_words
from sparsenet.plots.style import SMALL, TEXT, new_panels, text_of

MOST = 256
"""Filters that are shown of a network; each would be too small to see otherwise."""
_PIXELS = 700
"""The least side of a picture of filters: viewers that smooth it leave its edges sharp."""
_FRAME = 0.45
Image = NDArray[np.float32]


def filters_figure(dense: Filters, sparse: Filters) -> Figure:
    """The filters of two networks, and on the right the pattern of nonzeros of the second ones.

    Of three input channels a filter is a colour image, otherwise its mean over them in grey; grey
    is 0, the largest magnitude in the layer black or white. The pattern is black where the weight
    of any input channel is not 0. Filters that are all zero are left out and counted.
    """
    figure, panels = new_panels(1, 3, 9.6, 4.2)
    left, middle, right = panels
    for axes, filters in ((left, dense), (middle, sparse)):
        _show(axes, _kept(filters.weights), _colours(filters.weights))
        axes.set_title(f"{text_of(filters.network)}: {text_of(filters.layer)}", fontsize=TEXT)
        axes.set_xlabel(_words(filters.weights), fontsize=SMALL)
    kept = _kept(sparse.weights)
    zero = (sparse.weights == 0).all(axis=1)
    _show(right, kept, np.repeat(zero[..., None], 3, axis=-1).astype(np.float32))
    right.set_title(f"{text_of(sparse.network)}: nonzeros", fontsize=TEXT)
    channels = sparse.weights.shape[1]
    where = f"where any of {channels} input channels is not" if channels > 1 else "where one is not"
    nonzeros = f"{np.count_nonzero(sparse.weights):,} of {sparse.weights.size:,} weights"
    right.set_xlabel(f"{nonzeros} are not zero;\nblack {where}", fontsize=SMALL)
    return figure


def _kept(weights: Image) -> NDArray[np.intp]:
    """Places of the filters that are shown."""
    return np.flatnonzero(weights.reshape(len(weights), -1).any(axis=1))[:MOST]


def _words(weights: Image) -> str:
    """How many filters are shown, what is not, and how they are drawn."""
    zero = int((~weights.reshape(len(weights), -1).any(axis=1)).sum())
    shown = len(_kept(weights))
    words = [in_words(shown, "filter")]
    if zero:
        words.append(f"{in_words(zero, 'all-zero filter')} not shown")
    if more := len(weights) - zero - shown:
        words.append(f"{more:,} more not shown")
    channels = weights.shape[1]
    seen = {1: "", 3: "input channels as red, green, blue; "}
    how = seen.get(channels, f"mean over {channels} input channels; ")
    return f"{', '.join(words)};\n{how}grey is 0"


def _colours(weights: Image) -> Image:
    """Filters x height x width x colour, from 0 to 1, 0.5 for a weight of 0."""
    images = weights if weights.shape[1] == 3 else weights.mean(axis=1, keepdims=True)
    largest = float(np.abs(images).max()) or 1.0
    scaled = 0.5 + images / (2 * largest)
    return np.broadcast_to(scaled, (len(scaled), 3, *scaled.shape[2:])).transpose(0, 2, 3, 1)


def _show(axes: Axes, kept: NDArray[np.intp], images: Image) -> None:
    """The kept images in rows, as square as they come, below the title."""
    axes.set_anchor("N")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    if not len(kept):
        axes.set_box_aspect(1)
        axes.text(0.5, 0.5, "all filters are zero", ha="center", va="center", fontsize=TEXT)
        return
    axes.imshow(_sheet(images[kept]), interpolation="none")


def _sheet(images: Image) -> Image:
    """Images in rows with frames, for else a white edge would be none, and white between them."""
    count, height, width, _ = images.shape
    columns = math.ceil(math.sqrt(count))
    larger = math.ceil(_PIXELS / (columns * max(height, width)))
    frame, gap = math.ceil(_PIXELS / 350), math.ceil(_PIXELS / (12 * columns))
    tall, wide = height * larger + 2 * frame, width * larger + 2 * frame
    rows = math.ceil(count / columns)
    sheet = np.ones((rows * (tall + gap) - gap, columns * (wide + gap) - gap, 3), np.float32)
    for place, image in enumerate(images.repeat(larger, axis=1).repeat(larger, axis=2)):
        top, left = (place // columns) * (tall + gap), (place % columns) * (wide + gap)
        framed = np.pad(image, ((frame, frame), (frame, frame), (0, 0)), constant_values=_FRAME)
        sheet[top : top + tall, left : left + wide] = framed
    return sheet
