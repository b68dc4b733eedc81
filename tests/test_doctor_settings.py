"""What the doctor makes of settings: what `fit` was called with, and what changes when one of them does."""

import json
import pickle

import numpy as np
import pytest

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.inspect import Doctor, doctor
from nnlite.training.history import History


def iris_net(*, rng=0):
    return nn.Sequential([nn.Standardize(4), nn.Dense(4, 16), nn.Tanh(), nn.Dense(16, 3)], rng=rng)


class TestWhatWasAskedFor:
    def test_history_keeps_it_as_plain_data(self):
        X, y = nn.datasets.iris()
        history = iris_net().fit(
            X,
            y,
            loss=nn.SoftmaxCrossEntropy(),
            optimizer=nn.SGD(0.1, momentum=0.9, clip_norm=1.0),
            epochs=3,
            batch_size=16,
            validation=0.2,
            class_weight={0: 2},
            shuffle=False,
            metrics=[nn.accuracy],
            callbacks=[nn.EarlyStopping(patience=7)],
            rng=5,
        )
        settings = history.settings
        assert (settings["epochs"], settings["rows"], settings["batch_size"]) == (3, 150, 16)
        assert (settings["validation"], settings["shuffle"], settings["rng"]) == (0.2, False, 5)
        assert settings["class_weight"] == {0: 2.0}
        assert settings["metrics"] == ["accuracy"]
        assert settings["loss"] == "SoftmaxCrossEntropy()"
        assert settings["optimizer"].startswith("SGD(learning_rate=0.1, ")
        assert "clip_norm=1.0" in settings["optimizer"]
        assert "momentum=0.9" in settings["optimizer"]
        (early,) = settings["callbacks"]
        assert early.startswith("EarlyStopping(")
        assert "patience=7" in early
        assert (settings["accumulate"], settings["jit"], settings["augment"]) == (1, False, None)
        assert json.loads(history.to_json())["settings"]["epochs"] == 3
        assert pickle.loads(pickle.dumps(history)).settings == settings

    def test_functions_and_arrays_are_named_not_kept(self):
        X, y = nn.datasets.iris()

        def turned(rows):
            return np.arange(rows)[::-1]

        history = iris_net().fit(
            X,
            y,
            loss=nn.SoftmaxCrossEntropy(),
            optimizer=nn.SGD(nn.schedules.CosineDecay(0.1)),
            epochs=1,
            validation=(X[:30], y[:30]),
            shuffle=turned,
            callbacks=[Doctor(X, y)],
        )
        assert "turned" in history.settings["shuffle"]
        assert history.settings["validation"] == 30
        assert "CosineDecay(0.1)" in history.settings["optimizer"]
        assert len(history.settings["callbacks"][0]) < 300
        json.dumps(history.settings)

    def test_of_batches_it_says_what_is_known(self):
        X, y = nn.datasets.iris()
        history = iris_net().fit([(X, y)], loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), epochs=2)
        assert history.settings["rows"] is None
        assert history.settings["batch_size"] is None
        assert history.settings["epochs"] == 2

    def test_replicas_have_it_too(self):
        X, y = nn.datasets.iris()
        model = nn.Sequential([nn.Dense(4, 3)], replicas=2, rng=0)
        history = model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.SGD(0.1), epochs=2)
        assert history.replica(1).settings == history.settings
        assert history.settings["epochs"] == 2

    def test_an_old_history_has_none(self):
        history = History()
        history.rows += [{"epoch": 1, "loss": 0.5}]
        state = dict(vars(history))
        del state["settings"]
        old = History.__new__(History)
        old.__setstate__(state)
        assert old.settings == {}
        assert old["loss"] == [0.5]
        assert "settings" not in old.to_dict()


class TestWhatTheDoctorKnows:
    def test_arguments_are_checked(self):
        X, y = nn.datasets.iris()
        known = (iris_net(), X, y, nn.SoftmaxCrossEntropy(), nn.SGD(0.1))
        with pytest.raises(ArgumentError, match=r"doctor\(epochs=\)"):
            doctor(*known, epochs=0)
        with pytest.raises(ArgumentTypeError, match=r"doctor\(shuffle=\)"):
            doctor(*known, shuffle="yes")
        with pytest.raises(ArgumentTypeError, match="EarlyStopping"):
            doctor(*known, callbacks=[3])
