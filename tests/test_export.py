"""Nets to take away: the sources say what the model says, compile without a warning, and refuse the rest."""

from __future__ import annotations

import ast
import copy
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples import LAYERS, again, before, draw, padding_of, shape_for

import nnlite as nn
from nnlite import layers
from nnlite.core import model as core
from nnlite.data.table import TableEncoder
from nnlite.errors import ArgumentError, ArgumentTypeError, NotFittedError
from nnlite.exchange import table
from nnlite.exchange.source.text import decimal
from nnlite.exchange.source.to_numpy import MOST_DECIMALS
from nnlite.export import to_c, to_numpy
from nnlite.layers.windows import Sliding

each_layer = pytest.mark.parametrize("layer", LAYERS, ids=repr)
both = pytest.mark.parametrize("export", [to_numpy, to_c])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def data_for(layer, rng):
    """Draw rows that a layer takes: ordinary numbers, corners, and large ones."""
    x = draw(layer, rng, 40, width=6)
    if not hasattr(layer, "draw_input"):
        x[x != padding_of(layer)] *= 3
        x[0].flat = [0, -0.0, 1, -1, 60, -60]
        x[1].flat = [1e-6, -1e-6, 500, -500, 1e4, -1e4]
    return x


def net_of(layer, dtype, rng):
    """Make a net of one layer; C needs to know how many numbers come in."""
    sized = before(layer) if layer.input_shape else [layers.Flatten((6,))]
    model = nn.Sequential([*sized, again(layer)], dtype=dtype, rng=0)
    model.params.values[...] = rng.normal(size=model.params.size)
    if isinstance(layer, layers.Standardize):
        scales = np.array([1, 10, 100, 1e-3])[: layer.features]
        model.adapt((rng.normal(size=(50, layer.features)) + [0, 0.5, -5, 1e3][: layer.features]) * scales)
    return model


def deep_net(dtype, rng):
    """Make a net with most layers in a row, and images as its input."""
    model = nn.Sequential(
        [
            layers.LeakyReLU(),
            layers.Softmax(),
            layers.Flatten((2, 3)),
            layers.Standardize(6),
            layers.Dense(6, 40),
            layers.ReLU(),
            layers.Dropout(0.1),
            layers.Dense(40, 30),
            layers.GELU(),
            layers.Dense(30, 5, bias=False),
            layers.LogSoftmax(),
        ],
        dtype=dtype,
        rng=0,
    )
    X = rng.normal(size=(100, 2, 3))
    model.adapt(X)
    return model, X


def assert_close(found, expected, tolerance):
    """Compare relative to the size of the outputs."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    scale = np.maximum(1.0, np.abs(expected))
    assert (np.abs(found - expected) <= tolerance * scale).all(), np.abs((found - expected) / scale).max()


def by_size(model, found, wanted):
    """See answers by the largest number of their row where sums of large numbers may leave little."""
    if any(isinstance(one, Sliding | layers.SelfAttention) for one in model):
        size = np.abs(wanted).max(axis=tuple(range(1, wanted.ndim)), keepdims=True).clip(1)
        return found / size, wanted / size
    return found, wanted


def run(source):
    space = {}
    exec(compile(source, "net.py", "exec"), space)
    return space


# NumPy.


@each_dtype
@each_layer
def test_numpy_says_the_same(layer, dtype, rng):
    model, x = net_of(layer, dtype, rng), data_for(layer, rng)
    y, wanted = run(to_numpy(model))["predict"](x), model.predict(x)
    assert y.dtype == dtype
    assert_close(*by_size(model, y, wanted), 1e-6 if dtype == np.float32 else 1e-14)


@each_dtype
def test_numpy_of_a_deep_net(dtype, rng):
    model, X = deep_net(dtype, rng)
    source = to_numpy(model)
    assert "unpack((40, 30)" in source  # both ways to write numbers are tried
    assert "W4 = np.array([" in source
    assert_close(run(source)["predict"](X), model.predict(X), 1e-6 if dtype == np.float32 else 1e-13)


@each_dtype
@pytest.mark.parametrize("columns", [10, MOST_DECIMALS])
def test_no_bit_of_a_weight_is_lost(columns, dtype, rng):
    model = nn.Sequential([layers.Dense(columns, 3)], dtype=dtype)
    largest = np.finfo(dtype).max
    model.params.values[...] = rng.normal(size=model.params.size) * 10.0 ** rng.integers(-30, 30)
    model.params.values[:6] = [largest, -largest, np.finfo(dtype).smallest_subnormal, -0.0, 0.1, 1e22]
    space = run(to_numpy(model))
    for name in ("W", "b"):
        found = space[f"{name}0"]
        assert found.dtype == dtype
        assert found.tobytes() == model.params[f"0.{name}"].tobytes()


def test_the_source_needs_only_numpy_and_is_run_by_a_python_without_nnlite(tmp_path, rng):
    model, X = deep_net(np.float32, rng)
    assert to_numpy(model, tmp_path / "net.py") == (tmp_path / "net.py").read_text(encoding="utf-8")
    np.save(tmp_path / "x.npy", X[:5])
    code = "import numpy as np, sys, net; np.save('y.npy', net.predict(np.load('x.npy')))"
    code += "; assert not [name for name in sys.modules if name.split('.')[0] in ('nnlite', 'scipy')]"
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
    assert_close(np.load(tmp_path / "y.npy"), model.predict(X[:5]), 1e-6)


def test_numpy_takes_what_nnlite_takes_and_refuses_other_shapes(rng):
    model = nn.Sequential([layers.Dense(3, 2)], rng=0)
    predict = run(to_numpy(model))["predict"]
    assert (predict([[1, 2, 3]]) == model.predict([[1, 2, 3]])).all()
    for wrong in ([1, 2, 3], [[1, 2]], np.zeros((2, 2, 3))):
        with pytest.raises(ValueError, match=r"expected an array of shape \(batch, 3\)"):
            predict(wrong)
    predict = run(to_numpy(nn.Sequential([layers.Embedding(3, 2)])))["predict"]
    for wrong in (-1, 3, np.nan):
        with pytest.raises(ValueError, match=r"expected ids of at least 0 and below \[3\]"):
            predict([[wrong]])


def test_a_net_for_any_width(rng):
    model = nn.Sequential([layers.Tanh()])
    x = rng.normal(size=(3, 7))
    predict = run(to_numpy(model))["predict"]
    assert_close(predict(x), model.predict(x), 1e-6)
    with pytest.raises(ValueError, match="expected an array of shape"):
        predict(x[0])


@each_layer
def test_lines_are_short_and_every_layer_is_explained(layer, rng):
    model = net_of(layer, np.float32, rng)
    for source in (to_numpy(model), to_c(model)):
        assert all(len(line) <= 100 and line == line.rstrip() for line in source.splitlines())
        text = re.sub(r"\s+[#*] ", " ", source)  # what begins the lines of a comment
        for place, one in list(model.walk())[1:]:
            assert f"{place[:-1]}, {one!r}" in " ".join(text.split())


# A table.

TABLE = {
    "age": [31.0, None, 44.5, 20.0],
    "city": ["Bern", "Genf", None, "Bern"],
    'q"""\\ */ uote\n': [True, False, True, True],
    "number": [1, 2, 3, 1],
}
UNSEEN = {
    "number": [1.0, np.int64(2), 7, None],
    "age": np.array([np.nan, 1, 2, 3]),
    "city": np.array(["Bern", "Basel", "", "Genf"]),
    'q"""\\ */ uote\n': [None, np.True_, False, True],
    "more": [0, 0, 0, 0],
}


def table_net(**options):
    encoder = TableEncoder(categorical=["number"], **options).fit(TABLE)
    model = nn.Sequential([encoder.layer(), layers.Dense(encoder.width, 2)], rng=0, preprocessing=encoder)
    model.params.values[...] = np.random.default_rng(0).normal(size=model.params.size)
    return model


@pytest.mark.parametrize("table", [TABLE, UNSEEN], ids=["seen", "unseen"])
@pytest.mark.parametrize("min_count", [1, 2])
def test_numpy_of_a_table(table, min_count):
    model = table_net(min_count=min_count)
    space = run(to_numpy(model))
    encoded = model.preprocessing.transform(table)
    assert (space["encode"](table) == encoded).all()
    assert_close(space["predict"](table), model.predict(table), 1e-6)
    assert (space["predict"](encoded) == space["predict"](table)).all()


def test_categories_of_several_types():
    """To Python 1, 1.0 and True are equal, and a table tells them apart."""
    encoder = TableEncoder(categorical=["a"]).fit({"a": [True, 1, "1", None, 2]})
    model = nn.Sequential([encoder.layer()], rng=0, preprocessing=encoder)
    table = {"a": [1, True, "1", 2.0, None, False, "x", 0, np.float32("nan"), np.str_("1")]}
    assert (run(to_numpy(model))["encode"](table) == encoder.transform(table)).all()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library):
    frames = pytest.importorskip(library)
    model = table_net()
    frame = frames.DataFrame(TABLE)
    predict = run(to_numpy(model))["predict"]
    assert_close(predict(frame), model.predict(frame), 1e-6)


def test_tables_that_do_not_fit():
    encode = run(to_numpy(table_net()))["encode"]
    with pytest.raises(ValueError, match="column 'age': expected finite numbers"):
        encode(TABLE | {"age": [1, 2, np.inf, 3]})
    with pytest.raises(ValueError, match=r"as a category, got 1\.5"):
        encode(TABLE | {"number": [1, 2, 1.5, 3]})
    with pytest.raises(KeyError, match="city"):
        encode({name: column for name, column in TABLE.items() if name != "city"})


def test_names_of_columns_are_named(rng):
    model = nn.Sequential([layers.Dense(2, 1)], rng=0)
    model.feature_names = ["height", 'w"""*/\\eight']
    source = to_numpy(model)
    assert "'height'" in ast.get_docstring(ast.parse(source).body[-1])
    header = to_c(model)
    assert " *   x[0]  'height'\n" in header
    assert ' *   x[1]  \'w"""* /' in header


@pytest.mark.parametrize(
    ("net", "places"),
    [
        ([layers.Input((8, 6, 2)), layers.Conv2D(2, 1, 3)], "x[(row * 6 + column) * 2 + channel]"),
        ([layers.Input((5, 3)), layers.GRU(3, 2)], "x[step * 3 + feature]"),
    ],
    ids=["an image", "a sequence"],
)
def test_the_header_says_where_the_numbers_of_a_sample_are(net, places):
    model = nn.Sequential([copy.deepcopy(layer) for layer in net], rng=0)
    assert f" *   {places}\n" in to_c(model)
    index = np.ravel_multi_index((3, 2, 1)[: len(model.input_shape)], model.input_shape)
    names = {"row": 3, "column": 2, "channel": 1, "step": 3, "feature": 2}
    assert eval(places[2:-1], names) == index
    assert "x is " not in to_c(nn.Sequential([layers.Dense(2, 1)], rng=0))


#: Names and categories that could end a string, a comment or a line of the source around them.
EVIL = [
    *('"""', "'''", "\\", "a\nimport os", "\r", "\0", "\u2028", "\u202e", "\ud800", "*/ int x; /*", "/*/*/"),
    *("??/", "???/", "\\\n", "#", "{x}", "%s", "\\x", "\\N{", "\\" * 300, "", " "),
    *("a" * count + "\\x" for count in range(80, 100)),  # which two lines of a docstring share
]


@pytest.mark.parametrize("name", EVIL)
def test_names_are_never_code(name, compiler, tmp_path):
    model = nn.Sequential([layers.Dense(2, 1)], rng=0)
    good = to_numpy(model)
    model.feature_names = [name, "b"]
    source = to_numpy(model)
    assert [type(part) for part in ast.parse(source).body] == [type(part) for part in ast.parse(good).body]
    assert (run(source)["predict"]([[1, 2]]) == run(good)["predict"]([[1, 2]])).all()

    table = {"a": [1, 2, None], "b": ["x", name, None], name: ["y", "y", "z"]}
    encoder = TableEncoder(categorical=["b", name]).fit(table)
    own = nn.Sequential([encoder.layer()], rng=0, preprocessing=encoder)
    assert run(to_numpy(own))["predict"](table) == pytest.approx(own.predict(table), abs=1e-6)

    to_c(model, tmp_path / "net.h")
    to_c(own, tmp_path / "own.h", name="own")
    (tmp_path / "all.c").write_text('#include "net.h"\n#include "own.h"\nint main(void) { return 0; }\n')
    flags = ["-std=c99", "-Wall", "-Werror", "-pedantic", "-Wno-unused-function", "-fsyntax-only"]
    done = subprocess.run([compiler, *flags, tmp_path / "all.c"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    for header in (to_c(model), to_c(own)):
        assert header.isascii()
        assert "??" not in header


def test_c_says_what_each_place_of_an_encoded_row_is():
    header = to_c(table_net())
    known = [31.0, 44.5, 20.0]
    found = re.search(r"x\[0\]  \('age' - (.*)\) / (.*), 0 if missing", header)
    assert list(map(float, found.groups())) == pytest.approx([np.mean(known), np.std(known)])
    assert "1 if 'age' is missing, else 0" in header
    assert "the id of 'city': 1 for 'Bern', 2 for 'Genf', 0 for any other, 3 if missing" in header
    assert header.count("*/") == header.count("/*")


# C.


@pytest.fixture(scope="module")
def compiler():
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler")
    return found


FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wvla", "-O1"]

#: Reads rows from a file of the numbers as they are in memory, one after the other, and writes the outputs.
PROGRAM = """
#include <stdio.h>
{includes}
int main(void)
{{
    FILE *in = fopen("x.bin", "rb"), *out = fopen("y.bin", "wb");
{loops}
    return fclose(in) + fclose(out);
}}
"""
LOOP = """
    for (long row = 0; row < {rows}; row++) {{
        {real} x[{NAME}_INPUTS], y[{NAME}_OUTPUTS];
        if (fread(x, sizeof x[0], {NAME}_INPUTS, in) != {NAME}_INPUTS) return 1;
        {name}_predict(x, y);
        fwrite(y, sizeof y[0], {NAME}_OUTPUTS, out);
    }}
"""


def run_c(compiler, folder, models, inputs, **options):
    """Compile the headers of several nets into one program; return what each says of its rows."""
    includes, loops = [], []
    for name, model in models.items():
        to_c(model, folder / f"{name}.h", name=name, **options)
        includes.append(f'#include "{name}.h"\n#include "{name}.h"')  # twice, which its guard allows
        real = "float" if model.params.dtype == np.float32 else "double"
        loops.append(LOOP.format(rows=len(inputs[name]), real=real, name=name, NAME=name.upper()))
    program = PROGRAM.format(includes="\n".join(includes), loops="".join(loops))
    (folder / "main.c").write_text(program)
    blocks = [inputs[name].astype(models[name].params.dtype).tobytes() for name in models]
    (folder / "x.bin").write_bytes(b"".join(blocks))
    command = [compiler, *FLAGS, "main.c", "-lm", "-o", "program"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    subprocess.run([folder / "program"], cwd=folder, check=True)
    content, outputs, start = (folder / "y.bin").read_bytes(), {}, 0
    for name, model in models.items():
        dtype, shape = model.params.dtype, (len(inputs[name]), *model.output_shape)
        stop = start + int(np.prod(shape)) * dtype.itemsize
        outputs[name] = np.frombuffer(content[start:stop], dtype).reshape(shape)
        start = stop
    assert start == len(content)
    return outputs


def test_c_says_the_same_of_every_layer(compiler, tmp_path, rng):
    """Take all in one program: that is quick, and shows that nets do not get into each other's way."""
    models, inputs = {}, {}
    for dtype in (np.float32, np.float64):
        for place, layer in enumerate(LAYERS):
            name = f"layer{place}_{np.dtype(dtype)}"
            model = net_of(layer, dtype, rng)
            models[name], inputs[name] = model, data_for(layer, rng)
        models[f"deep_{np.dtype(dtype)}"], inputs[f"deep_{np.dtype(dtype)}"] = deep_net(dtype, rng)
    outputs = run_c(compiler, tmp_path, models, inputs)
    for name, model in models.items():
        tolerance = 1e-5 if model.params.dtype == np.float32 else 1e-13
        assert_close(*by_size(model, outputs[name], model.predict(inputs[name])), tolerance)


def test_c_of_trained_digits(compiler, tmp_path):
    X, y = nn.datasets.digits()
    model = nn.Sequential(
        [layers.Standardize(64), layers.Dense(64, 32), layers.ReLU(), layers.Dense(32, 10)], rng=0
    )
    model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.01), epochs=3, rng=0)
    found = run_c(compiler, tmp_path, {"digits": model}, {"digits": X})["digits"]
    expected = model.predict(X)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.999


def test_c_answers_nan_where_an_id_is_none(compiler, tmp_path):
    model = nn.Sequential([layers.Embedding((3, 2), 2), layers.Step()], rng=0)
    x = np.array([[0, 1], [2.4, 0.6], [-1, 0], [3, 0], [0, 2], [np.nan, 0], [1e30, 0]])
    found = run_c(compiler, tmp_path, {"net": model}, {"net": x})["net"]
    assert (found[:2] == model.predict(x[:2])).all()
    assert np.isnan(found[2:]).all()


@pytest.mark.nonfinite
def test_nan_in_nan_out(compiler, tmp_path, rng):
    """But through Step, which nnlite's own maps to 0 as well."""
    chosen = [
        layer for layer in LAYERS if not isinstance(layer, layers.Step) and not hasattr(layer, "draw_input")
    ]
    models, inputs = {}, {}
    for place, layer in enumerate(chosen):
        model = net_of(layer, np.float32, rng)
        models[f"net{place}"] = model
        inputs[f"net{place}"] = np.full((1, *shape_for(layer, 6)), np.nan)
    for name, found in run_c(compiler, tmp_path, models, inputs).items():
        assert np.isnan(found).all(), models[name]


def test_c_of_a_table_with_wild_names_compiles(compiler, tmp_path):
    model = table_net()
    encoded = model.preprocessing.transform(TABLE)
    found = run_c(compiler, tmp_path, {"net": model}, {"net": encoded})["net"]
    assert_close(found, model.predict(TABLE), 1e-5)


def test_c_includes_math_alone_and_takes_no_memory(rng):
    model, _ = deep_net(np.float32, rng)
    header = to_c(model, name="deep")
    assert re.findall(r"#include (.*)", header) == ["<math.h>"]
    assert not re.search(r"\b(malloc|calloc|alloca|free|static (?!const|inline))", header)
    assert "float a[30], b[40];" in header
    assert f"{(40 + 30) * 4} bytes of the stack" in header
    assert "#define DEEP_INPUTS 6\n#define DEEP_OUTPUTS 5\n" in header
    assert "static inline void deep_predict(const float *x, float *y)" in header
    assert "double" not in header
    assert "float" not in to_c(deep_net(np.float64, rng)[0])


def test_the_program_on_the_page_compiles_and_runs(compiler, tmp_path):
    page = Path(__file__).parents[1] / "docs" / "take_away.md"
    (program,) = re.findall(r"^```c\n(.*?)^```$", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "main.c").write_text(program)
    model = nn.Sequential([layers.Embedding(4, 2, numeric=2), layers.Dense(4, 1)], rng=0)
    to_c(model, tmp_path / "people.h", name="people")
    subprocess.run([compiler, *FLAGS, "main.c", "-lm", "-o", "people"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "people"], capture_output=True, text=True, check=True).stdout
    assert float(said) == pytest.approx(model.predict([[0.5, 0, 2]]).item(), rel=1e-5)


# Layers of one's own.


class Square(nn.Layer):
    def forward(self, x, ctx=None):
        return x * x


class Pairs(nn.Layer):
    """Add neighbours up, each times a gain."""

    gain = nn.Parameter()

    def __init__(self, pairs):
        self.pairs = pairs
        self.declare("gain", (pairs, 2))

    @property
    def input_shape(self):
        return (2 * self.pairs,)

    def output_shape(self, input_shape):
        return (self.pairs,)

    def forward(self, x, ctx=None):
        return (x.reshape(len(x), self.pairs, 2) * self.gain).sum(axis=-1)


def pairs_in_c(layer, source):
    x, y, gain = source.x, source.into(), source.constant("gain", layer.gain)
    return f"""
for (long i = 0; i < {source.outputs}; i++) {{
    {y}[i] = {x}[2 * i] * {gain}[i][0] + {x}[2 * i + 1] * {gain}[i][1];
}}"""


def pairs_in_numpy(layer, source):
    gain = source.constant("gain", layer.gain)
    return [f"x = (x.reshape(len(x), {layer.pairs}, 2) * {gain}).sum(axis=-1)"]


def own_net():
    return nn.Sequential([Pairs(3), Square(), layers.Dense(3, 2), Square()], rng=0)


def test_layers_of_ones_own(compiler, tmp_path, rng):
    model, x = own_net(), rng.normal(size=(10, 6))
    source = to_numpy(model, custom={Square: lambda layer, source: "x = x * x", Pairs: pairs_in_numpy})
    assert_close(run(source)["predict"](x), model.predict(x), 1e-6)
    custom = {Square: lambda layer, source: source.each("v * v"), Pairs: pairs_in_c}
    found = run_c(compiler, tmp_path, {"net": model}, {"net": x}, custom=custom)["net"]
    assert_close(found, model.predict(x), 1e-5)


class Difference(nn.Layer):
    """Two ways side by side."""

    def __init__(self, first, second):
        self.first, self.second = self.hold([first, second])

    def forward(self, x, ctx=None):
        (first, a), (second, b) = self.held(ctx)
        return first.forward(x, a) - second.forward(x, b)


def difference_in_numpy(layer, source):
    first, second = source.layer(layer.first), source.layer(layer.second)
    return ["both = x", *first, "both, x = x, both", *second, "x = both - x"]


def difference_in_c(layer, source):
    given, made, count = (
        source.array("given", source.inputs),
        source.array("made", source.inputs),
        source.inputs,
    )

    def copy(target, origin):
        return [f"for (long i = 0; i < {count}; i++) {{", f"    {target}[i] = {origin}[i];", "}"]

    lines = [
        *copy(given, source.x),
        *source.layer(layer.first),
        *copy(made, source.x),
        *copy(source.x, given),
    ]
    lines += source.layer(layer.second)
    return [*lines, *source.each(f"{made}[i] - v")]


def test_a_layer_of_ones_own_that_is_made_of_others(compiler, tmp_path, rng):
    inner = layers.Residual([layers.Dense(3, 4), layers.Tanh(), layers.Dense(4, 3)])
    net = [layers.Residual([Difference(layers.Dense(3, 3), inner)]), layers.Dense(3, 2)]
    model, x = nn.Sequential(net, rng=0), rng.normal(size=(10, 3))
    source = to_numpy(model, custom={Difference: difference_in_numpy})
    assert "W0_0_1_0 = " in source
    assert_close(run(source)["predict"](x), model.predict(x), 1e-6)
    custom = {Difference: difference_in_c}
    found = run_c(compiler, tmp_path, {"net": model}, {"net": x}, custom=custom)["net"]
    assert_close(found, model.predict(x), 1e-5)


def test_the_sequential_of_the_core_may_be_inside_too(rng):
    inner = core.Sequential([layers.Dense(3, 4), layers.Tanh()])
    model, x = nn.Sequential([inner, layers.Dense(4, 2)], rng=0), rng.normal(size=(5, 3))
    assert table.described(inner).layer is core.Sequential
    assert table.twin(inner, "torch") == "t.Sequential(t.Linear(3, 4), t.Tanh())"
    assert_close(run(to_numpy(model))["predict"](x), model.predict(x), 1e-6)


def test_blocks_in_a_row_share_the_array_for_what_they_keep(rng):
    blocks = [layers.Residual([layers.Dense(4, 5), layers.Residual([layers.ReLU()]), layers.Dense(5, 4)])] * 3
    header = to_c(nn.Sequential([again(block) for block in blocks], rng=0))
    assert "float a[4], kept0[4], b[5], kept1[5];" in header
    assert f"{(4 + 4 + 5 + 5) * 4} bytes of the stack" in header


@both
def test_constants_get_names_of_their_own(export):
    """The second of layer 0 and the first of layer 10, whose names would both be gain10."""
    names = []

    def write(layer, source):
        names.extend(
            source.constant(name, 2.0) for name in (("gain1",) if source.place == "0" else ("gain", "gain"))
        )
        return ""

    export(nn.Sequential([layers.Flatten((1,)), Square()]), custom={layers.Flatten: write, Square: write})
    chain = [Square(), *(layers.Flatten((1,)) for _ in range(9)), Square()]
    export(nn.Sequential(chain), custom={Square: write})
    assert len(names) == 6
    assert len(set(names[:3])) == len(set(names[3:])) == 3


# What is refused.


def refused(error, message, call, *arguments, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    assert type(caught.value) is error
    assert re.search(message, str(caught.value)), str(caught.value)


class Wider(layers.Dense):
    """A subclass, which may compute anything."""


def with_weight(value):
    model = nn.Sequential([layers.Dense(2, 1)], rng=0)
    model[0].W[0] = value
    return model


@both
def test_models_that_cannot_be_taken_away(export):
    where = export.__name__
    refused(ArgumentTypeError, rf"{where}\(model\): expected a Sequential, got 3\.", export, 3)
    model = nn.Sequential([layers.Dense(2, 1)], replicas=3)
    refused(ArgumentError, rf"a single net, got 3 replicas.*{where}\(model\.replica\(0\)\)", export, model)
    encoder = type("Doubling", (TableEncoder,), {})().fit(TABLE)  # which may compute anything
    own = nn.Sequential([encoder.layer()], preprocessing=encoder)
    refused(ArgumentError, "a TableEncoder as preprocessing, or none, got the class Doubling", export, own)
    message = (
        rf"{where}: layer 1 Square\(\): .*the class Square\. Write {where}\(\.\.\., custom={{Square: func"
    )
    refused(ArgumentError, message, export, nn.Sequential([layers.Dense(2, 1), Square()]))
    refused(ArgumentError, "the class Wider", export, nn.Sequential([Wider(2, 1)]))
    inside = nn.Sequential([layers.Dense(2, 2), layers.Residual([nn.Sequential([layers.Tanh(), Square()])])])
    refused(ArgumentError, rf"{where}: layer 1\.0\.1 Square\(\): .*the class Square\. Write", export, inside)
    unseen = nn.Sequential([layers.Residual([layers.Standardize(2)])])
    refused(NotFittedError, r"layer 0\.0 Standardize\(2\): .*adapt", export, unseen)
    refused(
        NotFittedError, r"layer 0 Standardize\(2\): .*adapt", export, nn.Sequential([layers.Standardize(2)])
    )
    for value in (np.nan, np.inf):
        message = (
            rf"{where}: layer 0 Dense\(2, 1\): expected finite numbers of float32, got NaN or infinity in W"
        )
        refused(ArgumentError, message, export, with_weight(value))


@both
def test_custom_that_is_none(export):
    model = own_net()
    refused(ArgumentTypeError, r"\(custom=\): .*Write {MyLayer", export, model, custom=[Square])
    refused(ArgumentTypeError, r"\(custom=\)", export, model, custom={"Square": print})
    custom = {Square: lambda layer, source: ["", "v"], Pairs: lambda layer, source: 3}
    refused(
        ArgumentTypeError,
        "the function for Pairs to return lines of source, got 3",
        export,
        model,
        custom=custom,
    )
    custom = {Pairs: lambda layer, source: source.constant("no name", [1.0])}
    refused(ArgumentError, "a name, got 'no name'", export, model, custom=custom)


def test_custom_that_python_cannot_read():
    custom = {Square: lambda layer, source: "x = = x", Pairs: pairs_in_numpy}
    refused(
        ArgumentError, r"lines of Python, got invalid syntax in 'x = = x'", to_numpy, own_net(), custom=custom
    )


def test_custom_that_leaves_the_outputs_out():
    custom = {Pairs: lambda layer, source: ""}
    message = r"layer 0 Pairs\(3\): .*lines that write 3 numbers .*6 inputs.*source\.into\(\)"
    refused(ArgumentError, message, to_c, own_net(), custom=custom)


def test_c_of_any_width():
    message = r"layer 0 Tanh\(\): expected a model that knows how many numbers.*such as Dense"
    refused(ArgumentError, message, to_c, nn.Sequential([layers.Tanh()]))


def test_slopes_that_float32_does_not_hold():
    model = nn.Sequential([layers.Dense(1, 1), layers.LeakyReLU(1e100)], rng=0)
    refused(
        ArgumentError,
        r"layer 1 LeakyReLU\(negative_slope=1e\+100\): expected finite numbers of float32",
        to_c,
        model,
    )


@pytest.mark.parametrize("name", ["", "2net", "_net", "a-b", "a b", "ü", "net;", "a" * 32, "net\n"])
def test_names_that_c_does_not_take(name):
    message = r"to_c\(name=\): expected a letter, and up to 30 letters"
    refused(ArgumentError, message, to_c, with_weight(1.0), name=name)


def test_a_name_that_is_no_text():
    refused(ArgumentTypeError, r"to_c\(name=\)", to_c, with_weight(1.0), name=3)


@both
def test_files(export, tmp_path):
    model = with_weight(1.0)
    path = tmp_path / "net"
    path.write_text("old")
    text = export(model, path)
    assert path.read_bytes() == text.encode()
    assert [file.name for file in tmp_path.iterdir()] == ["net"]
    refused(ArgumentTypeError, rf"{export.__name__}\(path\): expected a path", export, model, 3.5)
    with pytest.raises(FileNotFoundError, match="a folder that exists"):
        export(model, tmp_path / "nowhere" / "net")
    refused(ArgumentError, "finite", export, with_weight(np.nan), path)
    assert path.read_bytes() == text.encode()


# Numbers as text.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decimals_are_short_and_exact(dtype, rng):
    numbers = (rng.normal(size=2000) * 10.0 ** rng.integers(-37, 37, 2000)).astype(dtype)
    for number in numbers:
        text = decimal(number)
        assert dtype(float(text)) == number
        assert re.fullmatch(r"-?\d+(\.\d+)?(e[-+]\d+)?", text)
        assert "." in text or "e" in text  # which makes it no integer in C
    assert max(map(len, map(decimal, numbers))) <= (16 if dtype == np.float32 else 24)
