"""Packed files made to harm, 12,000 of them: one clear error each, or a whole model."""

from __future__ import annotations

import base64
import lzma
import random
import resource
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from sparsenet.errors import SparsenetError
from sparsenet.packed import header
from sparsenet.packed.file import packed_bytes, packed_model
from sparsenet.packed.model import PackError, pack, unpack
from sparsenet.storage.values import values_of
from tests.packed.models import checkpoint, patterned, resigned


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    kinds = ("float32", "bfloat16", "int8", "shared:5")
    made = {kind: packed_bytes(pack(checkpoint(), "x.pt", values_of(kind))) for kind in kinds}
    periodic = pack(patterned(), "x.pt")
    assert periodic.weights["conv2.weight"].format.name == "periodic"
    return made | {"periodic": packed_bytes(periodic)}


@pytest.fixture(scope="module")
def data(files: dict[str, bytes]) -> bytes:
    return files["float32"]


def opened(data: bytes) -> bool:
    """Whether a file is a model to the last weight; if not, it is refused in one line, at once."""
    began = time.monotonic()
    refused = ""
    try:
        model = unpack(packed_model(data, "x"), "x")
        assert all(tensor.dtype == torch.float32 for tensor in model.weights.values())
    except PackError as error:
        refused = str(error)
    assert not refused or (refused.startswith("x: ") and refused.isprintable())
    assert time.monotonic() - began < 5
    return not refused


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def grown(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + chance.randbytes(chance.randrange(1, 64)) + data[place:]


def flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def flipped_at_the_start(data: bytes, chance: random.Random) -> bytes:
    length = 8 + int.from_bytes(data[:8], "little")
    return flipped(data[:length], chance) + data[length:]


def lied_length(data: bytes, chance: random.Random) -> bytes:
    length = chance.choice([0, 1, 2**63, 2**64 - 1, 10**8, len(data), chance.randrange(2**20)])
    return length.to_bytes(8, "little") + data[8:]


NUMBERS = (-1, 0, 1, 255, 2**31 - 1, 2**31, 2**62, 2**64, 10**30, 0.5, None, "x", [], {}, True)


def lied_about_weights(data: bytes, chance: random.Random) -> bytes:
    def change(model: dict[str, Any]) -> None:
        line = chance.choice(model["weights"])
        place = chance.randrange(5)
        if place == 1:
            line[1][chance.randrange(len(line[1]))] = chance.choice(NUMBERS)
        elif place == 2:
            line[2] = chance.choice(["dense", "bitmask", "csr", "relative4", "periodic", "zip", 3])
        elif chance.random() < 0.5:
            line[place] = chance.choice(NUMBERS)
        elif isinstance(line[place], int):
            line[place] += chance.choice([-1, 1])

    return resigned(data, model=change)


def lied_about_the_rest(data: bytes, chance: random.Random) -> bytes:
    def change(model: dict[str, Any]) -> None:
        node: Any = model
        while True:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = chance.choice(list(keys))
            if isinstance(node[key], dict | list) and node[key] and chance.random() < 0.8:
                node = node[key]
            elif chance.random() < 0.2 and isinstance(node, dict):
                del node[key]
                return
            else:
                node[key] = chance.choice(NUMBERS)
                return

    return resigned(data, model=change)


def lied_in_the_texts(data: bytes, chance: random.Random) -> bytes:
    def change(texts: dict[str, str]) -> None:
        key = chance.choice(list(texts))
        replaced = chance.choice(["", "[]", "{}", "-1", "9" * 5000, "[" * 9999, "\x1b[31m", "null"])
        texts[key] = chance.choice([replaced, texts[key][: len(texts[key]) // 2]])

    return resigned(data, metadata=change)


def other_tensors(data: bytes, chance: random.Random) -> bytes:
    def change(parts: dict[str, torch.Tensor]) -> None:
        name = chance.choice(list(parts))
        tensor = parts[name]
        parts[name] = chance.choice(
            [
                tensor[: chance.randrange(len(tensor))].clone(),
                tensor.repeat(2),
                tensor.reshape(1, -1),
                tensor.view(torch.uint8)[: len(tensor)].clone().to(torch.int16),
            ]
        )
        if chance.random() < 0.3:
            parts[chance.choice(["values", "index", "tables", "others", "more"])] = parts.pop(name)

    return resigned(data, tensors=change)


def other_bytes(data: bytes, chance: random.Random) -> bytes:
    def change(parts: dict[str, torch.Tensor]) -> None:
        name = chance.choice(["index", "index", *parts])
        raw = parts[name].view(torch.uint8)
        for _ in range(chance.randrange(1, 4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)

    return resigned(data, tensors=change)


MUTATIONS: dict[str, tuple[Callable[[bytes, random.Random], bytes], int]] = {
    "cut": (cut, 3000),
    "grown": (grown, 1500),
    "flipped": (flipped, 2500),
    "flipped at the start": (flipped_at_the_start, 1500),
    "lied length": (lied_length, 500),
    "lied about weights": (lied_about_weights, 1000),
    "lied about the rest": (lied_about_the_rest, 600),
    "lied in the texts": (lied_in_the_texts, 400),
    "other tensors": (other_tensors, 400),
    "other bytes": (other_bytes, 1000),
}
HARMLESS = ("lied about the rest", "lied in the texts", "lied about weights", "other bytes")
"""What may leave a whole model: of another learning rate, say, or of other values."""


def test_there_are_more_than_ten_thousand() -> None:
    assert sum(count for _, count in MUTATIONS.values()) >= 10_000


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_file_is_refused_in_one_line(name: str, files: dict[str, bytes]) -> None:
    mutate, count = MUTATIONS[name]
    chance = random.Random(f"{name} 1")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    whole = 0
    for _ in range(count):
        data = chance.choice(list(files.values()))
        if (changed := mutate(data, chance)) != data:
            whole += opened(changed)
    assert whole < count
    assert not whole or name in HARMLESS
    # Files of 14 KiB: nothing is allocated by what they say.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def test_the_mutations_start_from_whole_files(files: dict[str, bytes]) -> None:
    assert all(opened(data) and opened(resigned(data)) for data in files.values())


def test_a_description_that_would_fill_the_memory(data: bytes) -> None:
    filler = lzma.compress(b" " * 2**26, lzma.FORMAT_RAW, filters=header._FILTERS)
    bomb = base64.b64encode(filler).decode()
    assert len(bomb) < 2**20
    with pytest.raises(PackError, match=r"model: cut off, or larger than a description$"):
        packed_model(resigned(data, lambda texts: texts.update(model=bomb)), "x")


def test_a_description_deeper_than_any(data: bytes) -> None:
    text = "[" * 10**6
    packed = lzma.compress(text.encode(), lzma.FORMAT_RAW, filters=header._FILTERS)
    deep = base64.b64encode(packed).decode()
    assert not opened(resigned(data, lambda texts: texts.update(model=deep)))


def test_weights_that_would_fill_the_memory(data: bytes) -> None:
    def enlarge(model: dict[str, Any]) -> None:
        layer = next(one for one in model["config"]["net"]["layers"] if one["name"] == "ip1")
        layer["num_output"] = 30_000_000
        line = next(one for one in model["weights"] if one[0] == "ip1.weight")
        line[1:] = [[30_000_000, 64], "relative4", 0, 0]
        after = next(one for one in model["weights"] if one[0] == "ip2.weight")
        after[1:] = [[10, 30_000_000], "relative4", 0, 0]

    with pytest.raises(PackError, match=r"numbers, where .* are described$"):
        packed_model(resigned(data, model=enlarge), "x")


def test_an_honest_model_larger_than_the_memory(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = packed_model(data, "x")
    memory = type("", (), {"available": packed.dense_bytes - 1})
    monkeypatch.setattr("sparsenet.packed.model.psutil.virtual_memory", lambda: memory)
    with pytest.raises(PackError, match=r"^x: needs [\d,]+ bytes unpacked, and [\d,]+ are free$"):
        unpack(packed, "x")


def test_text_that_would_steer_a_terminal_is_escaped(data: bytes) -> None:
    def rename(model: dict[str, Any]) -> None:
        model["config"]["net"]["layers"][1]["\x1b[2J\n"] = 1

    with pytest.raises(SparsenetError) as raised:
        packed_model(resigned(data, model=rename), "x")
    assert "\\x1b[2J\\n" in str(raised.value)
    assert str(raised.value).isprintable()


def test_another_version(data: bytes) -> None:
    words = "x: not a whole packed model: version 2, but this sparsenet reads version 1"
    with pytest.raises(PackError) as raised:
        packed_model(resigned(data, lambda texts: texts.update(version="2")), "x")
    assert str(raised.value) == words


def test_a_flipped_bit_is_found_wherever_it_is(data: bytes) -> None:
    for place in range(8, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 4
        assert not opened(bytes(changed))
