"""The core stands alone: it computes, and trains, with nothing else of the package but errors."""

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "nnlite"

ALONE = """
import sys
import types
from importlib.abc import MetaPathFinder

package = types.ModuleType("nnlite")  # without its __init__, which imports everything
package.__path__ = [sys.argv[1]]
sys.modules["nnlite"] = package


class NothingElse(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top, _, rest = name.partition(".")
        if top in {"scipy", "tqdm"} or (top == "nnlite" and rest.partition(".")[0] not in {"core", "errors"}):
            raise ImportError(name)


sys.meta_path.insert(0, NothingElse())

import copy

import numpy as np

from nnlite.core.activations import Tanh
from nnlite.core.batches import Batches
from nnlite.core.cross_entropy import SoftmaxCrossEntropy
from nnlite.core.dense import Dense
from nnlite.core.layer import Layer
from nnlite.core.loop import Loop
from nnlite.core.losses import MeanSquaredError
from nnlite.core.model import Sequential
from nnlite.core.optimizers import SGD
from nnlite.core.parameters import Parameter, State
from nnlite.core.chain import Chain


class Shifted(Layer):
    # Takes the mean of the rows that it has seen away, and adds one that it learns.

    shift = Parameter()
    mean = State()

    def __init__(self, features):
        self.features = features
        self.declare("shift", (features,), decay=False)
        self.declare("mean", (features,))

    def forward(self, x, ctx=None):
        if ctx is not None:
            self.mean += 0.1 * (x.mean(axis=-2) - self.mean)
        return x - self.mean + self.shift

    def backward(self, dy, ctx):
        np.sum(dy, axis=-2, out=ctx.grads.shift)
        return dy


x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])
model = Sequential([Dense(2, 8), Tanh(), Dense(8, 1)], dtype=np.float64, rng=0)
untrained = copy.deepcopy(model)
loss = MeanSquaredError()
y = loss.prepare(y.tolist(), (4, 1), x.dtype)
before, _ = loss.value_and_grad(model.forward(x), y)
for step in range(2000):
    ctx = model.context()
    model.backward(loss.value_and_grad(model.forward(x, ctx), y)[1], ctx)
    model.params.values -= 0.3 * model.params.grads
assert loss.value_and_grad(model.forward(x), y)[0] < 0.05 * before
assert loss.value_and_grad(untrained.forward(x), y)[0] == before
deep = Sequential([Dense(2, 8), Shifted(8), Chain([Tanh(), Dense(8, 8)]), Dense(8, 1)], rng=0)
x32, y32 = x.astype(np.float32), y.astype(np.float32)
data = Batches((x32, y32, np.ones(4, np.float32)), batch_size=4, rng=np.random.default_rng(0))
loop = Loop(deep, data, loss, SGD(0.1, momentum=0.9), epochs=300)
loop.run()
losses = loop.losses
assert deep.params.state.shape == (8,) and deep.params.state.all()
assert losses[-1] < 0.05 * losses[0]
assert loss.value_and_grad(deep.forward(x32), y32)[0] < 0.1 * losses[0]
two = x[:, :1] * [[0.0, 1.0]]
one_of_two, _ = SoftmaxCrossEntropy().value_and_grad(two, y[:, 0].astype(int))
assert abs(one_of_two - np.mean(np.log1p(np.exp(two[:, 1])) - two[:, 1] * y[:, 0])) < 1e-15
print(*sorted(name for name in sys.modules if name.startswith("nnlite.")))
"""


def test_it_trains_where_nothing_else_can_be_imported():
    run = subprocess.run([sys.executable, "-c", ALONE, str(PACKAGE)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    rooms = {name.split(".")[1] for name in run.stdout.split()}
    assert rooms == {"core", "errors"}
