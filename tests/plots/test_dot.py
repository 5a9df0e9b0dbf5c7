"""Graphviz text: what is in it, and that no name breaks out of its quotes."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sparsenet.plots.dot import dot_text
from sparsenet.plots.wiring import wires_of
from tests.plots.nets import Made, residual

QUOTED = r'"(?:[^"\\]|\\.)*"'
VALUE = rf"(?:{QUOTED}|\w+)"
ATTRIBUTES = rf"\[\w+={VALUE}(?:, \w+={VALUE})*\]"
NAME = r"(?:graph|node|edge|n\d+(?: -> n\d+)?)"
LINE = re.compile(rf"digraph {QUOTED} \{{|  {NAME} {ATTRIBUTES};|\}}")


def small() -> Made:
    made = Made("small")
    made.add("conv1", "Convolution", (20, 28, 28), parameters=((20, 3, 5, 5), (20,)))
    made.add("relu1", "ReLU", top="conv1")
    made.add("loss", "SoftmaxWithLoss", (), bottom=["conv1", "label"])
    return made


def test_boxes_and_arrows_of_a_small_net() -> None:
    lines = dot_text(small().document(), "1 parameter").splitlines()
    assert lines[0] == 'digraph "small" {'
    assert r'label="small, TEST\n1 parameter"' in lines[1]
    assert lines[4:] == [
        r'  n0 [label="data\nData", fillcolor="#e6e6e6"];',
        r'  n1 [label="conv1\nConvolution 5x5\n1,520 parameters", fillcolor="#cfe3f2"];',
        r'  n2 [label="relu1\nReLU", fillcolor="#f7f7f7"];',
        r'  n3 [label="loss\nSoftmaxWithLoss", fillcolor="#fbf4c4"];',
        '  n0 -> n1 [label="3x32x32"];',
        '  n1 -> n2 [label="20x28x28"];',
        '  n2 -> n3 [label="20x28x28"];',
        '  n0 -> n3 [label="1", style=dashed];',
        "}",
    ]


def test_each_bottom_has_its_arrow() -> None:
    net = residual(4)
    arrows = [line for line in dot_text(net, "").splitlines() if "->" in line]
    assert len(arrows) == sum(len(layer["bottom"]) for layer in net["layers"])
    assert len(arrows) == len(wires_of(net["layers"]))


@given(st.text(min_size=1), st.text())
def test_no_name_breaks_the_syntax(name: str, net: str) -> None:
    made = small()
    made.layers[1]["name"] = name
    made.name = net
    text = dot_text(made.document(), "totals")
    for line in text.rstrip("\n").split("\n"):
        assert LINE.fullmatch(line), line


def test_escapes_and_entities_stand_for_themselves() -> None:
    made = small()
    made.layers[1]["name"] = 'a"b\\N&lt;\n'
    line = dot_text(made.document(), "").splitlines()[5]
    assert r'label="a\"b\\N&amp;lt;\\n\nConvolution' in line
