"""Whatever a file holds, loading it gives a configuration or a list of problems, nothing else."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsenet.config.load import from_data
from sparsenet.config.read import parse_yaml, write_yaml
from sparsenet.config.schema import solver_schema
from sparsenet.errors import ConfigError

RIGHT: dict[str, Any] = parse_yaml(
    """
net:
  name: small
  layers:
    - {name: in, type: Data, top: [data, label], source: digits, split: 10%, batch_size: 9,
       transform: {scale: 0.5, mean_value: [3], resize: [9, 8], crop_size: 7, mirror: true}}
    - {name: c, type: Convolution, param: [{lr_mult: 1}, {lr_mult: 2}], num_output: 4, group: 1,
       kernel_size: [3, 2], stride: 1, pad: 1, weight_filler: {type: gaussian, std: 0.1},
       regularization: {type: l0, t: 5, interval: 10, group: g, velocity: clear}}
    - {name: p, type: Pooling, pool: AVE, kernel_size: 2, stride: 2}
    - {name: d, type: Dropout, dropout_ratio: 0.5, bottom: p, top: p}
    - {name: ip, type: InnerProduct, num_output: 10, regularization: {type: shrink, delta: 1}}
    - {name: a, type: Accuracy, bottom: [ip, label], include: {phase: TEST}, top_k: 5}
    - {name: l, type: SoftmaxWithLoss, bottom: [ip, label], phase: [TRAIN, TEST]}
max_iter: 100
base_lr: 0.1
lr_policy: multistep
gamma: 0.1
stepvalue: [5, 10]
type: Adam
momentum: 0.9
clip_gradients: -1
test_interval: 5
regularization: {ip: {type: l0, interval: 10, group: g, velocity: clear}}
stages:
  - {name: dense, until: {iters: 10}}
  - {t: {g: {from: 50%, to: 20, over: 20, shape: linear}}, interval: 5,
     until: {accuracy: {within: 0.5%, of: dense}, patience: 2, max_iters: 30}, on_miss: continue}
""",
    "right",
).data

WORDS = ["", "in", "c", "ip", "g", "data", "label", "TRAIN", "VAL", "l0", "ReLU", "5%", "dense"]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.floats(), st.sampled_from(WORDS), st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


def words_of(node: object) -> set[str]:
    """All keys that any record takes, so that they turn up where they do not belong."""
    if isinstance(node, dict):
        return set(node.get("properties", ())).union(*map(words_of, node.values()))
    return set().union(*map(words_of, node)) if isinstance(node, list) else set()


KEYS = sorted(words_of(solver_schema()))


def paths(node: object, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = (
        list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    )
    return [(*above, key) for key in keys] + [
        p for key in keys for p in paths(node[key], (*above, key))
    ]


@st.composite
def changes(draw) -> dict[str, Any]:
    data = copy.deepcopy(RIGHT)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(paths(data)))
        node = data
        for key in above:
            node = node[key]
        change = draw(st.sampled_from(["set", "set", "delete", "add", "copy"]))
        if change == "set":
            node[last] = draw(VALUES)
        elif change == "delete":
            del node[last]
        elif change == "add" and isinstance(node, dict):
            node[draw(st.sampled_from(KEYS) | st.text(max_size=5))] = draw(VALUES)
        elif isinstance(node, list):
            node.append(copy.deepcopy(node[last]))
        if not data:
            break
    return data


def test_what_is_changed_is_right():
    assert len(from_data(RIGHT, "right").solver.net.layers) == 7


@given(changes())
@settings(max_examples=150, deadline=None)
def test_it_loads_or_every_problem_is_one_line_that_names_its_place(data):
    try:
        config, text = from_data(data, "file"), ""
    except ConfigError as error:
        config, text = None, str(error)
    if config is not None:
        assert from_data(parse_yaml(write_yaml(config.data), "file").data, "file") == config
        return
    lines = text.splitlines()
    assert lines
    assert len(lines) == len(set(lines))
    assert all(line.startswith("file: ") and line.isprintable() for line in lines)
    assert not any("pydantic" in line or "Input should" in line for line in lines)
