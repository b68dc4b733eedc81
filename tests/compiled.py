"""Trainings by compiled loops beside the same ones by NumPy."""

from __future__ import annotations

import copy
import warnings

import numpy as np

import nnlite as nn

#: How far one step may be from that of NumPy, as a part of the largest number of the array concerned.
CLOSE = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-12}


class Look(nn.Callback):
    """Looks at each batch, and so has an epoch made a step at a time."""

    def on_batch_end(self, state):
        pass


def train(model, X, y, *, jit, optimizer, by_step=False, **options):
    """Train a copy of a model with a copy of an optimizer; return both and the history."""
    model, optimizer = copy.deepcopy(model), copy.deepcopy(optimizer)
    options = {"epochs": 1, "rng": 3, "loss": nn.MeanSquaredError()} | copy.deepcopy(options)
    if by_step:
        options["callbacks"] = [*options.get("callbacks", []), Look()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nn.ReplicaWarning)
        history = model.fit(X, y, jit=jit, optimizer=optimizer, **options)
    return model, optimizer, history


def numbers_of(model, optimizer):
    """Return all arrays that a training leaves, by name."""
    params = model.params
    found = {spec.name: params[spec.name] for spec in (*params.specs, *params.state_specs)}
    found |= {f"optimizer.{slot}": array for slot, array in optimizer.state.items()}
    return found


def assert_close(found, expected, tolerance, what="", *, least=0.0):
    """Compare two arrays by the largest number in the second, or by the least that is given."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, what
    largest = max(np.abs(expected).max(initial=0.0), least)
    gap = np.abs(found - expected).max(initial=0.0)
    assert gap <= tolerance * largest, f"{what}: {gap:.3g} of {largest:.3g}"


def assert_same_numbers(found, expected, tolerance):
    """Compare all arrays that two trainings leave, models and optimizers."""
    mine, theirs = numbers_of(*found), numbers_of(*expected)
    assert mine.keys() == theirs.keys()
    # Behind some layers, such as a norm, the gradient of a bias is 0 but for rounding.
    least = 0.01 * np.abs(expected[0].params.numbers).max()
    for name, array in theirs.items():
        assert_close(mine[name], array, tolerance, name, least=0.0 if name.startswith("optim") else least)


def assert_same_rows(found, expected, tolerance):
    """Compare two histories, but for their times."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert list(one) == list(other)
        for name in set(one) - {"seconds"}:
            a, b = one[name], other[name]
            if isinstance(b, list):
                assert [x is None for x in a] == [x is None for x in b], name
                a, b = ([x for x in some if x is not None] for some in (a, b))
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


def bits(model, optimizer, history):
    """Return all that a training leaves, to the last bit."""
    return {
        "numbers": model.params.numbers.tobytes(),
        "optimizer": {name: np.asarray(a).tobytes() for name, a in optimizer.state_dict().items()},
        "rows": [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows],
        "ends": [history.stop_reason, history.best_epoch, history.replicas],
    }
