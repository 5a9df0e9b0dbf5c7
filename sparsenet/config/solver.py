"""The solver file's record: Caffe's SolverParameter keys flat, and the stages of tightening."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from sparsenet.config.net import NetConfig
from sparsenet.record import KeyPath, Listed, OneOrMany, Record
from sparsenet.record_words import shown
from sparsenet.regularization.stages import Stage
from sparsenet.solver.lr_policies import LR_POLICIES
from sparsenet.solver.update import UPDATES


def _caffe_enum(*names: str) -> BeforeValidator:
    """Caffe writes its enums in capitals and its users write them in either case."""
    by_fold = {name.casefold(): name for name in names}

    def canonical(value: object) -> object:
        return by_fold.get(value.casefold(), value) if isinstance(value, str) else value

    return BeforeValidator(canonical)


def _rising(steps: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if steps is not None and list(steps) != sorted(set(steps)):
        raise ValueError(f"{shown(steps)} must rise")
    return steps


def _not_zero(limit: float | None) -> float | None:
    if limit == 0:
        raise ValueError("0 would stop all learning; a negative number turns it off")
    return limit


StepValue = Annotated[int, Field(gt=0)]
LrPolicy = Literal["fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"]
SolverType = Literal["SGD", "Nesterov", "Adam", "AdaGrad", "RMSProp", "AdaDelta"]
Mode = Annotated[
    Literal["auto", "cpu", "gpu"],
    _caffe_enum("auto", "cpu", "gpu"),
    WithJsonSchema({"enum": ["auto", "cpu", "gpu", "CPU", "GPU"]}),
]
Decay = Annotated[Literal["L2", "L1"], _caffe_enum("L2", "L1")]


class SolverConfig(Record):
    """How a net is trained. Keys without a default are required."""

    net: NetConfig = Field(description="the net file, relative to this file, or the net itself")
    max_iter: int = Field(gt=0, description="number of updates")
    base_lr: float = Field(gt=0, description="learning rate that lr_policy starts from")
    lr_policy: LrPolicy = Field(
        "fixed",
        description="how the learning rate depends on the number of updates made so far",
    )
    gamma: float | None = Field(None, description="for step, exp, inv, multistep and sigmoid")
    power: float | None = Field(None, description="for inv and poly")
    stepsize: int | None = Field(None, gt=0, description="for step and sigmoid, in updates")
    stepvalue: Annotated[OneOrMany[StepValue] | None, AfterValidator(_rising)] = Field(
        None, description="for multistep: the updates at which the rate falls, rising"
    )
    type: SolverType = Field("SGD", description="the rule of the update")
    momentum: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="for SGD, Nesterov, AdaDelta, and Adam as its beta1; default 0",
    )
    momentum2: float | None = Field(
        None, ge=0, lt=1, description="for Adam as its beta2; default 0.999"
    )
    delta: float | None = Field(
        None, gt=0, description="for Adam, AdaGrad, RMSProp and AdaDelta; default 1e-8"
    )
    rms_decay: float | None = Field(None, ge=0, lt=1, description="for RMSProp; default 0.99")
    weight_decay: float = Field(0.0, ge=0, description="strength of regularization_type")
    regularization_type: Decay = Field(
        "L2", description="L2 or L1: what weights without a regularization, and biases, get"
    )
    regularization: dict[str, dict[str, Any]] | None = Field(
        None,
        description="by layer name, in which * is any text: keys over those of the layer's own "
        "regularization, or another type instead of it",
    )
    stages: Listed[Stage] = Field((), description="staged tightening of the l0 constraints")
    iter_size: int = Field(
        1,
        gt=0,
        description="batches whose mean gradient makes one update: as one batch of so many times "
        "batch_size, but that each is normalised by itself in BatchNorm and BatchNormScale",
    )
    clip_gradients: Annotated[float | None, AfterValidator(_not_zero)] = Field(
        None, description="largest global l2 norm of the raw gradient; negative: off"
    )
    random_seed: int = Field(
        0, ge=0, description="seeds the fillers, the batches, Dropout and bridgeout"
    )
    solver_mode: Mode = Field("auto", description="auto takes a GPU where there is one")
    precision: Literal["float32", "bf16", "tf32"] = Field(
        "float32",
        description="number format of the training's forward and backward pass: float32; bf16; or "
        "tf32, float32 whose products an NVIDIA GPU computes in TF32, and what has none in "
        "float32. Weights, updates and tests stay float32. From float32 the first loss differs by "
        "at most 1 % under bf16 and 0.1 % under tf32, its gradient by 5 % and 1 % of its norm; in "
        "ResNet-20, whose many normalisations magnify what is rounded, by 50 % and 15 %",
    )
    compile: bool = Field(
        False,
        description="whether torch.compile makes one program of the training's forward and "
        "backward pass, on a GPU one of CUDA graphs; needs a C++ compiler, and minutes at first. "
        "On a CPU it may well be slower. From a run without it the first loss and gradient differ "
        "by at most 1e-5 of their norm; in a deep net the gradient by as much as float32 itself "
        "is from exact, about 1e-2 in ResNet-20",
    )
    test_interval: int = Field(0, ge=0, description="updates between tests; 0: at the end only")
    test_iter: int | None = Field(
        None, gt=0, description="batches of a test while training; left out: the whole set"
    )
    test_initialization: bool = Field(True, description="test before the first update too")
    display: int = Field(100, ge=0, description="updates between lines of the log; 0: none")
    snapshot: int = Field(
        0, ge=0, description="updates between snapshots; 0: at the end and when stopped only"
    )
    snapshot_keep: int = Field(2, gt=0, description="how many of the newest snapshots are kept")
    snapshot_prefix: str | None = Field(
        None,
        min_length=1,
        description="the run folder; left out: runs/ and the name of the solver file's folder, and "
        "of the file where that is not solver.yaml",
    )


# What a resumed run may differ in: none of these touches a weight.
NOT_TRAJECTORY = ("display", "snapshot", "snapshot_keep", "snapshot_prefix", "solver_mode")


_POLICY_KEYS = {name: policy.keys for name, policy in LR_POLICIES.items()}


def usage_problems(data: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    """Keys that the chosen lr_policy or type needs and lacks, or has and does not use."""
    problems = [
        *unused_keys(data),
        *_missing(data, "lr_policy", "fixed", _POLICY_KEYS),
    ]
    gamma, policy = data.get("gamma"), data.get("lr_policy")
    falls = policy in ("step", "exp", "inv", "multistep")
    if falls and isinstance(gamma, int | float) and gamma < 0:
        words = f"{shown(gamma)} must be at least 0 for lr_policy {policy}"
        problems.append((("gamma",), words))
    return problems


def unused_keys(data: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    """Keys that the chosen lr_policy or type has and does not use."""
    return [
        *_unused(data, "lr_policy", "fixed", _POLICY_KEYS),
        *_unused(data, "type", "SGD", {name: update.keys for name, update in UPDATES.items()}),
    ]


def _unused(
    data: dict[str, Any], chooser: str, default: str, keys: dict[str, tuple[str, ...]]
) -> list[tuple[KeyPath, str]]:
    chosen = data.get(chooser, default)
    if not isinstance(chosen, str) or chosen not in keys:
        return []
    problems: list[tuple[KeyPath, str]] = []
    for key in dict.fromkeys(key for used in keys.values() for key in used):
        if key in data and key not in keys[chosen]:
            users = [name for name, used in keys.items() if key in used]
            words = f"is not used by {chooser} {chosen}, only by {', '.join(users)}"
            problems.append(((key,), words))
    return problems


def _missing(
    data: dict[str, Any], chooser: str, default: str, keys: dict[str, tuple[str, ...]]
) -> list[tuple[KeyPath, str]]:
    chosen = data.get(chooser, default)
    needed = keys.get(chosen, ()) if isinstance(chosen, str) else ()
    words = f"is missing; {chooser} {chosen} needs it"
    return [((key,), words) for key in needed if data.get(key) is None]
