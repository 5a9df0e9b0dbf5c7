"""Nets written with blocks and defaults are those written without; malformed/net has the rest."""

from typing import Any

from sparsenet.config.blocks import expand_blocks
from sparsenet.config.read import parse_yaml

UNIT = """
  unit:
    keys: [width, slope: 0]
    layers:
      - {name: ip, type: InnerProduct, num_output: $width}
      - {name: relu, type: ReLU, negative_slope: $slope}
"""


def expanded(text: str) -> list[Any]:
    document = parse_yaml(text, "net")
    expand_blocks(document)
    document.raise_problems()
    assert list(document.data) == ["layers"]
    return document.data["layers"]


def layers(blocks: str, uses: str) -> list[Any]:
    return expanded(f"blocks:{blocks}\nlayers:\n{uses}")


def ip(name, width, **keys):
    return {"name": name, "type": "InnerProduct", **keys, "num_output": width}


def relu(name, slope=0, **keys):
    return {"name": name, "type": "ReLU", **keys, "negative_slope": slope}


DATA = {"name": "in", "type": "Data"}


def test_a_use_stands_for_its_layers_under_its_name():
    made = layers(UNIT, "- {name: in, type: Data}\n- {name: a, block: unit, width: 5}")
    assert made == [DATA, ip("a/ip", 5), relu("a/relu")]
    assert list(made[1]) == ["name", "type", "num_output"]


def test_a_default_gives_way_to_what_a_use_says():
    assert layers(UNIT, "- {name: a, block: unit, width: 5, slope: 0.5}")[1] == relu("a/relu", 0.5)


def test_repetitions_follow_one_another():
    made = layers(UNIT, "- {name: a, block: unit, repeat: 2..3, width: 5}")
    assert made == [ip("a/2/ip", 5), relu("a/2/relu"), ip("a/3/ip", 5), relu("a/3/relu")]


def test_without_a_name_the_layers_keep_theirs():
    assert layers(UNIT, "- {block: unit, width: 5}") == [ip("ip", 5), relu("relu")]
    made = layers(UNIT, "- {block: unit, repeat: 0..1, width: 5}")
    assert [layer["name"] for layer in made] == ["0/ip", "0/relu", "1/ip", "1/relu"]


RESIDUAL = """
  residual:
    keys: [width]
    layers:
      - {name: ip, type: InnerProduct, num_output: $width}
      - {name: relu, type: ReLU, top: r}
      - {name: sum, type: Eltwise, bottom: [r, $bottom, around]}
"""


def test_bottom_is_what_the_use_reads():
    made = layers(
        RESIDUAL,
        """
- {name: in, type: Data, top: [images, labels]}
- {name: a, block: residual, repeat: 0..1, width: 4}
- {name: b, block: residual, width: 4, bottom: images}
- {name: c, block: residual, repeat: 0..1, width: 4, bottom: a/0}
- {name: loss, type: SoftmaxWithLoss, bottom: [c, labels]}
- {name: accuracy, type: Accuracy, bottom: [a, labels]}
""",
    )
    bottoms = {layer["name"]: layer["bottom"] for layer in made if "bottom" in layer}
    assert bottoms == {
        "a/0/sum": ["a/0/r", "images", "around"],
        "a/1/sum": ["a/1/r", "a/0/sum", "around"],
        "b/ip": "images",
        "b/sum": ["b/r", "images", "around"],
        "c/0/ip": "a/0/sum",
        "c/0/sum": ["c/0/r", "a/0/sum", "around"],
        "c/1/sum": ["c/1/r", "c/0/sum", "around"],
        "loss": ["c/1/sum", "labels"],
        "accuracy": ["a/1/sum", "labels"],
    }
    assert made[2] == {"name": "a/0/relu", "type": "ReLU", "top": "a/0/r"}


def test_a_data_layer_is_read_by_its_usual_top():
    made = layers(RESIDUAL, "- {name: in, type: Data}\n- {name: a, block: residual, width: 4}")
    assert made[-1]["bottom"] == ["a/r", "data", "around"]


def test_a_bottom_means_the_nearest_layer_of_its_name():
    inner = """
  inner: {layers: [{name: x, type: ReLU}, {name: y, type: Eltwise, bottom: [x, z, v]}]}
  outer:
    layers:
      - {name: x, type: ReLU}
      - {name: z, type: ReLU}
      - {name: i, block: inner, bottom: x}
      - {name: last, type: Eltwise, bottom: [i, i/x, $bottom]}
"""
    plain = "".join(f"- {{name: {name}, type: ReLU}}\n" for name in "xzvi")
    made = layers(inner, f"{plain}- {{name: o, block: outer}}")
    assert [layer["name"] for layer in made[4:]] == ["o/x", "o/z", "o/i/x", "o/i/y", "o/last"]
    assert [layer.get("bottom") for layer in made[4:]] == [
        None,
        None,
        "o/x",
        ["o/i/x", "o/z", "v"],
        ["o/i/y", "o/i/x", "i"],
    ]


def test_blocks_pass_on_what_they_are_given():
    stage = (
        UNIT
        + """
  stage:
    keys: [width, kind, rest, filler: {type: xavier}]
    layers:
      - {name: "0", block: $kind, width: $width, slope: 1}
      - {block: $kind, width: $width, repeat: $rest}
      - {name: ip, type: InnerProduct, num_output: $width, bottom: "0", weight_filler: $filler}
"""
    )
    made = layers(stage, "- {name: s, block: stage, kind: unit, width: 3, rest: 1..2}")
    assert made[:2] == [ip("s/0/ip", 3), relu("s/0/relu", 1)]
    assert made[2:4] == [ip("s/1/ip", 3), relu("s/1/relu")]
    assert made[-1] == ip("s/ip", 3, bottom="s/0/relu") | {"weight_filler": {"type": "xavier"}}


def test_values_may_lie_deep_and_are_not_shared():
    block = """
  b:
    keys: [std, sizes: [3, 5]]
    layers:
      - name: c
        type: Convolution
        kernel_size: $sizes
        param: [{lr_mult: $std}, {}]
        weight_filler: {type: gaussian, std: $std}
"""
    made = layers(block, "- {name: a, block: b, std: 0.1, repeat: 0..1}")
    assert made[0]["param"] == [{"lr_mult": 0.1}, {}]
    assert made[0]["weight_filler"] == {"type": "gaussian", "std": 0.1}
    assert made[0]["kernel_size"] == made[1]["kernel_size"] == [3, 5]
    assert made[0]["kernel_size"] is not made[1]["kernel_size"]


def test_defaults_are_for_what_layers_of_the_type_leave_out():
    made = expanded("""
defaults: {InnerProduct: {bias_term: false, weight_filler: {type: xavier}}, Dropout: {}}
blocks: {b: {layers: [{name: ip, type: InnerProduct, bias_term: true}]}}
layers:
  - {name: a, block: b}
  - {name: ip, type: InnerProduct, weight_filler: null}
  - {name: r, type: ReLU}
""")
    xavier = {"type": "xavier"}
    assert made == [
        {"name": "a/ip", "type": "InnerProduct", "bias_term": True, "weight_filler": xavier},
        {"name": "ip", "type": "InnerProduct", "weight_filler": None, "bias_term": False},
        {"name": "r", "type": "ReLU"},
    ]
