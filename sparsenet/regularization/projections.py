"""The two sparsity operators of Collins & Kohli 2014, section 3, on bare tensors.

Both work in place, outside autograd, on float16, bfloat16, float32 or float64 weights of any shape
and memory layout; what they zero becomes +0.0.

The projection onto an l0 ball compares magnitudes as integers: with the sign bit masked off, the
bits of IEEE floats are ordered as their absolute values are, exactly, subnormals and infinities
included, and NaN lies above infinity. An element's magnitude below means these bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import softshrink

Weights = TypeVar("Weights", bound=Tensor | Sequence[Tensor])

_BITS = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}
# Elements worked on at a time: on a CPU the scratch of a chunk stays in the cache, on other devices
# a chunk pays for its kernel launches.
_CPU_CHUNK = 1 << 20
_DEVICE_CHUNK = 1 << 24
# So few elements are selected from directly.
_FEW = 1 << 14
# Edges are guessed this many standard deviations away from the sampled rank. For weights without
# ties the first guess fails once in 370 calls; many equal weights need a second.
_MARGIN = 3.0
_GUESSES = 4


@torch.no_grad()
def soft_threshold_(weight: Tensor, delta: float) -> Tensor:
    """Shrinkage, equation (6) of section 3.1: W <- (|W| - delta)_+ sign(W), in place.

    It solves argmin_V  1/2 ||V - W||_2^2 + delta ||V||_1. No element changes sign, those of
    magnitude at most `delta` become exactly zero, and NaN stays NaN. `delta` is first rounded to
    the precision of `weight`, which may have any shape and is returned.

    Raises ValueError where `delta` is negative, NaN or beyond the range of `weight`'s dtype, or
    where that dtype is no float.
    """
    _bits_of(weight.dtype)
    largest = torch.finfo(weight.dtype).max
    if not 0 <= delta <= largest:
        raise ValueError(f"delta is {delta}; it must be between 0 and {largest} ({weight.dtype})")
    softshrink(weight, delta, out=weight)  # type: ignore[call-arg]  # the stub lacks out
    return weight.add_(0.0)  # softshrink leaves -0.0 in places that depend on the vector width


@torch.no_grad()
def keep_largest_(weights: Weights, t: int) -> Weights:
    """Projection onto an l0 ball, equation (7) of section 3.2, in place:

        P_0(W, t) = argmin_{W'} ||W - W'||_2^2   s.t.   ||W'||_0 <= t

    The `t` elements of largest magnitude stay as they are and the others become +0.0. `weights` is
    one tensor or several, of any shapes, which then share the ball: W is all their elements, tensor
    by tensor, each in row-major order whatever its memory layout. Of equal magnitudes the lower
    index stays, so exactly min(t, N) places of N stay, on every device the same; a place that stays
    may hold a zero. NaN counts as larger than infinity, and NaNs compare by their bits. With
    t >= N nothing changes. The tensors must not overlap. Returns `weights`.

    To treat a momentum like its weight: `momentum.masked_fill_(weight == 0, 0)` afterwards.

    Raises ValueError where `t` is negative, or where the tensors are of several dtypes or devices
    or are no floats.
    """
    tensors = [w for w in _checked(weights, t) if w.numel()]
    if t >= sum(w.numel() for w in tensors):
        return weights
    if t == 0:
        for w in tensors:
            w.zero_()
        return weights
    flats = [w.detach().contiguous().view(-1) for w in tensors]
    chunks = [chunk for flat in flats for chunk in _chunks(flat)]
    _zero_below_(chunks, *_cutoff(chunks, t))
    for w, flat in zip(tensors, flats, strict=True):
        if not w.is_contiguous():  # then `flat` is a copy
            w.copy_(flat.view_as(w))
    return weights


def _checked(weights: Tensor | Sequence[Tensor], t: int) -> Sequence[Tensor]:
    tensors = [weights] if isinstance(weights, Tensor) else weights
    if t < 0:
        raise ValueError(f"t is {t}; the number of elements to keep must be 0 or more")
    for w in tensors:
        _bits_of(w.dtype)
    if len({(w.dtype, w.device) for w in tensors}) > 1:
        found = ", ".join(f"{w.dtype} on {w.device}" for w in tensors)
        raise ValueError(f"tensors that share one l0 ball must agree in dtype and device: {found}")
    return tensors


def _bits_of(dtype: torch.dtype) -> torch.dtype:
    if dtype not in _BITS:
        raise ValueError(f"weights are {dtype}; supported are {', '.join(map(str, _BITS))}")
    return _BITS[dtype]


def _chunks(flat: Tensor) -> list[Tensor]:
    """Consecutive pieces of a 1-d float tensor, as integers of the same bits and memory."""
    size = _CPU_CHUNK if flat.device.type == "cpu" else _DEVICE_CHUNK
    bits = flat.view(_bits_of(flat.dtype))
    return [bits[start : start + size] for start in range(0, len(bits), size)]


def _magnitudes(chunks: Sequence[Tensor]) -> Iterator[Tensor]:
    """Each chunk's magnitudes; valid only until the next is asked for: all share one scratch."""
    scratch = torch.empty_like(max(chunks, key=len))
    no_sign = torch.iinfo(scratch.dtype).max
    for chunk in chunks:
        yield torch.bitwise_and(chunk, no_sign, out=scratch[: len(chunk)])


def _zero_below_(chunks: Sequence[Tensor], cutoff: int, surplus: int) -> None:
    """Zero the magnitudes below `cutoff`, and of those equal to it the last `surplus`."""
    flags = torch.empty_like(max(chunks, key=len))
    backwards = chunks[::-1]
    for chunk, magnitude in zip(backwards, _magnitudes(backwards), strict=True):
        at_most = cutoff - 1
        if surplus:
            tied = torch.eq(magnitude, cutoff, out=flags[: len(chunk)])
            ties = int(tied.sum(dtype=torch.int32))
            if ties <= surplus:
                at_most = cutoff
            else:
                chunk[tied.nonzero().squeeze(1)[-surplus:]] = 0
            surplus -= min(ties, surplus)
        # Integer multiplication by 0 or 1: a quarter of the time of masked_fill_.
        chunk.mul_(torch.gt(magnitude, at_most, out=magnitude))


def _cutoff(chunks: Sequence[Tensor], t: int) -> tuple[int, int]:
    """The t-th largest magnitude, and how many elements equal to it are not among the t largest."""
    low, high, above, reaching = _bracket(chunks, t)
    if low == high:
        return low, reaching - t
    candidates = _gather(chunks, low, high)
    cutoff = _kth_largest(candidates, t - above)
    return cutoff, above + int((candidates >= cutoff).sum()) - t


def _bracket(chunks: Sequence[Tensor], t: int) -> tuple[int, int, int, int]:
    """A range low..high the t-th largest magnitude x is in, the number > high and that >= low.

    Edges are guessed from a sample, and a counting pass proves on which side of each x lies. So a
    guess that fails costs one more pass, or a wider range, but never the result.
    """
    total = sum(len(chunk) for chunk in chunks)
    low, high, above, reaching = 0, torch.iinfo(chunks[0].dtype).max, 0, total
    few = max(_FEW, total // 16)
    if total <= few:
        return low, high, above, reaching
    sample = _sample(chunks, total ** (2 / 3))  # balances the cost of sampling and of selecting
    for _ in range(_GUESSES):
        edges = _guess(sample, (t - above) / (reaching - above))
        for edge, beyond in zip(edges, _count_above(chunks, edges), strict=True):
            if beyond >= t:
                low, reaching = edge + 1, beyond
            elif edge < high:
                high, above = edge, beyond
        sample = sample[(sample >= low) & (sample <= high)]
        if low == high or reaching - above <= few or len(sample) == 0:
            break
    return low, high, above, reaching


def _sample(chunks: Sequence[Tensor], size: float) -> Tensor:
    """The magnitudes of about `size` elements.

    Their places are random, since layers may repeat themselves at any stride, but drawn from a
    fixed seed, so that a call repeated takes the same time; its result depends on no sample.
    """
    generator = torch.Generator().manual_seed(0)
    share = size / sum(len(chunk) for chunk in chunks)
    drawn = []
    for chunk in chunks:
        count = math.ceil(share * len(chunk))
        places = torch.randint(len(chunk), (count,), generator=generator)
        drawn.append(chunk[places.to(chunk.device)])
    return torch.cat(drawn).bitwise_and_(torch.iinfo(chunks[0].dtype).max)


def _guess(sample: Tensor, share: float) -> tuple[int, int]:
    """Two edges such that most likely first < x <= second, where a `share` of elements are >= x."""
    rank, spread = share * len(sample), _MARGIN * math.sqrt(len(sample) * share * (1 - share))
    upper, lower = (min(max(round(r), 1), len(sample)) for r in (rank - spread, rank + spread))
    first, second = _kth_largest(sample, lower), _kth_largest(sample, upper)
    # Edges that agree mean many equal elements, which x most likely is one of.
    return (first - 1 if first == second else first), second


def _count_above(chunks: Sequence[Tensor], edges: Sequence[int]) -> list[int]:
    """How many magnitudes are above each edge."""
    flags = torch.empty_like(max(chunks, key=len))
    counts = [
        torch.gt(magnitude, edge, out=flags[: len(magnitude)]).sum(dtype=torch.int32)
        for magnitude in _magnitudes(chunks)
        for edge in edges
    ]
    return [int(count) for count in torch.stack(counts).view(-1, len(edges)).sum(0)]


def _gather(chunks: Sequence[Tensor], low: int, high: int) -> Tensor:
    """The magnitudes in low..high, in no particular order."""
    no_sign = torch.iinfo(chunks[0].dtype).max
    found = []
    for magnitude in _magnitudes(chunks):
        # Modulo 2^31 (or 15, 63), only what is in low..high is at most high - low below high.
        depth = torch.sub(high, magnitude, out=magnitude).bitwise_and_(no_sign)
        # Eight at a time: the slow part, finding the places of the flags, is then an eighth.
        width = len(depth) // 8
        rows = depth[: 8 * width].view(8, width)
        places = (rows.amin(0) <= high - low).nonzero().squeeze(1)
        likely = torch.cat([rows.index_select(1, places).view(-1), depth[8 * width :]])
        found.append(likely[likely <= high - low])
    return high - torch.cat(found)


def _kth_largest(values: Tensor, k: int) -> int:
    # kthvalue would do, but refuses torch.use_deterministic_algorithms on a GPU.
    return int(values.topk(k, sorted=False).values.min())
