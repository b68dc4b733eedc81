"""Sequential: wiring, contexts, prediction, looking inside, copies."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workpieces import net_of_blocks

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError


def net(**options):
    layers = [nn.Standardize(4), nn.Dense(4, 6), nn.ReLU(), nn.Dropout(0.3), nn.Dense(6, 3)]
    model = nn.Sequential(layers, **{"rng": 0, **options})
    model[0].adapt(np.random.default_rng(1).normal(3, 2, (50, 4)))
    return model


def data(rng, rows=20):
    return rng.normal(size=(rows, 4)).astype(np.float32), rng.integers(0, 3, rows)


def test_the_buffers_are_the_layers(rng):
    model = net()
    model[1].W[...] = 5
    assert (model.params["1.W"] == 5).all()
    model.params.values[...] = rng.normal(size=model.params.size)
    np.testing.assert_array_equal(model[4].b, model.params.values[-3:])
    x, y = data(rng)
    model.loss_and_grad(x, y, nn.SoftmaxCrossEntropy())
    assert np.abs(model.params.grad("1.W")).max() > 0


def test_the_seed_decides_and_each_layer_has_its_own_stream():
    a, b, c = net(), net(), net(rng=1)
    np.testing.assert_array_equal(a.params.values, b.params.values)
    assert (a[1].W != c[1].W).all()
    short = nn.Sequential([nn.Dense(5, 5) for _ in range(3)], rng=0)
    long = nn.Sequential([nn.Dense(5, 5) for _ in range(4)], rng=0)
    for index in range(2):  # the last starts smaller
        np.testing.assert_array_equal(short[index].W, long[index].W)
    assert (short[0].W != short[1].W).all()


def test_each_replica_starts_as_a_single_net_of_its_own():
    def layers():
        return [nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 3)]

    together = nn.Sequential(layers(), rng=0, replicas=3)
    for replica, stream in enumerate(np.random.default_rng(0).spawn(3)):
        alone = nn.Sequential(layers(), rng=stream)
        np.testing.assert_array_equal(together.params.values[replica], alone.params.values)


def test_replicas_compute_what_single_nets_compute(rng):
    x, y = data(rng)
    loss = nn.SoftmaxCrossEntropy()
    options = {"dtype": np.float64}
    together = nn.Sequential([nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 3)], rng=0, replicas=3, **options)
    values = together.loss_and_grad(x, y, loss)
    assert values.shape == (3,)
    assert together.predict(x).shape == (3, 20, 3)
    for replica in range(3):
        alone = nn.Sequential([nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 3)], **options)
        alone.params.values[...] = together.params.values[replica]
        assert alone.loss_and_grad(x, y, loss) == pytest.approx(values[replica], rel=1e-12)
        np.testing.assert_allclose(together.params.grads[replica], alone.params.grads, atol=1e-14)
        np.testing.assert_allclose(together.predict(x)[replica], alone.predict(x), atol=1e-14)


def test_a_layer_that_was_touched_before_keeps_its_numbers():
    layer = nn.Dense(2, 2)
    layer.W[...] = [[1, 2], [3, 4]]
    layer.freeze("b")
    model = nn.Sequential([layer, nn.Dense(2, 1)], rng=0)
    np.testing.assert_array_equal(model[0].W, [[1, 2], [3, 4]])
    assert model.params.frozen == {"0.b"}
    model.initialize(rng=0)
    np.testing.assert_array_equal(model[0].W, nn.Sequential([nn.Dense(2, 2), nn.Dense(2, 1)], rng=0)[0].W)


def test_forward_equals_predict_and_leaves_no_trace(rng):
    model = net()
    x, _ = data(rng)
    before = model.params.values.copy()
    ctx = model.context(training=False)
    np.testing.assert_array_equal(model.forward(x, ctx), model.predict(x))
    np.testing.assert_array_equal(model.forward(x), model.predict(x))
    np.testing.assert_array_equal(model.params.values, before)


def test_two_passes_can_be_open_at_once(rng):
    model = nn.Sequential([nn.Dense(4, 6), nn.Tanh(), nn.Dense(6, 3)], rng=0, dtype=np.float64)
    x1, x2 = rng.normal(size=(2, 5, 4))
    dy = rng.normal(size=(5, 3))
    ctx = model.context()
    model.forward(x1, ctx)
    model.backward(dy, ctx)
    alone = model.params.grads.copy()
    first, second = model.context(), model.context()
    model.forward(x1, first)
    model.forward(x2, second)
    model.backward(dy, first)
    np.testing.assert_array_equal(model.params.grads, alone)


def test_backward_gives_the_input_gradient_on_request(rng):
    model = net()
    x, _ = data(rng)
    for wanted in (False, True):
        ctx = model.context(training=False, input_gradient=wanted)
        y = model.forward(x, ctx)
        dx = model.backward(np.ones_like(y), ctx)
        assert (dx is None) is not wanted
    assert dx.shape == x.shape


def test_backward_needs_a_forward_pass_and_the_shape_of_its_output(rng):
    model = net()
    with pytest.raises(ArgumentError, match=r"Call model\.forward\(x, ctx\) first"):
        model.backward(np.ones((1, 3)), model.context())
    ctx = model.context()
    model.forward(data(rng)[0], ctx)
    with pytest.raises(ShapeError, match=r"the shape of the output, \(20, 3\), got \(20, 1\)"):
        model.backward(np.ones((20, 1)), ctx)


def test_gradients_go_where_the_context_points(rng):
    model = net()
    x, y = data(rng)
    model.params.grads[...] = 7
    elsewhere = np.zeros_like(model.params.grads)
    model.loss_and_grad(x, y, nn.SoftmaxCrossEntropy(), ctx=model.context(grads=elsewhere, training=False))
    assert (model.params.grads == 7).all()
    model.loss_and_grad(x, y, nn.SoftmaxCrossEntropy(), ctx=model.context(training=False))
    np.testing.assert_array_equal(model.params.grads, elsewhere)


def test_gradients_overwrite(rng):
    model = nn.Sequential([nn.Dense(4, 3)], rng=0)
    x, y = data(rng)
    model.params.grads[...] = np.nan
    model.loss_and_grad(x, y, nn.SoftmaxCrossEntropy())
    once = model.params.grads.copy()
    model.loss_and_grad(x, y, nn.SoftmaxCrossEntropy())
    np.testing.assert_array_equal(model.params.grads, once)


@given(
    rows=st.integers(1, 50),
    batch_size=st.integers(1, 60),
    replicas=st.sampled_from([None, 1, 3]),
    kind=st.sampled_from(["float64", "float32", "int8", "uint16", "bool"]),
)
def test_predict_in_batches_equals_predict_at_once(rows, batch_size, replicas, kind):
    model = net(replicas=replicas)
    x = np.random.default_rng(0).integers(0, 2, (rows, 4)).astype(kind)
    whole = model.predict(x)
    assert whole.dtype == np.float32
    assert whole.shape == ((rows, 3) if replicas is None else (replicas, rows, 3))
    np.testing.assert_allclose(model.predict(x, batch_size=batch_size), whole, rtol=1e-5, atol=1e-6)


def test_predict_takes_images_and_lists_and_leaves_the_input(rng):
    model = nn.Sequential([nn.Flatten((2, 3)), nn.Dense(6, 2)], rng=0)
    x = rng.normal(size=(7, 2, 3))
    kept = x.copy()
    assert model.predict(x, batch_size=3).shape == (7, 2)
    np.testing.assert_array_equal(model.predict(x.tolist()), model.predict(x))
    np.testing.assert_array_equal(x, kept)


def test_evaluate_arrays_and_batches_agree(rng):
    model = net()
    x, y = data(rng)
    weight = rng.uniform(0.5, 2, 20)
    options = {"loss": nn.SoftmaxCrossEntropy(), "metrics": [nn.accuracy]}
    whole = model.evaluate(x, y, **options)
    assert set(whole) == {"loss", "accuracy"}
    assert model.evaluate(nn.batches(x, y, batch_size=6), **options) == pytest.approx(whole, rel=1e-6)
    weighted = model.evaluate(x, y, weight=weight, **options)
    assert weighted != pytest.approx(whole, rel=1e-3)
    batches = nn.batches(x, y, weight, batch_size=6, shuffle=False)
    assert model.evaluate(batches, **options) == pytest.approx(weighted, rel=1e-6)


def test_evaluate_weights_count_as_rows(rng):
    model = net(dtype=np.float64)
    x, y = data(rng, rows=3)
    counts = np.array([1, 0, 3])
    repeated = model.evaluate(
        np.repeat(x, counts, axis=0), np.repeat(y, counts), loss=nn.SoftmaxCrossEntropy()
    )
    weighted = model.evaluate(x, y, weight=counts, loss=nn.SoftmaxCrossEntropy())
    assert weighted == pytest.approx(repeated, rel=1e-12)


def test_activations_are_those_of_prediction(rng):
    model = net()
    x, _ = data(rng)
    found = model.activations(x)
    assert [a.shape for a in found] == [(20, 4), (20, 6), (20, 6), (20, 6), (20, 3)]
    np.testing.assert_array_equal(found[-1], model.predict(x))
    np.testing.assert_array_equal(found[2], np.maximum(found[1], 0))


def test_summary_as_text_and_as_html():
    model = nn.Sequential([nn.Flatten((8, 8)), nn.Dense(64, 128), nn.ReLU(), nn.Dense(128, 10)], replicas=3)
    model[1].freeze()
    text = str(model.summary())
    assert text.splitlines()[3].split("  ")[0] == "1"
    assert "(batch, 128)" in text
    assert "8,320 (8,320 frozen)" in text
    assert "9,610 parameters, float32, 8,320 of them frozen, in each of 3 replicas" in text
    assert len({len(line) for line in text.splitlines()[:-1]}) == 1
    html = model._repr_html_()
    assert html.count("<tr>") == 5
    assert html == model.summary()._repr_html_()
    assert "<td>1  Dense(64, 128)</td>" in html


def test_html_is_escaped():
    class Angle(nn.Layer):
        def __repr__(self):
            return "<script>"

    html = nn.Sequential([nn.Dense(1, 1), Angle()])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_shapes_are_followed_from_end_to_end():
    model = nn.Sequential([nn.Tanh(), nn.Dense(4, 2)])
    assert (model.input_shape, model.output_shape) == ((4,), (2,))
    free = nn.Sequential([nn.Tanh()])
    assert (free.input_shape, free.output_shape) == (None, None)
    assert free.predict(np.ones((2, 5))).shape == (2, 5)
    with pytest.raises(
        ShapeError,
        match=r"layer 2 Dense\(64, 10\): expected input of shape \(batch, 64\), got \(batch, 63\). "
        r"The layer before, ReLU\(\), gives \(batch, 63\)",
    ):
        nn.Sequential([nn.Dense(2, 63), nn.ReLU(), nn.Dense(64, 10)])


def test_indexing_and_iteration():
    model = net()
    assert len(model) == 5
    assert list(model) == list(model.layers)
    assert model[-1] is model.layers[4]
    assert model[1:3] == model.layers[1:3]
    assert repr(model) == (
        "Sequential([Standardize(4), Dense(4, 6), ReLU(), Dropout(0.3), Dense(6, 3)], dtype=float32)"
    )


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_whole_and_apart(duplicate, replicas, rng):
    model = net(replicas=replicas)
    model[4].freeze("b")
    x, y = data(rng)
    other = duplicate(model)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    assert other.params.frozen == {"4.b"}
    for layer, name in ((1, "W"), (4, "b")):
        assert np.shares_memory(getattr(other[layer], name), other.params.values)
    # The generator came along, so both draw the same dropout from here on.
    assert other.rng.random() == model.rng.random()
    other.loss_and_grad(x, y, nn.SoftmaxCrossEntropy())
    nn.SGD(0.1).step(other.params)
    assert (other[1].W != model[1].W).any()
    np.testing.assert_array_equal(other[4].b, model[4].b)


def test_the_worked_example():
    """Two inputs, two hidden and two output neurons, one step, with every number known."""
    model = nn.Sequential([nn.Dense(2, 2), nn.Sigmoid(), nn.Dense(2, 2), nn.Sigmoid()], dtype=np.float64)
    model[0].W[...] = [[0.15, 0.25], [0.20, 0.30]]
    model[2].W[...] = [[0.40, 0.50], [0.45, 0.55]]
    model[0].b[...] = 0.35
    model[2].b[...] = 0.60
    model[0].freeze("b")
    model[2].freeze("b")
    x, y = np.array([[0.05, 0.10]]), np.array([[0.01, 0.99]])
    # The mean over two outputs of the squared gap is the sum of the half squared gaps.
    loss, optimizer = nn.MeanSquaredError(), nn.SGD(0.5)
    assert model.loss_and_grad(x, y, loss) == pytest.approx(0.2983711087600027, rel=1e-15)
    optimizer.step(model.params)
    assert model[2].W[0, 0] == pytest.approx(0.35891648, abs=5e-9)
    assert model[0].W[0, 0] == pytest.approx(0.14978072, abs=5e-9)
    assert model.loss_and_grad(x, y, loss) == pytest.approx(0.29102777369359933, rel=1e-15)
    np.testing.assert_array_equal(model[0].b, 0.35)
    np.testing.assert_array_equal(model[2].b, 0.60)
    for _ in range(9_999):
        optimizer.step(model.params)
        value = model.loss_and_grad(x, y, loss)
    assert value == pytest.approx(3.5102e-5, rel=1e-4)


def test_a_shallow_copy_does_not_cut_the_original_off(rng):
    model = nn.Sequential([nn.Dense(2, 3), nn.Tanh(), nn.Dense(3, 1)], rng=0)
    x = rng.normal(size=(4, 2))
    before = model.predict(x)
    duplicate = copy.copy(model)
    duplicate.params.values[...] = 0
    assert np.array_equal(model.predict(x), before)
    assert np.shares_memory(model[0].W, model.params.values)


class NoReturn(nn.Layer):
    def forward(self, x, ctx=None):
        return 2 * x

    def backward(self, dy, ctx):
        2 * dy


def test_a_backward_that_returns_nothing_is_found():
    model = nn.Sequential([nn.Dense(2, 3), NoReturn(), nn.Dense(3, 1)], rng=0)
    with pytest.raises(ArgumentTypeError, match=r"layer 1 NoReturn\(\)\.backward: .* got None\. End it with"):
        model.loss_and_grad([[1.0, 2.0]], [[1.0]], nn.MeanSquaredError())
    first = nn.Sequential([NoReturn(), nn.Dense(2, 1)], rng=0)  # nobody asks for its dL/dx
    assert first.loss_and_grad([[1.0, 2.0]], [[1.0]], nn.MeanSquaredError()) > 0


class WithSquares(nn.Layer):
    def output_shape(self, input_shape):
        return (2 * input_shape[0],)

    def forward(self, x, ctx=None):
        return np.concatenate([x, x * x], axis=-1)

    def backward(self, dy, ctx):
        return None


def test_a_layer_that_takes_any_width_and_changes_it():
    """Behind it, the width that the next layer wants says nothing about the input."""
    model = nn.Sequential([WithSquares(), nn.Dense(6, 1)], rng=0)
    assert model.input_shape is None
    assert model.predict(np.ones((5, 3))).shape == (5, 1)


class Pixels(nn.Layer):
    input_shape = (2, 2)

    def forward(self, x, ctx=None):
        return x

    def backward(self, dy, ctx):
        return dy


def test_a_loss_takes_rows_of_outputs():
    images = np.ones((3, 2, 2))
    with pytest.raises(
        ShapeError, match=r"samples of shape \(2, 2\)\. End the model with Flatten\(\(2, 2\)\)"
    ):
        nn.Sequential([Pixels()]).evaluate(images, images, loss=nn.MeanSquaredError())


def test_a_context_writes_to_arrays_only():
    model = nn.Sequential([nn.Dense(2, 1)], rng=0)
    with pytest.raises(ArgumentTypeError, match="got list"):
        model.context(grads=[0.0, 0.0, 0.0])


def test_a_context_belongs_to_its_model(rng):
    model, other = net(), net()
    with pytest.raises(TypeError, match="that of another model"):
        model.forward(data(rng)[0], other.context())


def test_a_gradient_of_another_shape_names_its_layer(rng):
    class Packed(nn.Layer):
        def forward(self, x, ctx=None):
            if ctx is not None:
                ctx.save(x)
            return np.tanh(x)

        def backward(self, dy, ctx):
            x = ctx.saved  # not unpacked: it has one axis too many
            return dy * (1 - np.tanh(x) ** 2)

    model = nn.Sequential([nn.Dense(4, 6), Packed(), nn.Dense(6, 3)], rng=0)
    x, y = data(rng)
    with pytest.raises(
        TypeError, match=r"layer 1 Packed\(\)\.backward: expected dL/dx of shape \(20, 6\).*check_layer"
    ):
        model.loss_and_grad(x, y, nn.SoftmaxCrossEntropy())


def test_a_probability_layer_is_refused_with_the_line_to_write(rng):
    model = nn.Sequential([nn.Dense(4, 3), nn.Softmax()], rng=0)
    with pytest.raises(ArgumentError, match=r"write Softmax\(\)\.forward\(model\.predict\(X\)\)"):
        model.loss_and_grad(*data(rng), nn.SoftmaxCrossEntropy())


def test_testing_is_there_when_asked_for():
    assert nn.testing.check_layer(nn.Dense(2, 2)).largest_error < 1e-7
    with pytest.raises(AttributeError, match="got 'tests'"):
        nn.__getattr__("tests")


def test_the_summary_of_blocks_counts_every_number_once():
    model = net_of_blocks()
    model[1].layers[2].layers[0].freeze("W")
    summary = model.summary()
    rows = {row.place: row for row in summary.layers}
    assert list(rows) == [prefix[:-1] for prefix, _ in model.walk() if prefix]
    assert sum(row.parameters for row in summary.layers) == model.params.size
    assert sum(row.kept for row in summary.layers) == model.params.state.size
    assert (rows["1"].name, rows["1"].parameters, rows["1"].output_shape) == ("Residual", 0, (5,))
    assert (rows["1.2.0"].parameters, rows["1.2.0"].frozen) == (30, 25)
    text = f"{summary}"
    assert "\n   1.2  Residual " in text
    assert "\n      1.2.0  Dense(5, 5) " in text
    assert "10 + 10 kept" in text
    assert (
        f"{model.params.size} parameters and 30 numbers kept and not learned, float32, 25 of them frozen"
        in text
    )
    assert "\N{NO-BREAK SPACE}1.2.0  Dense(5, 5)" in summary._repr_html_()
    assert "\N{NO-BREAK SPACE}" not in text
