"""SolverParameter as the plain data of a solver file, and the nets that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparsenet.caffe.fields import Fields
from sparsenet.caffe.nets import Chosen, NetPart, layers_of_both, layers_of_two
from sparsenet.caffe.report import Place, Report
from sparsenet.caffe.state import State
from sparsenet.caffe.text import Source
from sparsenet.errors import listed

Keys = dict[str, Any]
ReadNet = Callable[[Place, str], NetPart]
"""The net file of a name that a solver gives, at a place; raises ConfigError."""

_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
_CARRIED = (
    "test_interval",
    "test_initialization",
    "base_lr",
    "lr_policy",
    "gamma",
    "power",
    "stepsize",
    "stepvalue",
    "momentum",
    "momentum2",
    "delta",
    "rms_decay",
    "weight_decay",
    "regularization_type",
    "iter_size",
    "display",
    "max_iter",
    "snapshot",
    "snapshot_prefix",
)
_TRAIN_NETS = ("net", "net_param", "train_net", "train_net_param")
_TEST_NETS = ("test_net", "test_net_param")
# By key the values that change nothing, and why another is left out.
_LEFT_OUT: dict[str, tuple[tuple[Any, ...], str]] = {
    "average_loss": ((1,), "smooths only what Caffe's log says"),
    "test_compute_loss": ((), "the loss is always a part of a test here"),
    "snapshot_diff": ((False,), "gradients are not stored"),
    "snapshot_format": ((), "a snapshot here is iter_N.pt; sparsenet export writes a caffemodel"),
    "snapshot_after_train": ((True,), "the end of a training is always saved"),
    "debug_info": ((False,), "there is no such log"),
    "device_id": ((0,), "choose the GPU by --device cuda:N"),
    "layer_wise_reduce": ((True, False), ""),
}


def convert_solver(fields: Fields) -> Keys:
    """The keys of the solver but for its net, in the order of SolverParameter's fields."""
    fields.pass_over(*_TRAIN_NETS, *_TEST_NETS, "train_state", "test_state")
    if not fields.has("lr_policy"):
        place = fields.source.place(())
        fields.report.refuse(place, "lr_policy", "is missing: Caffe needs it, and knows no default")
    data = {"display": 0, **fields.taken(*_CARRIED)}  # Caffe's default, where ours is 100
    data.update(_type(fields), **_test_iter(fields), **_mode(fields))
    for key, off in (("clip_gradients", -1), ("random_seed", -1)):
        value = fields.take(key)
        if value is not None and value != off:
            data[key] = value
    for key, (harmless, why) in _LEFT_OUT.items():
        if fields.peek(key) not in harmless:
            fields.leave_out(key, f"is not carried over: {why}")
        fields.pass_over(key)
    for name in fields.value("weights"):
        fields.report.note(f"the solver starts from {name}: give it by --weights {name}")
    if "snapshot_prefix" in data:
        words = "is the folder of the run here, not how its files' names begin"
        fields.report.note(f"snapshot_prefix, {data['snapshot_prefix']}, {words}")
    fields.finish()
    order = [field.name for field in fields.message.DESCRIPTOR.fields]
    return {key: data[key] for key in sorted(data, key=order.index)}


def _type(fields: Fields) -> Keys:
    """`type`, or what was `solver_type` before there were names."""
    old = fields.take("solver_type")
    if old is not None and fields.has("type"):
        fields.refuse("solver_type", "cannot stand beside type; Caffe takes one of them")
    return fields.taken("type") if old is None else {"type": _TYPES[old]}


def _mode(fields: Fields) -> Keys:
    """`solver_mode`. Every solver that does not say CPU asks for a GPU, be there none."""
    if fields.value("solver_mode") == "CPU":
        return {"solver_mode": "CPU"}
    if fields.has("solver_mode"):
        fields.report.note("solver_mode, GPU, is auto here: a GPU where there is one")
    return {}


def _test_iter(fields: Fields) -> Keys:
    counts = fields.value("test_iter")
    if len(counts) > 1:
        place = fields.source.place((*fields.path, "test_iter"))
        words = "are of further test nets, and there is one here"
        fields.report.leave_out(place, "", "test_iter", f"{counts[1:]} {words}")
    return {"test_iter": counts[0]} if counts else {}


def solver_nets(source: Source, read: ReadNet, report: Report) -> tuple[NetPart, list[Chosen]]:
    """The net that a solver trains, with the layers of it and of the first net that it tests.

    Raises ConfigError for a net file that cannot be read.
    """
    solver = source.message
    given = [key for key in _TRAIN_NETS if solver.HasField(key)]
    if len(given) != 1:
        words = f"gives {' and '.join(given) or 'no net'}; Caffe takes one of {listed(_TRAIN_NETS)}"
        report.refuse(source.place(()), "net", words)
        report.raise_problems()
    fields = Fields(source, solver, (), report)
    train = State("TRAIN").merged(fields.sub("train_state"))
    states = [State("TEST").merged(it) for it in fields.each("test_state")]
    state = states[0] if states else State("TEST")
    part = _part(source, given[0], None, read)
    tests = [(key, i) for key in reversed(_TEST_NETS) for i in range(len(getattr(solver, key)))]
    _further_nets(source, tests, len(states), report)
    if tests:
        test = _part(source, *tests[0], read)
        return part, layers_of_two((part, train), (test, state), report)
    if given[0].startswith("train_net"):
        return part, layers_of_both(part, train, None, report)
    return part, layers_of_both(part, train, state, report)


def _further_nets(
    source: Source, tests: list[tuple[str, int]], states: int, report: Report
) -> None:
    """Name the test nets after the first, which are not carried over."""
    for key, index in tests[1:]:
        words = "is a further test net, and there is one here"
        report.leave_out(source.place((key, index)), "", key, words)
    for index in range(1, states):
        words = "is of a further test net, and there is one here"
        report.leave_out(source.place(("test_state", index)), "", "test_state", words)


def _part(source: Source, key: str, index: int | None, read: ReadNet) -> NetPart:
    """The net of a key: in the solver itself, or in the file that it names."""
    path = (key,) if index is None else (key, index)
    value = getattr(source.message, key)
    value = value if index is None else value[index]
    if isinstance(value, str):
        return read(source.place(path), value)
    return NetPart(source, value, path)
