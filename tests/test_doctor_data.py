"""The doctor looks at data: columns, labels, their order, and the rows that are held out."""

import numpy as np
import pytest
from patients import clusters, digits, examined, first, net, surface, trained

import nnlite as nn
from nnlite.inspect import doctor
from nnlite.inspect.checkup import columns, data, held_out, labels
from nnlite.inspect.checkup.admission import admit
from nnlite.inspect.checkup.examination import examine

CROSS_ENTROPY, BINARY, SQUARES = nn.SoftmaxCrossEntropy(), nn.BinaryCrossEntropy(), nn.MeanSquaredError()


def beside(X, *columns):
    return np.column_stack([X, *columns])


def test_rows_sorted_by_class_before_the_split_are_in_no_other_unit():
    wine = pytest.importorskip("sklearn.datasets").load_wine()
    X, y = wine.data, wine.target
    kept = {"validation": (X[134:], y[134:])}
    model = net(13, 16, 3, first=[nn.Standardize(13)])
    one = first(doctor(model, X[:134], y[:134], CROSS_ENTROPY, nn.Adam(0.01), **kept), "NN110")
    assert one.evidence["distance"] > 0.9
    assert "stratify=True" in one.fix


# A column that is the target.


@pytest.mark.parametrize("kind", ["ids", "nearly", "marks", "amount", "line", "curve"])
def test_a_column_that_says_the_target_is_named_and_left_out(kind):
    rng = np.random.default_rng(1)
    X, y = clusters(spread=0.5, classes=2 if kind in ("nearly", "amount") else 3)
    outputs, loss = 3, CROSS_ENTROPY
    if kind in ("line", "curve"):
        X, y = surface()
        outputs, loss, extra = 1, SQUARES, 3 * y + 1 if kind == "line" else np.exp(y)
    elif kind == "marks":
        extra = np.eye(3)[y]
    elif kind == "amount":  # what was paid back, which is 0 where nothing was
        extra = np.where(y == 1, rng.exponential(size=len(y)), 0)
    else:
        extra = y + (0.05 * rng.normal(size=len(y)) if kind == "nearly" else 0.0)
    leaky = beside(X, extra)
    outputs = 2 if kind in ("nearly", "amount") else outputs
    one = first(examined(net(leaky.shape[1], 16, outputs), (leaky, y), loss), "NN113")
    assert one.evidence["columns"] == list(range(6, leaky.shape[1]))
    assert one.evidence["explained_by_others"] < 0.9
    assert "np.delete(X, " in one.fix
    assert "6 inputs" in one.fix
    assert one.severity == ("warning" if kind in ("nearly", "amount") else "error")
    assert examined(net(6, 16, outputs), (X, y), loss).healthy


def iris_pair():
    X, y = nn.datasets.iris()  # petals alone tell the first two kinds apart, and so do the other columns
    return net(4, 16, 2, first=[nn.Standardize(4)]), (X[y < 2], y[y < 2]), CROSS_ENTROPY


def a_threshold():
    X = np.random.default_rng(0).uniform(-1, 1, size=(500, 5))
    return net(5, 16, 2), (X, (X[:, 0] > 0).astype(int)), CROSS_ENTROPY


def the_next_value():
    series = np.sin(np.arange(600) * 0.05) + 0.01 * np.random.default_rng(0).normal(size=600)
    return net(8, 16, 1), (np.stack([series[i : i + 8] for i in range(590)]), series[8:598, None]), SQUARES


def an_autoencoder():
    X, _ = digits()
    return net(64, 16, 64), (X, X), SQUARES


def flowers():
    return net(4, 16, 3, first=[nn.Standardize(4)]), nn.datasets.iris(), CROSS_ENTROPY


@pytest.mark.parametrize("build", [iris_pair, a_threshold, the_next_value, an_autoencoder, flowers])
def test_a_column_that_says_much_is_no_leak(build):
    assert "NN113" not in examined(*build()).codes


def test_in_a_small_table_the_rule_may_be_the_column_itself():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    X[:, 0] += 20 * (y := rng.integers(0, 2, 200))
    diagnosis = examined(net(2, 8, 2, first=[nn.Standardize(2)]), (X, y), CROSS_ENTROPY)
    assert diagnosis.healthy
    assert "NN113" in diagnosis.codes


# Row numbers and ids.


@pytest.mark.parametrize("kind", ["counted", "shuffled", "ids"])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_row_number_is_left_out_and_not_scaled(kind, scaled):
    X, y = clusters()
    rng = np.random.default_rng(0)
    number = {
        "counted": np.arange(len(X)),
        "shuffled": rng.permutation(800)[: len(X)],  # what a split has left
        "ids": 10_000 + np.cumsum(rng.integers(1, 9, len(X))),
    }[kind]
    model = net(7, 16, 3, first=[nn.Standardize(7)] if scaled else ())
    diagnosis = examined(model, (np.column_stack([number, X]), y), CROSS_ENTROPY)
    one = first(diagnosis, "NN114")
    assert one.evidence["column"] == 0
    assert "np.delete(X, 0, axis=1)" in one.fix
    assert "NN101" not in diagnosis.codes


def test_years_and_a_single_column_are_no_row_numbers():
    rng = np.random.default_rng(0)
    year = np.arange(1900, 2000)
    X = beside(year, rng.normal(size=(100, 2)))
    y = (year - 1950)[:, None] / 30 + X[:, 1:2]
    assert "NN114" not in examined(net(3, 16, 1, first=[nn.Standardize(3)]), (X, y), SQUARES).codes
    time = np.arange(200.0)[:, None]
    assert "NN114" not in examined(net(1, 16, 1), (time, np.sin(time / 9)), SQUARES).codes
    pixels = digits()
    assert "NN114" not in examined(net(64, 16, 10), (16 * pixels[0], pixels[1]), CROSS_ENTROPY).codes


# Text, dates and categories.


def frame(**columns):
    pandas = pytest.importorskip("pandas")
    X, y = surface(200)
    return pandas.DataFrame(X, columns=list("abcdef")).assign(**columns), y


def days():
    return [f"{month}/{day}/2024" for month in range(1, 9) for day in range(1, 26)]


def test_dates_as_text_are_named_with_their_parts():
    table, y = frame(day=days())
    one = first(examined(net(7, 16, 1), (table, y), SQUARES), "NN103")
    assert one.evidence["dates"] == ["day"]
    assert "d = pandas.to_datetime(X['day'])" in one.fix
    assert "month=d.dt.month" in one.fix
    array = np.column_stack([surface(200)[0].astype(object), days()])
    one = first(examined(net(7, 16, 1), (array, y), SQUARES), "NN103")
    assert one.fix.startswith("Column 6 holds dates: write d = pandas.to_datetime(X[:, 6])")


def test_times_and_other_text_are_told_apart():
    pandas = pytest.importorskip("pandas")
    table, y = frame(day=pandas.to_datetime(days()))
    assert first(examined(net(7, 16, 1), (table, y), SQUARES), "NN103").evidence["dates"] == ["day"]
    table, y = frame(kind=["loft", "attic"] * 100)
    one = first(examined(net(7, 16, 1), (table, y), SQUARES), "NN103")
    assert one.evidence["texts"] == ["kind"]
    assert "TableEncoder" in one.fix


@pytest.mark.filterwarnings("ignore::nnlite.errors.DataWarning")
@pytest.mark.parametrize(
    ("name", "cells", "code", "fix"),
    [
        ("day", days(), "NN116", "pandas.to_datetime(frame['day'])"),
        ("name", [f"n{number}" for number in range(200)], "NN116", "frame.drop(columns='name')"),
        ("id", list(range(200)), "NN114", "frame = frame.drop(columns=['id'])"),
        ("kind", ["loft", "attic"] * 100, None, ""),
    ],
)
def test_columns_of_a_table_that_name_single_rows(name, cells, code, fix):
    table, y = frame(**{name: cells, "other": ["x", "y"] * 100})
    encoder = nn.TableEncoder().fit(table)
    layers = [encoder.layer(), nn.Dense(encoder.width, 16), nn.Tanh(), nn.Dense(16, 1)]
    diagnosis = examined(nn.Sequential(layers, preprocessing=encoder, rng=0), (table, y), SQUARES)
    if code is None:
        assert not {"NN114", "NN116"} & {*diagnosis.codes}
    else:
        assert fix in first(diagnosis, code).fix


# Labels.


@pytest.mark.parametrize("kind", ["classes", "numbers", "digits"])
@pytest.mark.parametrize("mixed", [True, False])
def test_rows_that_do_not_belong_together(kind, mixed):
    X, y = {"classes": clusters, "numbers": surface, "digits": digits}[kind]()
    cut = len(X) * 2 // 3
    if mixed:
        y = np.random.default_rng(5).permutation(y)
    outputs, loss = {"classes": (3, CROSS_ENTROPY), "numbers": (1, SQUARES), "digits": (10, CROSS_ENTROPY)}[
        kind
    ]
    model = net(X.shape[1], 32, outputs)
    before = examined(model, (X[:cut], y[:cut]), loss)
    assert ("NN118" in before.codes) is mixed
    assert "NN118" not in [one.code for one in before.problems]
    after = trained(model, (X[:cut], y[:cut]), loss, 30, validation=(X[cut:], y[cut:]))
    if mixed:
        one = first(after, "NN118")
        assert one.evidence["sure"] < 3
        assert "X[order], y[order]" in one.fix
    else:
        assert "NN118" not in after.codes


def rare(rows, others=3000, *, apart=2.0):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(rows + others, 6)), np.zeros(rows + others, int)
    y[rng.permutation(rows + others)[:rows]] = 1
    X[y == 1] += apart
    return X, y


@pytest.mark.parametrize("epochs", [0, 3])
def test_a_class_that_is_never_found_costs(epochs):
    X, y = rare(3)
    model = net(6, 16, 2)
    if epochs:
        diagnosis = trained(model, (X, y), CROSS_ENTROPY, epochs)
    else:
        diagnosis = examined(model, (X, y), CROSS_ENTROPY)
    one = first(diagnosis, "NN109")
    assert one.evidence["sizes"] == [3000, 3]
    assert one.evidence["found"] == 0
    assert one.evidence["found_with_weights"] == 1
    assert 'class_weight="balanced"' in one.fix


def test_a_rare_class_that_is_found_or_cannot_be_found_is_a_note():
    X, y = rare(60, apart=4.0)
    assert examined(net(6, 16, 2), (X, y), CROSS_ENTROPY).healthy
    X, y = rare(40, apart=0.0)
    assert examined(net(6, 16, 1), (X, y[:, None]), BINARY).healthy


def test_sorted_rows_that_are_not_shuffled():
    X, y = clusters(1000, classes=10, spread=2.0)
    order = np.argsort(y, kind="stable")
    model = net(6, 32, 10)
    ranked = X[order], y[order]
    one = first(examined(model, ranked, CROSS_ENTROPY, shuffle=False), "NN112")
    assert "shuffle=False" in one.fix
    assert "NN112" in examined(model, ranked, CROSS_ENTROPY, shuffle=False, batch_size=1).codes
    assert "NN112" not in examined(model, ranked, CROSS_ENTROPY).codes
    assert examined(model, (X, y), CROSS_ENTROPY, shuffle=False).healthy
    X, y = surface()
    order = y[:, 0].argsort()
    first(examined(net(6, 16, 1), (X[order], y[order]), SQUARES, shuffle=False), "NN112")


def test_batches_that_come_sorted():
    X, y = clusters(1000, classes=10, spread=2.0)
    order = np.argsort(y, kind="stable")
    for X, y, code in ((X[order], y[order], True), (X, y, False)):  # noqa: B020
        batches = [(X[at : at + 25].astype(np.float32), y[at : at + 25]) for at in range(0, 1000, 25)]
        found = doctor(net(6, 32, 10), batches, None, CROSS_ENTROPY, nn.Adam(0.01))
        assert ("NN112" in found.codes) is code


# Targets.


@pytest.mark.parametrize("epochs", [0, 10])
def test_targets_of_a_million(epochs):
    X, y = surface()
    data, model = (X, 3e5 * y + 1e6), net(6, 32, 1)
    diagnosis = trained(model, data, SQUARES, epochs) if epochs else examined(model, data, SQUARES)
    one = first(diagnosis, "NN105")
    assert "(y - mean) / std" in one.fix
    assert "* std + mean" in one.fix
    assert examined(net(6, 32, 1), (X, y / y.std()), SQUARES).healthy


def test_class_ids_have_no_size():
    X, y = clusters(1000, classes=20, spread=3.0)
    assert "NN105" not in examined(net(6, 32, 1), (X, y[:, None]), SQUARES).codes


# Rows that are held out.


def halves(X, y, rows):
    return (X[:rows], y[:rows]), (X[rows:], y[rows:])


@pytest.mark.parametrize("kind", ["rare class", "bootstrap", "all five times"])
def test_rows_that_were_repeated_before_the_split(kind):
    rng = np.random.default_rng(0)
    X, y = clusters(800, classes=2, spread=0.6)
    if kind == "rare class":
        common, few = np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:60]
        rows = rng.permutation(np.concatenate([common, rng.choice(few, len(common))]))
    elif kind == "bootstrap":
        X, y = nn.datasets.iris()
        rows = rng.choice(len(X), 1000)
    else:
        rows = rng.permutation(np.repeat(np.arange(800), 5))
    train, validation = halves(X[rows], y[rows], len(rows) * 3 // 4)
    columns = X.shape[1]
    model = net(columns, 16, 3, first=[nn.Standardize(columns)])
    one = first(examined(model, train, CROSS_ENTROPY, validation=validation), "NN108")
    assert "before the split" in one.message
    assert one.evidence["repeated_in_training"] > 0.4
    assert "np.unique(X, axis=0, return_index=True)" in one.fix


def test_rows_that_are_equal_by_nature():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, size=(1000, 4)).astype(float)  # 81 rows are possible
    y = (X[:, :1] + X[:, 1:2] > rng.integers(1, 4, size=(1000, 1))).astype(float)
    train, validation = halves(X, y, 700)
    diagnosis = examined(net(4, 16, 1), train, BINARY, validation=validation)
    assert "NN108" not in [one.code for one in diagnosis.problems]


UNITS = {
    "times 1000": (lambda column: 1000 * column, "/= 1000"),
    "by 1000": (lambda column: column / 1000, "*= 1000"),
    "Fahrenheit": (lambda column: 1.8 * column + 32, "-32) / 1.8"),
    "Celsius": (lambda column: (column - 32) / 1.8, "* 1.8 +32"),
    "minutes": (lambda column: 60 * column, "/= 60"),
    "Kelvin": (lambda column: column + 273.15, "-273.15"),
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("epochs", [0, 20])
def test_a_column_of_the_validation_rows_in_another_unit(unit, epochs):
    X, y = clusters()
    X[:, 3] = 15 + 8 * X[:, 3]
    train, (other, labels) = halves(X, y, 400)
    model = net(6, 16, 3, first=[nn.Standardize(6)])
    change, fix = UNITS[unit]
    assert examined(model, train, CROSS_ENTROPY, validation=(other, labels)).healthy
    other = other.copy()
    other[:, 3] = change(other[:, 3])
    if epochs:
        diagnosis = trained(model, train, CROSS_ENTROPY, epochs, validation=(other, labels))
    else:
        diagnosis = examined(model, train, CROSS_ENTROPY, validation=(other, labels))
    one = first(diagnosis, "NN110")
    assert one.evidence["columns"] == [3]
    assert fix in one.fix
    if epochs and unit != "by 1000":
        assert "if they are brought back" in one.message


@pytest.mark.parametrize("raw", ["training", "validation"])
def test_one_of_both_was_scaled(raw):
    X, y = clusters()
    X = 50 * X + 200
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    train, validation = halves(X, y, 400) if raw == "training" else halves(scaled, y, 400)
    other = scaled if raw == "training" else X
    diagnosis = examined(net(6, 16, 3), train, CROSS_ENTROPY, validation=(other[400:], validation[1]))
    assert "(X_validation - mean) / std" in first(diagnosis, "NN110").fix


def test_a_column_that_grows_with_the_rows_is_in_no_other_unit():
    X, y = clusters()
    X[:, 2] = np.arange(600) / 100 + 0.1 * X[:, 2]
    train, validation = halves(X, y, 400)
    diagnosis = examined(
        net(6, 16, 3, first=[nn.Standardize(6)]), train, CROSS_ENTROPY, validation=validation
    )
    assert "NN110" not in diagnosis.codes


def test_white_paper_is_no_column_far_from_zero():
    X, y = digits()
    assert "NN101" not in [one.code for one in examined(net(64, 32, 10), (1 - X, y), CROSS_ENTROPY).problems]


# What rows of validation share with those of the training.


def of(layers, X, y, loss, *rules, validation=None, encoder=None, **settings):
    """Make a few checks only."""
    model = nn.Sequential(layers, preprocessing=encoder, rng=0)
    if isinstance(validation, float):
        settings["validation"] = validation
    asked = {"weight": None, "class_weight": None, "trained": False, "asked": settings}
    admitted = admit(model, X, y, loss, nn.Adam(0.01), validation=validation, **asked)
    return examine(*admitted, {rule.__name__: rule for rule in rules})


@pytest.mark.parametrize("drawn", [False, True])
def test_windows_of_a_series_that_are_drawn_at_random(drawn):
    series = np.cumsum(np.random.default_rng(0).normal(size=500))
    X = np.lib.stride_tricks.sliding_window_view(series, 30)
    X, y = X[:-15], X[15:, -1:]
    rows = np.random.default_rng(1).permutation(len(X)) if drawn else np.arange(len(X))
    X, y = X[rows], y[rows]
    found = of([nn.Dense(30, 1)], X[:380], y[:380], SQUARES, held_out.leaks, validation=(X[380:], y[380:]))
    assert found.codes == (("NN108",) if drawn else ())
    share = {} if drawn else {"shuffle": False}
    found = of([nn.Dense(30, 1)], X, y, SQUARES, held_out.leaks, validation=0.2, **share)
    assert [one.fix[:13] for one in found] == (["Split by time"] if drawn else [])


def test_coarse_tables_have_equal_rows_by_nature():
    rng = np.random.default_rng(0)
    kind, grade = rng.integers(0, 8, 1200), rng.integers(0, 5, 1200)
    X, y = beside(np.eye(8)[kind], grade / 4), (kind * 3 % 5 + grade) % 3
    y = np.where(rng.random(1200) < 0.1, rng.integers(0, 3, 1200), y)
    found = of([nn.Dense(9, 3)], X, y, CROSS_ENTROPY, labels.repeats)
    assert found[0].severity == "note"
    assert found[0].evidence["share"] > 0.05


def test_few_coarse_rows_in_both_parts_are_chance():
    X, y = nn.datasets.iris()
    for seed in range(10):
        rows = np.random.default_rng(seed).permutation(150)
        train, other = (X[rows[:120], :3], y[rows[:120]]), (X[rows[120:], :3], y[rows[120:]])
        assert of([nn.Dense(3, 3)], *train, CROSS_ENTROPY, held_out.leaks, validation=other).healthy


def test_a_function_that_keeps_the_order_does_not_shuffle():
    X, y = clusters()
    rows = np.argsort(y)
    model = net(6, 16, 3)
    given = X[rows], y[rows], CROSS_ENTROPY, nn.Adam(0.01)
    assert "NN112" in doctor(model, *given, shuffle=np.arange).codes
    assert "NN112" not in doctor(model, *given, shuffle=np.random.default_rng(0).permutation).codes
    history = model.fit(X, y, loss=CROSS_ENTROPY, optimizer=nn.Adam(0.01), epochs=1, shuffle=np.arange, rng=0)
    assert history.settings["shuffle"] is False


NUMBERS = {
    "from ten thousand": lambda rng: 10_000 + rng.permutation(600),
    "seconds since 1970": lambda rng: 1.7e9 + 61 * rng.permutation(900)[:600],
    "ages": lambda rng: rng.integers(18, 90, 600),
    "years": lambda rng: 1700 + rng.permutation(600) % 300,
    "amounts": lambda rng: np.round(rng.lognormal(10, 1, 600)),
}


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("copies", [0, 40])
def test_numbers_of_rows_by_what_they_fill(kind, copies):
    rng = np.random.default_rng(0)
    X = beside(NUMBERS[kind](rng), rng.normal(size=(600, 5)))
    X = np.concatenate([X, X[:copies]])
    found = of([nn.Dense(6, 1)], X, X[:, 1:2], SQUARES, columns.row_number)
    assert ("NN114" in found.codes) == (kind in ("from ten thousand", "seconds since 1970"))


@pytest.mark.parametrize("leaks", [False, True])
def test_a_category_that_names_the_class(leaks):
    table, _ = frame(kind=["x", "y", "z", "z"] * 50)
    y = (table["a"] + 0.1 * table["b"] > 0).astype(int).to_numpy()
    if leaks:
        table["state"] = np.where(y == 1, "treated", "none")
    encoder = nn.TableEncoder().fit(table)
    layers = [encoder.layer(), nn.Dense(encoder.width, 2)]
    found = of(layers, table, y, CROSS_ENTROPY, columns.target_among_features, encoder=encoder)
    assert found.codes == (("NN113",) if leaks else ())
    if leaks:
        assert "frame.drop(columns=['state'])" in found[0].fix


def test_the_last_step_of_a_window_as_the_target():
    series = np.cumsum(np.random.default_rng(0).normal(size=400))
    X = np.lib.stride_tricks.sliding_window_view(series, 10)[..., None]
    same = of([nn.Flatten((10, 1)), nn.Dense(10, 1)], X, X[:, -1], SQUARES, columns.target_among_features)
    assert [one.severity for one in same] == ["error"]
    following = of(
        [nn.Flatten((10, 1)), nn.Dense(10, 1)], X[:-1], X[1:, -1], SQUARES, columns.target_among_features
    )
    assert following.healthy


@pytest.mark.filterwarnings("ignore::nnlite.errors.DataWarning")
def test_dates_that_begin_with_the_day():
    table, y = frame(day=[f"{1 + at % 28}/{1 + at % 12}/2024" for at in range(200)])
    encoder = nn.TableEncoder().fit(table)
    layers = [encoder.layer(), nn.Dense(encoder.width, 1)]
    found = of(layers, table, y, SQUARES, columns.categories, encoder=encoder)
    assert "pandas.to_datetime(frame['day'], dayfirst=True)" in found[0].fix
    assert "dayfirst=True" in examined(net(7, 1), (table, y), SQUARES)[0].fix


# Numbers that stand for something else.


def plain(seed=0):
    X = np.random.default_rng(seed).normal(size=(900, 6))
    return X, np.sin(X[:, :1]) + X[:, 1:2]


@pytest.mark.parametrize("holes", [False, True])
def test_nines_in_the_place_of_missing_numbers(holes):
    X, y = plain()
    if holes:
        X = np.where(np.random.default_rng(1).random(X.shape) < 0.03, -999.0, X)
    found = of([nn.Standardize(6), nn.Dense(6, 1)], X, y, SQUARES, data.features)
    assert found.codes == (("NN101",) if holes else ())
    if holes:
        assert found[0].evidence["columns"] == [0, 1, 2, 3, 4, 5]
        assert "np.where(X == -999, np.nan, X)" in found[0].fix
    assert of([nn.Dense(6, 1)], np.full((900, 6), 99.0), y, SQUARES, data.features).codes == ("NN102",)


def test_columns_with_a_long_tail():
    X, y = plain()
    layers = nn.Standardize(6), nn.Dense(6, 1)
    found = of(layers, np.exp(3 * X), y, SQUARES, data.features)
    assert "np.log(" in first(found, "NN101").fix
    layers = nn.Standardize(6), nn.Dense(6, 1)
    assert of(layers, np.exp(X), y, SQUARES, data.features).healthy


def test_validation_targets_that_were_not_scaled():
    X, y = plain()
    other = X[600:], 40 + 12 * y[600:]
    found = of([nn.Dense(6, 1)], X[:600], y[:600], SQUARES, held_out.validation, validation=other)
    assert "(y_validation - mean) / std" in first(found, "NN110").fix
    order = np.argsort(y[:, 0])  # another part of the range is in no other unit
    X, y = X[order], np.exp(5 * y[order])
    other = X[800:], y[800:]
    found = of([nn.Dense(6, 1)], X[:800], y[:800], SQUARES, held_out.validation, validation=other)
    assert "y_validation" not in f"{found}"


def test_rows_sorted_by_a_column_and_cut_are_to_be_shuffled():
    X, y = plain()
    X[:, 2] = np.exp(np.linspace(0, 4, 900))
    layers = nn.Standardize(6), nn.Dense(6, 1)
    other = X[600:], y[600:]
    one = first(of(layers, X[:600], y[:600], SQUARES, held_out.validation, validation=other), "NN110")
    assert one.fix.startswith("Shuffle before you split")


def test_targets_that_were_sorted_and_cut():
    X, y = plain()
    ids = np.sort((y[:, 0] > 0).astype(int))
    given = [X[:400], ids[:400], CROSS_ENTROPY, nn.Adam(0.01)]
    diagnosis = doctor(net(6, 8, 2), *given, validation=(X[400:], ids[400:]))
    assert first(diagnosis, "NN106").fix.startswith("Shuffle before you split")
    assert len(diagnosis.problems) == 1


@pytest.mark.parametrize("turned", [False, True])
def test_weights_of_classes_the_wrong_way_round(turned):
    X, _ = plain()
    y = (np.arange(900) < 60).astype(int)
    weights = {0: 12.0, 1: 0.5} if turned else {0: 0.5, 1: 12.0}
    found = of([nn.Dense(6, 2)], X, y, CROSS_ENTROPY, labels.classes, class_weight=weights)
    assert ("balanced" in f"{found.problems}") == turned
    loss = nn.BinaryCrossEntropy(pos_weight=300.0 if turned else 14.0)
    found = of([nn.Dense(6, 1)], X, y[:, None], loss, labels.classes)
    assert [one.fix for one in found.problems] == (
        ["Write BinaryCrossEntropy(pos_weight=14)."] if turned else []
    )


def test_targets_of_tasks_and_of_steps():
    X, y = plain()
    kinds, tags = np.random.default_rng(0).integers(0, 30, (2, 900, 7))
    tasks = {"kind": nn.Task(CROSS_ENTROPY, outputs=list(range(30)), targets=0)}
    tasks["mass"] = nn.Task(SQUARES, outputs=30, targets=1)
    loss = nn.MultiTaskLoss(tasks)
    assert of([nn.Dense(6, 31)], X, beside(kinds[:, :1], y), loss, data.targets).healthy
    found = of([nn.Dense(6, 31)], X, beside(kinds[:, :1], 1e5 * y), loss, data.targets)
    assert "y[:, 1] = (y[:, 1] - mean) / std" in first(found, "NN105").fix
    for classes, padding, codes in ((30, -1, ()), (2, 0, ("NN106",)), (3, 0, ())):
        loss = nn.SequenceLoss(CROSS_ENTROPY, 7, padding=padding)
        found = of([nn.Dense(6, 7 * classes)], X, tags % classes, loss, data.targets)
        assert found.codes == codes
