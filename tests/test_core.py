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
from nnlite.core.dense import Dense
from nnlite.core.dropout import Dropout
from nnlite.core.model import Sequential

x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])
model = Sequential([Dense(2, 8), Tanh(), Dropout(0.01), Dense(8, 1)], dtype=np.float64, rng=0)
untrained = copy.deepcopy(model)
before = ((model.forward(x) - y) ** 2).mean()
for step in range(2000):
    ctx = model.context()
    model.backward((model.forward(x, ctx) - y) / 2, ctx)
    model.params.values -= 0.3 * model.params.grads
assert ((model.forward(x) - y) ** 2).mean() < 0.05 * before
assert ((untrained.forward(x) - y) ** 2).mean() == before
print(*sorted(name for name in sys.modules if name.startswith("nnlite.")))
"""


def test_it_trains_where_nothing_else_can_be_imported():
    run = subprocess.run([sys.executable, "-c", ALONE, str(PACKAGE)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    rooms = {name.split(".")[1] for name in run.stdout.split()}
    assert rooms == {"core", "errors"}
