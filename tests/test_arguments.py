"""Calls with arguments that do not exist or are missing: the message names the right one."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import pickle
import pkgutil
import textwrap

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentTypeError
from nnlite.errors.arguments import Declared, _takes, explained

X, Y = np.zeros((4, 2)), np.zeros((4, 1))


def model():
    return nn.Sequential([nn.Dense(2, 1)], rng=0)


def fit(**options):
    return model().fit(X, Y, loss=nn.MeanSquaredError(), optimizer=nn.SGD(0.1), **options)


WRONG = {
    "an activation": (
        lambda: nn.Dense(64, activation="relu"),
        r"Dense\(activation=\).*write Dense\(...\), ReLU",
    ),
    "one size": (
        lambda: nn.Dense(64),
        r"the argument out_features, got 64 alone. Write Dense\(in_features, out",
    ),
    "no size": (lambda: nn.Dense(), "the arguments in_features and out_features, got none"),
    "a size twice": (lambda: nn.Dense(2, 3, in_features=2), "it once, got it by place and by name"),
    "too many": (
        lambda: nn.Dense(2, 3, True),
        "at most 2 arguments without a name, got 3.*Name the rest: bias=",
    ),
    "an activation by place": (
        lambda: nn.Dense(2, 3, "relu"),
        "got 3 without a name. Activations are layers",
    ),
    "a rate for fit": (
        lambda: nn.Sequential([nn.Dense(2, 3)]).fit([[1, 2]], [1], lr=0.1),
        r"A rate is for SGD, Adam and the like: optimizer=nnlite.Adam\(0.01\)",
    ),
    "a warm-up": (lambda: nn.CosineDecay(0.1, warmup=5), "Put WarmUp around it"),
    "no shape": (lambda: nn.Flatten(), r"Write Flatten\(shape\): shape of one sample, such as \(8, 8\)"),
    "lr": (lambda: nn.Adam(lr=0.1), r"Adam\(lr=\).*Write learning_rate=0.1"),
    "lr of SGD": (lambda: nn.SGD(lr=0.1), r"SGD\(lr=\).*Write learning_rate=0.1"),
    "lr of a schedule": (lambda: nn.OneCycle(lr=0.1), "Write peak=0.1"),
    "betas": (lambda: nn.AdamW(betas=(0.9, 0.99)), "beta1=0.9, beta2=0.999"),
    "params": (lambda: nn.Lion(params=model().params), "leave them out"),
    "p": (lambda: nn.Dropout(p=0.5), r"Dropout\(p=\).*Write rate=0.5"),
    "dim": (lambda: nn.Softmax(dim=1), r"Softmax\(dim=\): expected no arguments.*last axis"),
    "of a layer without any": (lambda: nn.Tanh(3), r"Tanh\(\): expected no arguments, got 1"),
    "layers in a row": (
        lambda: nn.Sequential(nn.Dense(2, 1), nn.Tanh()),
        r"as a list: Sequential\(\[...\]\)",
    ),
    "from_logits": (lambda: nn.BinaryCrossEntropy(from_logits=True), "take logits"),
    "a slip": (lambda: nn.Huber(delt=2.0), r"Huber\(delt=\).*Did you mean delta="),
    "an image for a layer": (
        lambda: nn.Conv2D(1, 4, 3, input_shape=(8, 8, 1)),
        r"Put Input\(\(8, 8, 1\)\) in front",
    ),
    "filters": (lambda: nn.Conv2D(filters=4, kernel_size=3), "Write out_channels=4"),
    "in_features of a convolution": (lambda: nn.Conv2D(in_features=2), "Write in_channels=2"),
    "hidden_size": (lambda: nn.GRU(input_size=3, hidden_size=5), "Write in_features=3"),
    "an activation of a convolution": (
        lambda: nn.Conv2D(1, 4, 3, activation="relu"),
        r"write Conv2D\(...\), ReLU\(\)",
    ),
    "an activation by place there": (lambda: nn.GRU(1, 4, "tanh"), r"write GRU\(...\), ReLU\(\)"),
    "a penalty of a convolution": (
        lambda: nn.Conv2D(1, 4, 3, l2=0.1),
        r"Group\(\[Conv2D\(...\)\], l2=0.01\)",
    ),
    "decay of a layer": (
        lambda: nn.Dense(16, 8, weight_decay=0.01),
        r"Group\(\[Dense\(...\)\], l2=0.01\), or write AdamW\(weight_decay=0.01\) for all\.$",
    ),
    "sizes one by one": (lambda: nn.Flatten(6, 6, 4), r"Write Flatten\(\(6, 6, 4\)\)\.$"),
    "branches one by one": (
        lambda: nn.Add(nn.Dense(2, 2), nn.Dense(2, 2)),
        r"Write the branches as a list: Add\(\[...\]\)",
    ),
    "maxlen": (lambda: nn.pad_sequences([[1]], maxlen=10), "Write length=10"),
    "a slip in windows": (lambda: nn.windows([1, 2, 3], 2, targts=0), "Did you mean targets="),
    "no steps": (lambda: nn.windows([1, 2, 3]), "the argument steps"),
    "a horizon": (lambda: nn.forecast(model(), [1, 2], horizon=2), "Write steps=2"),
    "a slip in a callback": (lambda: nn.EarlyStopping(patiente=3), "Did you mean patience="),
    "no name": (
        lambda: nn.EarlyStopping("loss"),
        "named arguments only, got 1 without a name. Name the rest",
    ),
    "of an initializer": (lambda: nn.initializers.HeNormal(seed=0), r"HeNormal\(seed=\).*Leave it out"),
    "of an encoder": (lambda: nn.TableEncoder(foo=1), r"TableEncoder\(foo=\)"),
    "of LBFGS": (lambda: nn.LBFGS(lr=1), r"LBFGS\(lr=\)"),
    "verbose": (lambda: fit(verbose=1), r"fit\(verbose=\).*ProgressBar\(\)"),
    "validation_split": (lambda: fit(validation_split=0.2), "Write validation=0.2"),
    "random_state": (lambda: fit(random_state=0), "Write rng=0"),
    "no loss": (
        lambda: model().fit(X, Y),
        r"arguments loss and optimizer.*Sequential.fit\(X, y, loss=..., opt",
    ),
    "loss by place": (
        lambda: model().fit(X, Y, nn.MeanSquaredError()),
        "at most 2 arguments.*Name the rest: loss=",
    ),
    "sample_weight": (lambda: model().evaluate(X, Y, sample_weight=1), "Write weight=1"),
    "test_size": (lambda: nn.train_test_split(X, Y, test_size=0.5), "Write test=0.5"),
    "n_splits": (lambda: nn.k_folds(10, n_splits=3), "Write folds=3"),
    "num_classes": (lambda: nn.one_hot([0], num_classes=3), "Write classes=3"),
    "no path": (lambda: nn.load(), r"load\(\): expected the argument path"),
    "of a sweep": (lambda: nn.sweep(model(), X, Y, lr=[0.1]), r"sweep\(lr=\).*learning_rate=\[0.1\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_message_names_the_right_argument(case):
    call, words = WRONG[case]
    with pytest.raises(ArgumentTypeError, match=words) as error:
        call()
    assert error.value.__suppress_context__  # Python's own words are not shown above


def test_classes_of_ones_own_explain_theirs():
    class Gain(nn.Layer):
        def __init__(self, features, *, start=1.0):
            self.features = features

    class Signed(nn.Optimizer):
        """Has the ``__init__`` of its base."""

    class Ends(nn.Callback):
        def __init__(self, after):
            self.after = after

    for call, words in (
        (lambda: Gain(3, strat=2.0), r"Gain\(strat=\).*Did you mean start="),
        (lambda: Gain(), r"Gain\(\): expected the argument features, got none. Write Gain\(features\)"),
        (lambda: Signed(lr=0.1), r"Signed\(lr=\).*Write learning_rate=0.1"),
        (lambda: Ends(), r"Ends\(\): expected the argument after"),
    ):
        with pytest.raises(ArgumentTypeError, match=words):
            call()


def test_a_type_error_from_inside_is_passed_on():
    class Adds(nn.Layer):
        def __init__(self, a):
            self.a = a + 1

    with pytest.raises(TypeError, match="can only concatenate") as error:
        Adds("x")
    assert not isinstance(error.value, ArgumentTypeError)

    @explained
    def outer(a):
        return inner(a, 1)

    def inner(a):
        return a

    with pytest.raises(TypeError, match="takes 1 positional") as error:
        outer(2)
    assert not isinstance(error.value, ArgumentTypeError)


def test_signatures_and_documentation_are_kept():
    assert list(inspect.signature(nn.Dense).parameters)[:3] == ["in_features", "out_features", "bias"]
    assert "loss" in inspect.signature(nn.Sequential.fit).parameters
    assert nn.Sequential.fit.__doc__.startswith("Train:")
    assert nn.Dense.__init__.__name__ == "__init__"
    assert nn.load.__module__ == "nnlite.files.models"
    layer = nn.Dense(2, 3, bias=False)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(other) == repr(layer) == "Dense(2, 3, bias=False)"


def test_estimators_explain_their_arguments():
    pytest.importorskip("sklearn")
    from nnlite import sklearn as estimators

    with pytest.raises(ArgumentTypeError, match=r"\(hidden_layers=\).*Did you mean hidden_layer_sizes="):
        estimators.MLPClassifier(hidden_layers=(3,))


class TestAttributes:
    """What nobody reads is not taken, from a class of nnlite."""

    @pytest.mark.parametrize(
        ("make", "name", "fix"),
        [
            (lambda: nn.SGD(0.1), "weight_dacay", r"Did you mean weight_decay=\?"),
            (lambda: nn.Adam(), "lr", r"Write learning_rate=0\.5\."),
            (lambda: nn.Adagrad(), "momentum", "Leave it out"),
            (lambda: nn.LBFGS(), "weight_decay", "Put the layer into a group"),
            (lambda: nn.LBFGS(), "learning_rate", "A rate is for SGD"),
            (lambda: nn.Huber(), "detla", r"Did you mean delta=\?"),
            (lambda: nn.Dropout(0.1), "p", r"Write rate=0\.5\."),
            (lambda: nn.Dense(2, 2), "weights", ""),
            (lambda: nn.EarlyStopping(), "patients", r"Did you mean patience=\?"),
            (lambda: nn.TimeLimit(5), "second", r"Did you mean seconds=\?"),
            (lambda: nn.CosineDecay(0.1, steps=5), "finale", r"Did you mean final=\?"),
            (lambda: nn.initializers.HeNormal(), "scale", "Leave it out"),
        ],
    )
    def test_one_that_nobody_reads_is_refused(self, make, name, fix):
        thing = make()
        kept = dict(vars(thing))
        with pytest.raises(ArgumentTypeError, match=rf"\.{name}: expected an attribute that it reads.*{fix}"):
            setattr(thing, name, 0.5)
        assert vars(thing) == kept

    def test_those_that_are_read_can_be_set(self):
        optimizer = nn.RMSProp(0.1)
        optimizer.weight_decay, optimizer.momentum, optimizer.clip_norm = 0.5, 0.9, 1.0
        optimizer.learning_rate, optimizer.rate_factor = [0.1, 0.2], 0.5
        nn.EarlyStopping().patience = 5
        layer = nn.Dropout(0.1)
        layer.rate = 0.2
        layer.forward = lambda x, ctx=None: x  # a method for one layer alone

    def test_a_class_of_ones_own_takes_every_name(self):
        class Mine(nn.SGD):
            pass

        mine = Mine(0.1)
        mine.note = "a name that nnlite does not know"
        assert mine.note

    def test_every_attribute_that_a_class_of_nnlite_sets_is_declared(self):
        """Or its own methods would be refused."""
        pytest.importorskip("matplotlib")
        pytest.importorskip("sklearn")
        for module in pkgutil.walk_packages(nn.__path__, "nnlite."):
            if module.name.startswith(("nnlite.inspect", "nnlite.plot", "nnlite.sklearn", "nnlite.sweeps")):
                importlib.import_module(module.name)
        classes, found = [Declared], {}
        for cls in classes:
            classes += cls.__subclasses__()
            if not cls.__module__.startswith("nnlite."):
                continue
            for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
                own = isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self"
                if own and isinstance(node.ctx, ast.Store) and not node.attr.startswith("_"):
                    found[f"{cls.__name__}.{node.attr}"] = _takes(cls, node.attr)
        assert len(found) > 50
        assert [name for name, known in found.items() if not known] == []
