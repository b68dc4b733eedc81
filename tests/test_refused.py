"""What was refused has changed nothing: random bad arguments of models, of what takes one, of optimizers."""

import contextlib
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.training.in_use import _users

REFUSED = (ArgumentError, ArgumentTypeError, OSError)
ROWS = 12
X = np.random.default_rng(0).normal(2.0, 3.0, (ROWS, 3)).astype(np.float32)
Y = (X[:, :2] / 3).astype(np.float32)
NAN = np.where(np.arange(3 * ROWS).reshape(ROWS, 3) == 7, np.nan, X)

NO_NUMBER = st.sampled_from(["a", None, [], {}, object(), nn.Dense, X, 1j, True])
NO_POSITIVE = st.sampled_from([0, -1, 1.5, np.nan, np.inf]) | NO_NUMBER.filter(
    lambda value: value is not None
)
BAD_X = st.sampled_from(
    [X[:, :2], X[0], X[:0], NAN, NAN * np.inf, "a", None, 3, [["a", "b", "c"]], np.zeros((ROWS, 3), complex),
     np.zeros((5, ROWS, 3)), iter([(X, Y)]), {"a": [1]}, np.ma.masked_array(X, X > 2), [X] * 5, (X, Y)]
)  # fmt: skip
BAD_Y = st.sampled_from(
    [Y[:5], Y[:, :1], Y[0], Y * np.nan, "a", 3, [["a", "b"]] * ROWS, Y[None], Y.astype(complex), {}]
)
BAD_WEIGHT = st.sampled_from(
    [np.ones(5), -np.ones(ROWS), np.full(ROWS, np.nan), "a", np.zeros((ROWS, 2)), object()]
)
BAD_METRICS = st.sampled_from(
    [[3], "accuracy", [nn.Dense], {"m": 3}, {3: nn.r2}, [nn.r2, nn.r2], [lambda pred, target: "text"],
     [lambda pred, target: None], [lambda pred: 1.0], nn.r2]
)  # fmt: skip


def late(batches):
    """Make a stream that goes wrong in its last batch."""
    return lambda: iter([(X, Y), *batches])


BAD_STREAM = st.sampled_from(
    [late([(X[:, :2], Y)]), late([(X, Y[:3])]), late([3]), late([(X, Y, -np.ones(ROWS))]), late([(NAN, Y)]),
     late([(X, Y, np.ones(ROWS))]), lambda: iter([]), lambda: 3, [], iter([(X, Y)])]
)  # fmt: skip


class Refuses(nn.Callback):
    def check(self, state):
        raise ArgumentError("Refuses", "nothing", "something", "Leave it out.")


BAD = {
    "X": BAD_X,
    "y": BAD_Y,
    "loss": st.sampled_from([nn.MeanSquaredError, "mse", None, 3, lambda pred, target: 0.0]),
    "optimizer": st.sampled_from([nn.SGD, "adam", None, 0.1, nn.LevenbergMarquardt]),
    "epochs": NO_POSITIVE,
    "batch_size": NO_POSITIVE,
    "weight": BAD_WEIGHT,
    "validation": st.sampled_from([0.0, 1.0, -0.1, 2, (X, Y[:3]), (X[:, :2], Y), (NAN, Y), (X,), (X, Y, 3)]),
    "metrics": BAD_METRICS,
    "callbacks": st.sampled_from(
        [[3], nn.EarlyStopping, [nn.EarlyStopping()], [nn.EarlyStopping(monitor="los")], "a", [Refuses()],
         [nn.Checkpoint("nowhere/at/all")], [nn.ProgressBar(show=["los"])], [nn.ReduceOnPlateau(monitor="x")]]
    ),
    "shuffle": st.sampled_from([2, "a", None, [1], lambda rows: [0], lambda rows: "a"]),
    "rng": st.sampled_from(["a", -1, 1.5, {}, np.random.RandomState]),
    "resume": st.sampled_from(["nowhere", 3, "a\0b", "good", "damaged"]),
    "distributed": st.sampled_from([1, "a", None, {}]),
}  # fmt: skip


class Scene:
    """A model that has been trained, with all that belongs to it, and what it is all like."""

    def __init__(self, folder, *, kind, replicas=None):
        self.folder = folder
        self.model = nn.Sequential(
            [nn.Standardize(3), nn.Dense(3, 4), nn.Tanh(), nn.Dropout(0.2), nn.Dense(4, 2)],
            rng=0,
            replicas=replicas,
        )
        self.optimizer = kind()
        self.callbacks = [nn.EarlyStopping(monitor="loss", patience=3), nn.TimeLimit(1e6)]
        self.good = {
            "X": X,
            "y": Y,
            "loss": nn.MeanSquaredError(),
            "optimizer": self.optimizer,
            "epochs": 2,
            "batch_size": 5,
            "callbacks": self.callbacks,
        }

    def fit(self, **changed):
        options = self.good | changed
        return self.model.fit(options.pop("X"), options.pop("y"), **options)

    def everything(self):
        model = self.model
        params = model.params
        return {
            "values": params.values.tobytes(),
            "grads": params.grads.tobytes(),
            "frozen": params.frozen,
            "rng": repr(model.rng.bit_generator.state),
            "names": model.feature_names,
            "encoder": model.preprocessing,
            "layers": [plain(vars(layer)) for layer in model.layers],
            "optimizer": plain(vars(self.optimizer)),
            "state": plain(self.optimizer.state_dict()),
            "callbacks": [plain(vars(callback)) for callback in self.callbacks],
            "data": (X.tobytes(), Y.tobytes()),
            "files": {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())},
            "in use": dict(_users),
            "signal": signal.getsignal(signal.SIGINT),
            "filters": list(warnings.filters),
            "numpy": np.geterr(),
        }


#: What is found anew when it is needed.
CACHES = {"_views", "params", "_slices", "_attached", "_blocks", "_owner"}


def plain(value):
    """Return something that can be compared."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key not in CACHES}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else repr(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("refused")


@pytest.fixture(scope="module", params=["SGD", "Adam", "fresh", "replicas"])
def scene(request, folder):
    kind = {"SGD": lambda: nn.SGD(0.01, momentum=0.9)}.get(request.param, lambda: nn.Adam(0.01))
    made = Scene(folder, kind=kind, replicas=2 if request.param == "replicas" else None)
    if request.param != "fresh":
        made.fit()
        made.model.save(folder / "damaged")
        other = nn.Sequential([nn.Dense(3, 2)], rng=0)
        options = {"loss": nn.MeanSquaredError(), "optimizer": nn.SGD(0.1), "epochs": 1}
        other.fit(X, Y, callbacks=[nn.Checkpoint(folder / "good")], **options)
        content = bytearray((folder / "damaged").read_bytes())
        content[-3] ^= 1
        (folder / "damaged").write_bytes(content)
    return made


@contextlib.contextmanager
def nothing_changes(scene, *, but=()):
    before = scene.everything()
    with warnings.catch_warnings(), pytest.raises(REFUSED) as caught:  # noqa: PT012 - after it is to be seen
        warnings.simplefilter("ignore")
        before["filters"] = list(warnings.filters)
        try:
            yield
        finally:
            after = scene.everything()
    for name, value in before.items():
        assert name in but or after[name] == value, f"{name} after {caught.value}"


@given(data=st.data())
@settings(max_examples=120)
def test_fit(scene, data):
    names = data.draw(st.lists(st.sampled_from(sorted(BAD)), min_size=1, max_size=2, unique=True))
    changed = {name: data.draw(BAD[name], label=name) for name in names}
    if isinstance(changed.get("resume"), str) and "\0" not in changed["resume"]:
        changed["resume"] = scene.folder / changed["resume"]
    # What only the first epoch can find is found behind the beginning of the callbacks.
    with nothing_changes(scene, but={"callbacks"} if {"metrics", "shuffle", "X"} & changed.keys() else ()):
        scene.fit(**changed)


@given(stream=BAD_STREAM, held_out=st.booleans())
def test_fit_on_a_stream(scene, stream, held_out):
    with nothing_changes(scene, but={"callbacks"}):
        scene.fit(**({"validation": stream} if held_out else {"X": stream, "y": None}))


@pytest.mark.parametrize("kind", [nn.LBFGS, nn.LevenbergMarquardt])
@given(data=st.data())
@settings(max_examples=40)
def test_fit_by_a_search(folder, kind, data):
    made = Scene(folder, kind=kind)
    made.model = nn.Sequential([nn.Standardize(3), nn.Dense(3, 2)], rng=0)
    name = data.draw(st.sampled_from([name for name in sorted(BAD) if name != "shuffle"]))
    value = data.draw(BAD[name])
    if name == "resume" and value in ("good", "damaged"):
        value = made.folder / value
    if value is nn.LevenbergMarquardt:
        value = nn.SGD
    with nothing_changes(made, but={"callbacks"}):
        made.fit(**{"batch_size": None, name: value})


#: What no call takes, with replicas or without, and whatever its numbers may be.
NO_X = BAD_X.filter(
    lambda x: not (isinstance(x, np.ndarray) and (x is NAN or x.ndim == 3 or np.isinf(x).any()))
)
NO_METRICS = st.sampled_from([[3], "accuracy", [nn.Dense], {"m": 3}, {3: nn.r2}, [nn.r2, nn.r2], nn.r2])

CALLS = {
    "predict": lambda model, d: model.predict(d.draw(NO_X)),
    "predict in batches": lambda model, d: model.predict(X, batch_size=d.draw(NO_POSITIVE)),
    "predict out": lambda model, d: model.predict(
        X, out=d.draw(st.sampled_from([X, "a", np.zeros((ROWS, 2), int)]))
    ),
    "predict_blocks": lambda model, d: list(
        model.predict_blocks(d.draw(st.sampled_from([3, [X, X[:, :1]], "a"])))
    ),
    "evaluate": lambda model, d: model.evaluate(d.draw(NO_X), Y, loss=nn.MeanSquaredError()),
    "evaluate y": lambda model, d: model.evaluate(X, d.draw(BAD_Y), loss=nn.MeanSquaredError()),
    "evaluate weight": lambda model, d: model.evaluate(
        X, Y, loss=nn.MeanSquaredError(), weight=d.draw(BAD_WEIGHT)
    ),
    "evaluate metrics": lambda model, d: model.evaluate(X, Y, metrics=d.draw(NO_METRICS)),
    "evaluate loss": lambda model, d: model.evaluate(X, Y, loss=d.draw(BAD["loss"].filter(bool))),
    "activations": lambda model, d: model.activations(d.draw(NO_X)),
    "loss_and_grad": lambda model, d: model.loss_and_grad(d.draw(NO_X), Y, nn.MeanSquaredError()),
    "loss_and_grad y": lambda model, d: model.loss_and_grad(X, d.draw(BAD_Y), nn.MeanSquaredError()),
    "save": lambda model, d: model.save(
        d.draw(st.sampled_from([3, None, "a\0", "nowhere/at/all", "/", "/dev/null"]))
    ),
    "initialize": lambda model, d: model.initialize(rng=d.draw(BAD["rng"])),
    "replica": lambda model, d: model.replica(d.draw(st.sampled_from([-1, 2, "a", 1.5]))),
    "best": lambda model, d: model.best(d.draw(st.sampled_from([3, None, nn.History()]))),
    "names": lambda model, d: setattr(
        model, "feature_names", d.draw(st.sampled_from([3, "abc", ["a"], ["a", "a", "b"], [1, 2, 3]]))
    ),
    "frozen": lambda model, d: setattr(
        model.params, "frozen", d.draw(st.sampled_from([["9.W"], 3, "1.W", [1]]))
    ),
    "freeze": lambda model, d: model[1].freeze(d.draw(st.sampled_from(["w", 3, ""]))),
    "parameter": lambda model, d: model.params[d.draw(st.sampled_from(["w", 3, "9.W"]))],
    "adapt": lambda model, d: nn.Sequential([nn.Standardize(3)]).adapt(d.draw(NO_X)),
    "find_learning_rate": lambda model, d: nn.inspect.find_learning_rate(
        model, d.draw(NO_X), Y, nn.MeanSquaredError(), steps=10, trials=0
    ),
    "sweep": lambda model, d: nn.sweep(model, d.draw(NO_X), Y, loss=nn.MeanSquaredError(), epochs=2),
    "explain_step": lambda model, d: nn.inspect.explain_step(
        model, d.draw(NO_X), Y, nn.MeanSquaredError(), nn.SGD(0.1)
    ),
}


@pytest.mark.parametrize("name", CALLS)
@given(data=st.data())
@settings(max_examples=12)
def test_calls(scene, name, data):
    with nothing_changes(scene):
        CALLS[name](scene.model, data)


@given(data=st.data())
@settings(max_examples=60)
def test_optimizers(scene, data):
    optimizer = scene.optimizer
    state = optimizer.state_dict()
    if not optimizer.state:
        return
    name = data.draw(st.sampled_from(sorted(optimizer.state)))
    wrong = data.draw(st.sampled_from([None, "a", np.zeros(scene.model.params.values.shape, int), -1]))
    other = nn.Sequential([nn.Dense(3, 2)], rng=0)
    bad = [
        {},
        state | {"more": 1},
        {key: value for key, value in state.items() if key != name},
        state | {name: wrong},
    ]
    calls = [
        *(lambda one=one: optimizer.load_state_dict(one) for one in bad),
        lambda: optimizer.step(other.params),
    ]
    with nothing_changes(scene):
        data.draw(st.sampled_from(calls))()


@given(
    st.sampled_from([nn.SGD, nn.Adam, nn.RMSProp, nn.Lion, nn.AdamW]), NO_NUMBER.filter(lambda v: v is not X)
)
def test_rates(kind, rate):
    with pytest.raises(REFUSED):
        kind(rate)


def test_the_folder_of_the_tests_is_as_it_was():
    assert not Path("nowhere").exists()
