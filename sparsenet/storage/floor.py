"""The least that any format could take."""

from __future__ import annotations

import math

from sparsenet.storage.format import VALUE_BYTES, checked_size


def floor_bytes(size: int, nonzeros: int, value_bytes: int | None = None) -> int:
    """Least whole bytes that tell apart all choices of t nonzeros among N weights.

    log2 C(N, t) bits for which of the weights they are, and for what they are `value_bytes`, or
    left out, 32 t bits. Raises ValueError where t is not within 0 and N.
    """
    checked_size((size,), nonzeros)
    few = min(nonzeros, size - nonzeros)
    if few <= 64:
        # Exact, because rounding shows where C(N, t) is at or near a power of two, as C(256, 1) is.
        bits = (math.comb(size, few) - 1).bit_length()
    else:
        log = math.lgamma(size + 1) - math.lgamma(few + 1) - math.lgamma(size - few + 1)
        bits = math.ceil(log / math.log(2))
    return -(-bits // 8) + (VALUE_BYTES * nonzeros if value_bytes is None else value_bytes)
