"""Random generators that are named by what they are for, so that no two share their draws."""

from __future__ import annotations

import hashlib

import torch


def seeded(*key: int | str) -> torch.Generator:
    """A CPU generator seeded by a hash of `key`, such as ("batches", seed, epoch).

    Unlike sums of seeds and counters, keys that differ in any part give unrelated generators.
    """
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
