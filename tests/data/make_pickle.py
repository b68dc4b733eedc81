"""Write ``pickle_1.pkl``: a model, and what trained it, as they were pickled before `nnlite.core` was there.

    python tests/data/make_pickle.py

It must not be written anew: it shows that later versions can read it. `test_persistence.py` does.
``pickle_2.pkl`` is of when Adam, the norms, Dropout and schedules stood in `nnlite.core`, and
``pickle_0.pkl``, a model of when `Sequential.layers` was an attribute, can be written by no code any more.
"""

import pickle
from pathlib import Path

import numpy as np

import nnlite as nn

PATH = Path(__file__).with_name("pickle_1.pkl")


def make():
    """Train each kind of layer, and return all that a user may have pickled."""
    rng = np.random.default_rng(0)
    X = np.hstack([rng.normal(size=(20, 2)), rng.integers(0, 3, size=(20, 1))])
    ids = rng.integers(0, 3, size=20)
    layers = [
        nn.Embedding(3, 2, numeric=2), nn.Standardize(4), nn.Dense(4, 5), nn.Tanh(), nn.Dropout(0.1),
        nn.Dense(5, 5), nn.ELU(0.5), nn.Dense(5, 4), nn.LeakyReLU(0.1), nn.Dense(4, 4), nn.GELU(),
        nn.Dense(4, 4), nn.SiLU(), nn.Dense(4, 4), nn.Softplus(), nn.Dense(4, 4), nn.Sigmoid(),
        nn.Dense(4, 4), nn.ReLU(), nn.Dense(4, 3),
    ]  # fmt: skip
    model = nn.Sequential(layers, rng=0)
    optimizer = nn.Adam(nn.CosineDecay(0.01, steps=100), weight_decay=0.01)
    options = {"loss": nn.SoftmaxCrossEntropy(label_smoothing=0.1), "epochs": 2, "batch_size": 8}
    stopping = nn.EarlyStopping(monitor="loss", patience=3)
    history = model.fit(
        X, ids, optimizer=optimizer, callbacks=[stopping], metrics=[nn.accuracy], rng=0, **options
    )
    many = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], replicas=2, rng=[0, 1])
    return {
        "X": X,
        "ids": ids,
        "options": options,
        "model": model,
        "optimizer": optimizer,
        "callback": stopping,
        "history": history,
        "predictions": model.predict(X),
        "many": many,
        "predictions of many": many.predict(X[:, :2]),
        "losses": [
            nn.BinaryCrossEntropy(), nn.GaussianNLL(), nn.Hinge(), nn.Huber(0.5), nn.MeanAbsoluteError(),
            nn.MeanSquaredError(), nn.PoissonNLL(), nn.Quantile(0.1), nn.Masked(nn.MeanSquaredError()),
        ],
        "optimizers": [
            nn.SGD(nn.WarmUp(nn.CosineDecay(0.1), steps=5), momentum=0.9), nn.RMSProp(nn.OneCycle(0.1)),
            nn.Adagrad(nn.StepDecay(0.1, every=5)), nn.AdamW(0.01), nn.Lion(0.01), nn.LBFGS(),
            nn.LevenbergMarquardt(),
        ],
        "metrics": [nn.accuracy, nn.r2, nn.roc_auc, nn.mean_absolute_error],
    }  # fmt: skip


if __name__ == "__main__":
    if PATH.exists():
        raise SystemExit(f"{PATH.name} is there already, and is to stay as it is")
    PATH.write_bytes(pickle.dumps(make(), protocol=4))
    print(PATH.name)
