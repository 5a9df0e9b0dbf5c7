"""Caffe's formulas of each solver type and regularizer as NumPy recurrences, and runs of both."""

import math

import numpy as np
import torch

from sparsenet.regularization.projections import keep_largest_
from sparsenet.regularization.regularizers import L0, L1, L2, Shrink
from sparsenet.solver.update import UPDATES

STEPS = 50
LR_MULT, DECAY_MULT, DEFAULT_DECAY = 2.0, 0.5, 0.02
KEEP, EVERY = 20, 10
DELTA = 0.03  # large, so that it is seen where it stands: beside the root or under it


def rate_at(step):
    """A learning rate that changes at every step and falls at 25, times lr_mult."""
    return LR_MULT * 0.03 * (1 + 0.05 * step) ** -0.75 * (0.2 if step >= 25 else 1)


def sgd(h, g, rate, t):
    v = 0.9 * h.get("v", 0) + rate * g
    return {"v": v}, v


def nesterov(h, g, rate, t):
    old = h.get("v", 0)
    v = 0.9 * old + rate * g
    return {"v": v}, 1.9 * v - 0.9 * old


def adam(h, g, rate, t):
    m = 0.9 * h.get("m", 0) + 0.1 * g
    v = 0.99 * h.get("v", 0) + 0.01 * g**2
    correction = math.sqrt(1 - 0.99**t) / (1 - 0.9**t)
    return {"m": m, "v": v}, rate * correction * m / (np.sqrt(v) + DELTA)


def adagrad(h, g, rate, t):
    s = h.get("s", 0) + g**2
    return {"s": s}, rate * g / (np.sqrt(s) + DELTA)


def rmsprop(h, g, rate, t):
    s = 0.95 * h.get("s", 0) + 0.05 * g**2
    return {"s": s}, rate * g / (np.sqrt(s) + DELTA)


def adadelta(h, g, rate, t):
    s = 0.9 * h.get("s", 0) + 0.1 * g**2
    u = g * np.sqrt((h.get("p", 0) + DELTA) / (s + DELTA))
    return {"s": s, "p": 0.9 * h.get("p", 0) + 0.1 * u**2}, rate * u


CAFFE = {
    "SGD": ({"momentum": 0.9}, sgd),
    "Nesterov": ({"momentum": 0.9}, nesterov),
    "Adam": ({"momentum": 0.9, "momentum2": 0.99, "delta": DELTA}, adam),
    "AdaGrad": ({"delta": DELTA}, adagrad),
    "RMSProp": ({"rms_decay": 0.95, "delta": DELTA}, rmsprop),
    "AdaDelta": ({"momentum": 0.9, "delta": DELTA}, adadelta),
}


def keep_largest(w):
    order = np.argsort(-np.abs(w), kind="stable")
    w = w.copy()
    w[order[KEEP:]] = 0
    return w


def shrunk(w, d):
    return np.where(w > d, w - d, np.where(w < -d, w + d, 0))


def same(values, *_):
    return values


REGULARIZATION = {
    "none": (None, same, same),
    "l2": (L2(), lambda g, w: g + 0.02 * 0.5 * w, same),
    "l2 of its own": (L2(weight_decay=0.3), lambda g, w: g + 0.3 * 0.5 * w, same),
    "l1": (L1(weight_decay=0.1), lambda g, w: g + 0.1 * 0.5 * np.sign(w), same),
    "shrink": (Shrink(strength=0.1), same, lambda w, rate, step: shrunk(w, 0.1 * rate)),
    "shrink delta": (Shrink(delta=0.003), same, lambda w, rate, step: shrunk(w, 0.003)),
    "l0": (
        L0(t=KEEP, interval=EVERY, weight_decay=0.3),
        lambda g, w: g + 0.3 * 0.5 * w,
        lambda w, rate, step: w if (step + 1) % EVERY else keep_largest(w),
    ),
}


def problem():
    """A quadratic: its gradient feeds every error back; weight 7 is 0 and has no gradient."""
    generator = np.random.default_rng(11)
    matrix = generator.normal(size=(64, 64)) / 8
    curvature = matrix @ matrix.T + np.eye(64) / 2
    weight, offset = generator.normal(size=(2, 64)) / 4
    curvature[7], weight[7], offset[7] = 0, 0, 0
    return curvature, offset, weight


def numpy_run(kind, regularization):
    _, formula = CAFFE[kind]
    _, penalize, project = REGULARIZATION[regularization]
    curvature, offset, w = problem()
    history = {}
    for step in range(STEPS):
        g = penalize(curvature @ w - offset, w)
        history, change = formula(history, g, rate_at(step), step + 1)
        w = project(w - change, rate_at(step), step)
    return w


def torch_run(kind, regularization, dtype):
    regularizer = REGULARIZATION[regularization][0]
    update = UPDATES[kind](**CAFFE[kind][0])
    curvature, offset, w = (torch.from_numpy(values).to(dtype) for values in problem())
    w = w.clone()
    state = update.new_state(w)
    for step in range(STEPS):
        g = curvature @ w - offset
        if regularizer is not None:
            regularizer.add_gradient_(w, g, DECAY_MULT, DEFAULT_DECAY)
        update.step_(w, g, state, rate_at(step), step)
        if regularizer is not None:
            regularizer.after_update_(w, rate_at(step))
        if isinstance(regularizer, L0) and (step + 1) % regularizer.interval == 0:
            keep_largest_(w, regularizer.t)
    return w
