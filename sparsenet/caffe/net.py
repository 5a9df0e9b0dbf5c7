"""A net of Caffe's as the plain data of a net file, with the place of each layer."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

from sparsenet.caffe.converters import CONVERTERS, Keys, refuse_loss_weight
from sparsenet.caffe.data_layers import DATA_LAYERS, Images, Look
from sparsenet.caffe.fields import Fields
from sparsenet.caffe.nets import Chosen, NetPart, Phases, names
from sparsenet.caffe.report import Place, Report
from sparsenet.errors import nearest
from sparsenet.record_words import shown

_DROPPED = "Silence"
_KINDS = (*CONVERTERS, *DATA_LAYERS, _DROPPED)


@dataclass
class Converted:
    """The net's data, and where its layers and their keys were written, by (index, key)."""

    name: str
    layers: list[Keys] = field(default_factory=list)
    places: dict[tuple[int, str], Place] = field(default_factory=dict)

    @property
    def data(self) -> Keys:
        """As a net file holds it."""
        return {"name": self.name, "layers": self.layers}


def convert_net(part: NetPart, chosen: Sequence[Chosen], look: Look, report: Report) -> Converted:
    """Convert the chosen layers, telling the report of what is wrong or left out.

    `part` is the net whose name and switches count.
    """
    made = Converted(part.message.name or "net")
    _net_switches(part, report)
    if not _refuse_types(chosen, report):
        return made
    converting = _Converting(chosen, look, report)
    for it in chosen:
        keys = converting.layer(it)
        if keys is not None:
            _locate(made, it.fields)
            made.layers.append(keys)
    return made


def _net_switches(part: NetPart, report: Report) -> None:
    fields = Fields(part.source, part.message, part.path, report)
    fields.pass_over("name", "input", "input_shape", "input_dim", "state", "layer", "layers")
    for key in ("force_backward", "debug_info"):
        if not fields.peek(key):
            fields.pass_over(key)
    fields.finish()


def _refuse_types(chosen: Sequence[Chosen], report: Report) -> bool:
    """Report each layer of a type that there is not here; False where there are any."""
    wrong = [it.fields for it in chosen if it.fields.message.type not in _KINDS]
    for layer in wrong:
        kind = layer.message.type
        words = f"the layer type {shown(kind)} is not supported{nearest(kind, _KINDS)}"
        report.refuse(layer.source.place(layer.path), layer.owner, words, is_lack=True)
    return not wrong


def _locate(made: Converted, layer: Fields) -> None:
    index = len(made.layers)
    made.places[index, ""] = layer.source.place(layer.path)
    for path, line in layer.source.lines.items():
        if path[: len(layer.path)] == layer.path and isinstance(path[-1], str):
            made.places.setdefault((index, path[-1]), Place(layer.source.name, line))


class _Converting:
    """The layers one after the other; what their names and blobs may be depends on the others."""

    def __init__(self, chosen: Sequence[Chosen], look: Look, report: Report) -> None:
        self.look, self.report = look, report
        self.blobs = names(chosen)
        self.named: dict[str, set[str]] = {"TRAIN": set(), "TEST": set()}
        self.given = {it.fields.owner for it in chosen}
        self.images: set[str] = set()

    def layer(self, chosen: Chosen) -> Keys | None:
        """The keys of one layer, None for one that does nothing."""
        layer, phases = chosen.fields, chosen.phases
        kind, bottoms, tops = (layer.value(key) for key in ("type", "bottom", "top"))
        layer.pass_over("name", "include", "exclude")
        if layer.has("blobs"):
            self.report.note(f"{layer.source.name} holds trained weights: take them by --weights")
        layer.pass_over("blobs")
        layer.leave_out("phase", "is not carried over: a layer computes by the phase of its net")
        if kind == _DROPPED:
            self._leave_out_silence(layer)
            return None
        name = self._unique(layer, phases or ("TRAIN", "TEST"))
        wiring: Keys = {"name": name, "type": kind}
        if kind in DATA_LAYERS:
            if bottoms:
                layer.refuse("bottom", f"cannot be of a {kind} layer, which reads files")
            wiring["top"] = self._data_tops(layer, tops)
            keys = DATA_LAYERS[kind](Images(layer, phases, self.look))
            wiring["type"] = "Data"
        else:
            wiring["bottom"] = _one_or_many(bottoms)
            # Caffe gives the tops of losses that name none a name that nobody can read.
            tops = tops or [unused(name, self.blobs)]
            if tops != [name]:
                wiring["top"] = _one_or_many(tops)
            keys = CONVERTERS[kind](layer)
            self._backward(layer, bottoms)
        if "loss_weight" in layer.left:
            refuse_loss_weight(layer)
        layer.finish()
        phase: Keys = {"phase": phases[0]} if phases else {}
        return {**wiring, **phase, **keys}

    def _leave_out_silence(self, layer: Fields) -> None:
        place = layer.source.place(layer.path)
        self.report.leave_out(place, layer.owner, "", "Silence does nothing, and is left out")
        layer.finish()

    def _unique(self, layer: Fields, phases: Phases) -> str:
        """Its name, or another where a layer of the same net has it already, as Caffe allows."""
        taken = set().union(*(self.named[phase] for phase in phases))
        name = layer.owner
        if name in taken:
            name = unused(name, taken | self.given)
        if name != layer.owner:
            words = f"is the name of an earlier layer: it is called {name} here"
            self.report.leave_out(layer.source.place(layer.path), layer.owner, "name", words)
        elif not layer.message.name:
            words = f"is missing: it is called {name} here"
            self.report.leave_out(layer.source.place(layer.path), name, "name", words)
        for phase in phases:
            self.named[phase].add(name)
        return name

    def _data_tops(self, layer: Fields, tops: list[str]) -> list[str]:
        """The images' blob and the labels', which gets a name that nobody reads where it has none.

        Two layers of Caffe's may give images and labels apart; here it is one.
        """
        self.images.update(tops)
        if len(tops) == 1:
            return [tops[0], unused("label", self.blobs)]
        if len(tops) != 2:
            words = "is not two blobs, images and labels, which is what a Data layer has here"
            layer.refuse("top", words)
        return tops

    def _backward(self, layer: Fields, bottoms: list[str]) -> None:
        """`propagate_down: false` is nothing new of data, which has no gradient; else it is."""
        for bottom, wanted in zip(bottoms, layer.value("propagate_down"), strict=False):
            if not wanted and bottom not in self.images:
                layer.refuse(
                    "propagate_down", f"stops the gradient of {bottom!r}, which flows here"
                )


def unused(name: str, taken: Container[str]) -> str:
    """The name, or with the first number behind it that makes it one that is not taken."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(it for it in chain([name], numbered) if it not in taken)


def _one_or_many(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else values
