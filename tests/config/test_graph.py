import pytest

from sparsenet.config.graph import build_graph, graph_problems, has_phase, in_phase
from sparsenet.config.net import NetConfig

DATA = {"name": "in", "type": "Data", "source": "MNIST", "batch_size": 4}
LOSS = {"name": "loss", "type": "SoftmaxWithLoss"}


def ip(name, **keys):
    return {"name": name, "type": "InnerProduct", "num_output": 10, **keys}


def net(*layers) -> NetConfig:
    return NetConfig(layers=list(layers))


def graph(config: NetConfig, phase="TRAIN"):
    built, problems = build_graph(config, phase)
    assert problems == []
    return built


def wiring(config: NetConfig, phase="TRAIN"):
    return [(node.layer.name, *node.bottoms, *node.tops) for node in graph(config, phase).nodes]


def test_a_bottom_left_out_is_the_previous_top_and_the_label():
    config = net(
        {**DATA, "top": ["x", "y"]},
        {"name": "conv", "type": "Convolution", "num_output": 3, "kernel_size": 5, "top": "c"},
        {"name": "relu", "type": "ReLU"},
        ip("ip"),
        LOSS,
    )
    assert wiring(config) == [
        ("conv", "x", "c"),
        ("relu", "c", "relu"),
        ("ip", "relu", "ip"),
        ("loss", "ip", "y", "loss"),
    ]


def test_shapes_follow_the_layers():
    config = net(
        DATA,
        {"name": "conv", "type": "Convolution", "num_output": 20, "kernel_size": 5},
        {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
        ip("ip"),
        LOSS,
    )
    shapes = {node.layer.name: (node.in_shapes, node.out_shapes) for node in graph(config).nodes}
    assert shapes == {
        "conv": (((1, 28, 28),), ((20, 24, 24),)),
        "pool": (((20, 24, 24),), ((20, 12, 12),)),
        "ip": (((20, 12, 12),), ((10,),)),
        "loss": (((10,), ()), ((),)),
    }


def test_a_layer_may_write_over_what_it_reads():
    config = net(
        DATA, ip("ip"), {"name": "relu", "type": "ReLU", "bottom": "ip", "top": "ip"}, LOSS
    )
    assert wiring(config)[1:] == [("relu", "ip", "ip"), ("loss", "ip", "label", "loss")]


def test_layers_are_in_the_phases_they_name_and_those_of_test_in_val_too():
    config = net(
        {**DATA, "split": 100},
        {"name": "drop", "type": "Dropout", "phase": "TRAIN"},
        ip("ip", bottom="data"),
        {"name": "accuracy", "type": "Accuracy", "include": {"phase": "TEST"}},
        {"name": "again", "type": "Accuracy", "phase": "VAL", "bottom": ["ip", "label"]},
        {**LOSS, "bottom": ["ip", "label"]},
    )
    names = {
        phase: [node[0] for node in wiring(config, phase)] for phase in ("TRAIN", "VAL", "TEST")
    }
    assert names == {
        "TRAIN": ["drop", "ip", "loss"],
        "VAL": ["ip", "accuracy", "again", "loss"],
        "TEST": ["ip", "accuracy", "loss"],
    }
    assert graph_problems(config) == []


def test_has_phase():
    assert [has_phase(net(DATA), phase) for phase in ("TRAIN", "VAL", "TEST")] == [
        True,
        False,
        True,
    ]
    assert has_phase(net({**DATA, "split": 5}), "VAL")
    assert not has_phase(net({**DATA, "phase": "TRAIN"}), "TEST")
    assert in_phase(net(DATA).layers[0], "TRAIN")


def test_two_phases_may_each_have_their_data_and_a_layer_of_the_same_name():
    config = net(
        {**DATA, "phase": "TRAIN", "split": 10},
        {**DATA, "phase": "TEST", "batch_size": 7},
        ip("ip"),
        {"name": "out", "type": "SoftmaxWithLoss", "phase": "TRAIN"},
        {"name": "out", "type": "Accuracy", "phase": "TEST", "bottom": ["ip", "label"]},
    )
    assert graph_problems(config) == []
    assert graph(config, "TEST").data.batch_size == 7
    assert graph(config, "VAL").data.batch_size == 4


def test_several_losses_and_a_branch_that_ends_are_allowed():
    config = net(
        DATA,
        ip("a"),
        ip("b", bottom="data"),
        LOSS,
        {**LOSS, "name": "l2", "bottom": ["a", "label"]},
    )
    assert graph_problems(config) == []


@pytest.mark.parametrize("phase", ["TRAIN", "VAL", "TEST"])
def test_a_phase_without_data_has_no_graph(phase):
    built, problems = build_graph(net(ip("ip")), phase)
    assert built is None
    assert problems == [(("layers",), f"there is no Data layer for phase {phase}")]


CONV = {"name": "conv", "type": "Convolution", "num_output": 3, "kernel_size": 5}
POOL = {"name": "all", "type": "Pooling", "pool": "AVE", "global_pooling": True}


def phases(*between, train=None, test=None):
    """A net whose phases have each their Data layer and transform."""
    own = {"TRAIN": train or {}, "TEST": test or {}}
    data = [{**DATA, "name": p.lower(), "phase": p, "transform": t} for p, t in own.items()]
    return net(*data, *between, ip("ip"), LOSS)


def test_phases_share_parameters_of_one_shape():
    [(key, words)] = graph_problems(phases(CONV, test={"resize": 16}))
    assert key == ("layers", 3)
    ours, theirs = "in TRAIN with the (1, 28, 28) images", "in TEST with the (1, 16, 16) images"
    assert f"(10, 1728) {ours} of 'train', but (10, 432) {theirs} of 'test'" in words
    assert graph_problems(phases(CONV, POOL, test={"resize": 16})) == []
    assert graph_problems(phases(CONV, test={"resize": 32, "crop_size": 28})) == []


def test_a_layer_of_one_phase_may_not_change_the_parameters_of_another():
    pool = {"name": "p", "type": "Pooling", "kernel_size": 2, "stride": 2, "phase": "TEST"}
    [(key, words)] = graph_problems(net({**DATA, "split": 9}, pool, ip("ip"), LOSS))
    assert key == ("layers", 2)
    assert "(10, 784) in TRAIN" in words
    assert "(10, 196) in VAL" in words


def test_phases_share_one_mean_image():
    cropped = {"mean": "train", "resize": 32, "crop_size": 28}
    [(key, words)] = graph_problems(phases(train={"mean": "train"}, test=cropped))
    assert key == ("layers", 1, "transform")
    assert "(1, 32, 32) in 'test', but (1, 28, 28) in 'train' of TRAIN" in words
    assert graph_problems(phases(test=cropped)) == []
    assert graph_problems(phases(train=cropped, test=cropped)) == []


def test_independent_mistakes_are_told_together_and_their_consequences_not():
    config = net(
        DATA,
        ip("a", bottom="dat"),
        {"name": "r", "type": "ReLU"},
        ip("b", bottom="r"),
        {"name": "c", "type": "Pooling", "kernel_size": 40, "bottom": "data", "top": "b"},
        {**LOSS, "bottom": ["b", "data"]},
    )
    assert [key for key, _ in graph_problems(config)] == [
        ("layers", 1, "bottom"),
        ("layers", 4, "top"),
    ]


def test_a_mistake_seen_in_every_phase_is_told_once():
    config = net(
        {**DATA, "split": 9}, {"name": "p", "type": "Pooling", "kernel_size": 29}, ip("ip"), LOSS
    )
    assert len(graph_problems(config)) == 1


def test_a_mistake_of_one_phase_is_found_there():
    accuracy = {"name": "acc", "type": "Accuracy", "phase": "TEST", "top_k": 11}
    config = net(DATA, ip("ip"), accuracy, {**LOSS, "bottom": ["ip", "label"]})
    assert build_graph(config, "TRAIN")[1] == []
    assert [key for key, _ in graph_problems(config)] == [("layers", 2)]


def test_the_largest_blob_is_caffes():
    # 784 weights an output: 2,739,131 outputs are 2,147,478,704 weights, one more is too many.
    assert graph_problems(net(DATA, ip("ip", num_output=2_739_131), LOSS)) == []
    [(key, words)] = graph_problems(net(DATA, ip("ip", num_output=2_739_138), LOSS))
    assert key == ("layers", 1)
    assert words == "2,147,484,192 numbers are more than the 2,147,483,647 of a blob"


def test_layers_of_several_tops_and_of_any_number_of_bottoms():
    config = net(
        DATA,
        {"name": "conv", "type": "Convolution", "num_output": 6, "kernel_size": 5},
        {"name": "cut", "type": "Slice", "top": ["a", "b"], "slice_point": [2]},
        {"name": "same", "type": "Split", "bottom": "b", "top": ["b", "c"]},
        {"name": "sum", "type": "Eltwise", "bottom": ["b", "c"]},
        {"name": "row", "type": "Concat", "bottom": ["a", "sum"]},
        ip("ip"),
        LOSS,
    )
    shapes = {node.layer.name: node.out_shapes for node in graph(config).nodes}
    assert shapes["cut"] == ((2, 24, 24), (4, 24, 24))
    assert shapes["same"] == ((4, 24, 24),) * 2
    assert shapes["row"] == ((6, 24, 24),)


def test_a_top_stands_there_once():
    twice = {"name": "same", "type": "Split", "top": ["a", "b", "a"]}
    problems = graph_problems(net(DATA, twice, ip("ip"), LOSS))
    assert problems == [(("layers", 1, "top"), "[a, b, a]: 'a' stands there twice")]
