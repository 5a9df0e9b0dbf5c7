import pytest

from sparsenet.config.load import Configuration

L0 = {
    "conv1": {"regularization": {"type": "l0"}},
    "ip1": {"regularization": {"type": "l0", "t": 90}},
}
SPLIT = {"digits": {"split": 100}}
WAIT = {"accuracy": {"within": "0.5%"}}


@pytest.mark.parametrize(
    "stages",
    [
        [{"t": {"conv1": 5}}],
        [{"name": "dense", "until": {"iters": 99}}, {"t": {"conv1": "5%"}}],
        [{"t": {"conv1": {"from": "50%", "to": 2, "over": 100}}}],
        [{"t": {"conv1": {"from": 18, "to": "50%", "over": 1}}}],
        [{"t": {"conv1": {"from": 9, "to": 8, "over": 60}}, "until": {"iters": 60}}],
        [{"until": {"iters": 40}}, {"t": {"conv1": {"from": 9, "to": 8, "over": 60}}}],
        [{"t": {"conv1": 20}, "until": {"iters": 200}}],
        [{"t": {"conv1": 20}, "until": WAIT}, {"t": {"conv1": 10}, "until": WAIT}],
        [
            {
                "t": {"conv1": 9},
                "until": {**WAIT, "patience": 3, "max_iters": 5},
                "on_miss": "continue",
            }
        ],
        [{"t": {"conv1": 9}, "until": {"accuracy": {"within": 0, "of": "97.5%"}}}],
        [{"t": {"conv1": 9}, "until": {"iters": 1}}, {"interval": 7}],
    ],
)
def test_stages_that_can_be(solver, load, stages):
    data = solver({**L0, **SPLIT}, stages=stages, test_interval=10)
    config = load(data)
    assert isinstance(config, Configuration), config
    assert len(config.solver.stages) == len(stages)


def found(solver, load, *stages, layers=SPLIT, **keys):
    keys = {"test_interval": 10, **keys}
    lines = load(solver({**L0, **layers}, stages=list(stages), **keys))
    assert isinstance(lines, list)
    return [line.removeprefix("a.pt: stages.") for line in lines]


def test_a_stage_that_begins_at_max_iter_never_begins(solver, load):
    stages = [{"t": {"conv1": 9}, "until": {"iters": 50}}, {"until": {"iters": 50}}, {}]
    words = "2: would begin after 100 updates, but max_iter is 100"
    assert found(solver, load, *stages) == [words]
    assert isinstance(load(solver({**L0}, stages=stages, max_iter=101)), Configuration)


def test_a_ramp_must_end_in_its_stage_and_before_max_iter(solver, load):
    def ramp(over):
        return {"t": {"conv1": {"from": 9, "to": 8, "over": over}}}

    words = "t.conv1.over: {} updates do not fit the {}"
    dense = {"until": {"iters": 40}}
    assert found(solver, load, ramp(101)) == ["0." + words.format(101, "100 before max_iter")]
    assert found(solver, load, dense, ramp(61)) == ["1." + words.format(61, "60 before max_iter")]
    iters = {**ramp(31), "until": {"iters": 30}}
    assert found(solver, load, iters) == ["0." + words.format(31, "30 of the stage")]
    longer = {**ramp(101), "until": {"iters": 200}}
    assert found(solver, load, longer) == ["0." + words.format(101, "100 before max_iter")]
    missed = {**ramp(31), "until": {**WAIT, "max_iters": 30}}
    assert found(solver, load, missed) == ["0." + words.format(31, "30 of the stage")]


def test_each_thing_that_an_accuracy_is_judged_by_is_asked_for(solver, load):
    stage = {"t": {"conv1": 9}, "until": WAIT}
    key = "0.until.accuracy: is judged"
    no_split = f"{key} on validation data: give the Data layer of phase TRAIN a split"
    no_interval = f"{key} at tests: give test_interval"
    no_layer = f"{key} by an Accuracy layer: there is none for phase TEST or VAL"
    assert found(solver, load, stage, layers={}) == [no_split]
    assert found(solver, load, stage, test_interval=0) == [no_interval]
    train_only = {**SPLIT, "accuracy": {"phase": "TRAIN"}}
    assert found(solver, load, stage, layers=train_only) == [no_layer]
    both = {**SPLIT, "accuracy": {"phase": "VAL"}}
    assert isinstance(load(solver({**L0, **both}, stages=[stage], test_interval=1)), Configuration)


def test_a_t_is_asked_of_every_l0_layer_once_somewhere(solver, load):
    words = "a.pt: net.layers.conv1.regularization.t: is missing, here and in every stage"
    assert load(solver(L0)) == [words]
    assert load(solver(L0, stages=[{"t": {"ip1": 5}}])) == [words]
    staged = [{"until": {"iters": 1}}, {"t": {"conv1": 5}}]
    assert isinstance(load(solver(L0, stages=staged)), Configuration)


def test_a_mistake_elsewhere_does_not_hide_those_of_the_stages(solver, load):
    stages = [{"t": {"conv2": 9}}]
    rest = [
        "a.pt: stages.0.t.conv2: is not a layer or group with regularization type l0; did you "
        "mean 'conv1'?",
        "a.pt: net.layers.conv1.regularization.t: is missing, here and in every stage",
    ]
    for key, value in {"max_iter": 0, "base_lr": "x", "test_interval": -1, "momentun": 1}.items():
        first, *others = load(solver(L0, stages=stages, **{key: value}))
        assert first.startswith(f"a.pt: {key}: ")
        assert others == rest


def test_a_wrong_key_makes_no_stage_wrong(solver, load):
    stages = [{"t": {"conv1": 9}, "until": {"iters": 500}}, {"t": {"conv1": 8}, "until": WAIT}]
    keys = {"max_iter": "many", "test_interval": "often"}
    assert len(load(solver({**L0, **SPLIT}, stages=stages, **keys))) == len(keys)
