"""Caffe's prototxt files: which of them is a solver, and where the files are that one names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparsenet.caffe.messages import need_protobuf
from sparsenet.caffe.nets import NetPart
from sparsenet.caffe.report import Place
from sparsenet.caffe.text import Source, parse, read_content
from sparsenet.caffe.wire import CaffeError
from sparsenet.errors import ConfigError, Problem


def read_prototxt(path: Path) -> Source:
    """A solver or a net, text or binary. Raises ConfigError and CaffeError."""
    need_protobuf()
    from sparsenet.caffe.caffe_pb2 import NetParameter, SolverParameter  # noqa: PLC0415  an extra

    content = read_content(path)
    try:
        net = parse(str(path), content, NetParameter)
    except CaffeError:
        solver = parse(str(path), content, SolverParameter)
    else:
        if has_layers(net):
            return net
        solver = parse(str(path), content, SolverParameter)
    if not solver.message.ListFields():
        words = "has neither the layers of a net nor the keys of a solver of Caffe's"
        raise ConfigError(Problem(str(path), "", words))
    return solver


def has_layers(source: Source) -> bool:
    """Whether a source is a net, not a solver, and has layers or inputs."""
    message = source.message
    if message.DESCRIPTOR.name != "NetParameter":
        return False
    return bool(message.layer or message.layers or message.input)


@dataclass(frozen=True)
class Beside:
    """Files that one names: from the working folder, or from a folder that this one is below.

    So that `examples/mnist/lenet.prototxt` is found wherever Caffe's own folder is.
    """

    file: Path

    def find(self, name: str) -> Path | None:
        """The whole path of what a name is of, None where there is nothing."""
        for folder in (Path(), *self.file.absolute().parents):
            try:
                if name and (folder / name).exists():
                    return (folder / name).resolve()
            except (OSError, ValueError):  # too long, or no name of a file
                return None
        return None

    def net(self, place: Place, name: str) -> NetPart:
        """The net file that a solver names at a place. Raises ConfigError and CaffeError."""
        path = self.find(name)
        if path is None or not path.is_file():
            words = f"no file {name!r}, from the working folder or from {self.file.parent} upwards"
            raise ConfigError(Problem(str(place), "net", words))
        source = read_prototxt(path)
        if not has_layers(source):
            raise ConfigError(
                Problem(str(path), "", "has no layers, so it is not a net of Caffe's")
            )
        return NetPart(source, source.message)
