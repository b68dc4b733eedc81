"""Pictures of predictions, and of what a model looks at: what is drawn are the numbers, of any estimator."""

import numpy as np
import pytest
import scipy.stats

import nnlite as nn
from nnlite.errors import ArgumentError, ArgumentTypeError, ShapeError
from nnlite.inspect import Importance, LearningCurve, learning_curve, permutation_importance, saliency

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from nnlite import metrics, plot  # noqa: E402
from nnlite.plot.curves import NAMED  # noqa: E402
from nnlite.plot.style import NEGATIVE, POSITIVE  # noqa: E402

RNG = np.random.default_rng(0)
#: Of three classes, and of one question.
SCORES, IDS = RNG.normal(size=(60, 3)), np.arange(60) % 3
SCORES[np.arange(60), IDS] += 1
YES = (IDS == 1) * 1
LOSS = nn.SoftmaxCrossEntropy()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def net(*layers):
    return nn.Sequential(list(layers), rng=0)


class Classifier:
    """The least that there is to an estimator."""

    classes_ = np.array(["cat", "dog", "fox"])

    def predict(self, X):
        return self.classes_[np.asarray(X).argmax(axis=1)]

    def predict_proba(self, X):
        return nn.Softmax().forward(np.asarray(X))

    def score(self, X, y, sample_weight=None):
        return float(np.average(self.predict(X) == y, weights=sample_weight))

    def fit(self, X, y, slack=0.0):
        self.rows, self.slack = len(X), slack
        return self


class Ranker(Classifier):
    predict_proba = None

    def decision_function(self, X):
        return np.asarray(X)


@metrics.directions.more_is_better
def share_of_ones(pred, target):
    return float(target.mean())


class Line:
    def predict(self, X):
        return 2 * np.asarray(X)[:, 0]


LABELS = Classifier.classes_[IDS]


# Curves.


@pytest.mark.parametrize(
    ("draw", "across", "along", "area", "measure"),
    [
        (plot.roc_curve, 0, 1, "area", metrics.roc_auc),
        (plot.precision_recall_curve, 1, 0, "AP", metrics.average_precision),
    ],
    ids=["roc", "precision and recall"],
)
class TestCurvesOfClasses:
    def test_lines_are_those_of_the_metrics(self, draw, across, along, area, measure):
        ax = draw(SCORES, IDS, classes=["a", "b", "c"])
        lines = [line for line in ax.lines if not line.get_label().startswith("_")]
        assert len(lines) == 3
        for place, line in enumerate(lines):
            points = getattr(metrics, draw.__name__)(SCORES, IDS, class_id=place)
            np.testing.assert_array_equal(line.get_xdata(), points[across])
            np.testing.assert_array_equal(line.get_ydata(), points[along])
        sure = nn.Softmax().forward(SCORES)
        values = [measure(sure[:, place], (place == IDS) * 1) for place in range(3)]
        named = [f"{name}, {area} {value:.3g}" for name, value in zip("abc", values, strict=True)]
        assert [line.get_label() for line in lines] == named

    def test_of_a_yes_or_no_question_there_is_one(self, draw, across, along, area, measure):
        for pred in (SCORES[:, 1], SCORES[:, 1:2], np.stack([-SCORES[:, 1], SCORES[:, 1]], axis=1)):
            ax = draw(pred, YES)
            (line,) = [line for line in ax.lines if not line.get_label().startswith("_")]
            assert line.get_label().endswith(f" {measure(SCORES[:, 1], YES):.3g}")
            assert len(ax.lines) == 2, "and what guessing comes to"

    def test_weights_count_rows(self, draw, across, along, area, measure):
        weight = np.arange(60) % 4
        ax = draw(SCORES[:, 1], YES, weight)
        (line,) = [line for line in ax.lines if not line.get_label().startswith("_")]
        assert line.get_label().endswith(f" {measure(SCORES[:, 1], YES, weight):.3g}")

    def test_of_many_the_worst_are_named(self, draw, across, along, area, measure):
        ids = np.arange(100) % 20
        scores = RNG.normal(size=(100, 20))
        scores[np.arange(100), ids] += ids / 4  # the higher, the easier
        ax = draw(scores, ids)
        named = [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
        assert len(named) == NAMED
        numbers = [float(name.rsplit(" ", 1)[1]) for name in named]
        others = [
            float(n.rsplit(" ", 1)[1]) for n in (x.get_label() for x in ax.lines) if n.startswith("_class")
        ]
        assert len(others) == 10
        assert max(numbers) <= min(others)
        assert numbers == sorted(numbers, reverse=True)

    def test_two_classes_of_one_name_have_a_curve_each(self, draw, across, along, area, measure):
        lines = draw(SCORES, IDS, classes=["a", "a", "b"]).lines
        assert [line.get_label()[:1] for line in lines if not line.get_label().startswith("_")] == [
            "a",
            "a",
            "b",
        ]

    def test_a_class_without_rows_says_so(self, draw, across, along, area, measure):
        ax = draw(SCORES[:6], IDS[:6] % 2)
        assert "class 2: no rows" in [line.get_label() for line in ax.lines]
        labels = [line.get_label() for line in draw(SCORES[:, 0], np.zeros(60, int)).lines]
        assert "class 1: no rows" in labels
        labels = [line.get_label() for line in draw(SCORES, np.zeros(60, int)).lines]
        assert "class 1: no rows" in labels
        assert "class 0: no others" in labels or "class 0, AP 1" in labels

    def test_an_estimator_is_asked(self, draw, across, along, area, measure):
        for estimator in (Classifier(), Ranker()):
            # Decision functions need be no logits, so that each column orders the rows as it is.
            logits = estimator.predict_proba is not None
            ours = [line.get_xydata() for line in draw(SCORES, IDS, logits=logits).lines]
            ax = draw.from_estimator(estimator, SCORES, LABELS)
            assert [line.get_label().partition(",")[0] for line in ax.lines if "," in line.get_label()] == [
                "cat", "dog", "fox",
            ]  # fmt: skip
            for line, expected in zip(ax.lines, ours, strict=True):
                np.testing.assert_allclose(line.get_xydata(), expected, rtol=1e-12)

    def test_bad_input(self, draw, across, along, area, measure):
        with pytest.raises(ArgumentError, match="class ids from 0 to 2"):
            draw(SCORES, IDS + 1)
        with pytest.raises(ShapeError, match="expected 3 names, got 2"):
            draw(SCORES, IDS, classes=["a", "b"])
        with pytest.raises(ArgumentTypeError, match="predict_proba or decision_function, got Line"):
            draw.from_estimator(Line(), SCORES, LABELS)
        message = r"_curve\.from_estimator\(\.\.\.\): expected one of weight, classes, logits, ax, got axis"
        with pytest.raises(ArgumentTypeError, match=message):
            draw.from_estimator(Classifier(), SCORES, LABELS, axis=None)


class TestCalibrationCurve:
    def test_dots_and_counts_are_those_of_the_metric(self):
        predicted, observed, rows = metrics.calibration_curve(SCORES, IDS, bins=5)
        ax = plot.calibration_curve(SCORES, IDS, bins=5)
        np.testing.assert_array_equal(ax.lines[-1].get_xdata(), predicted)
        np.testing.assert_array_equal(ax.lines[-1].get_ydata(), observed)
        assert [float(text.get_text()) for text in ax.texts] == rows.tolist()
        heights = np.array([bar.get_height() for bar in ax.patches])
        np.testing.assert_allclose(heights / heights.max(), rows / rows.max())
        for bar, mean in zip(ax.patches, predicted, strict=True):
            assert bar.get_x() <= mean <= bar.get_x() + bar.get_width()
        error = np.average(np.abs(predicted - observed), weights=rows)
        assert ax.get_title() == f"{error:.1%} off on average"
        assert ax.get_xlabel() == "probability of the predicted class"

    def test_upright_lines_are_the_intervals_of_wilson(self):
        _, observed, rows = metrics.calibration_curve(SCORES, IDS, bins=5)
        lines = plot.calibration_curve(SCORES, IDS, bins=5).collections[0].get_segments()
        for line, share, count in zip(lines, observed, rows, strict=True):
            test = scipy.stats.binomtest(round(share * count), int(count))
            expected = test.proportion_ci(0.9, "wilson")
            np.testing.assert_allclose(line[:, 1], expected, atol=1e-4)

    @pytest.mark.parametrize("bins", [5, 10, 15])
    def test_a_probability_between_two_bins_is_drawn_in_the_lower_one(self, bins):
        edges = np.linspace(0, 1, bins + 1)
        for place in range(1, bins):
            sure = np.full(3, edges[place])  # whose mean may be rounded upwards
            (bar,) = plot.calibration_curve(sure, [0, 1, 1], bins=bins, logits=False).patches
            assert bar.get_x() == pytest.approx(edges[place - 1])
            plt.close("all")

    def test_of_two_classes_it_is_that_of_the_second(self):
        ax = plot.calibration_curve([0.1, 0.9], [0, 1], logits=False, classes=["no", "yes"])
        assert ax.get_xlabel() == "probability of yes"

    def test_an_estimator_is_asked_for_probabilities(self):
        ax = plot.calibration_curve.from_estimator(Classifier(), SCORES, LABELS, bins=4)
        predicted, observed, _ = metrics.calibration_curve(SCORES, IDS, bins=4)
        np.testing.assert_allclose(ax.lines[-1].get_xydata(), np.stack([predicted, observed], axis=1))
        with pytest.raises(ArgumentTypeError, match="an estimator with predict_proba, got Ranker"):
            plot.calibration_curve.from_estimator(Ranker(), SCORES, LABELS)


class TestLearningCurve:
    options = {"loss": LOSS, "optimizer": nn.Adam(0.05), "epochs": 3}  # noqa: RUF012

    def test_lines_are_means_and_bands_go_from_end_to_end(self):
        training, validation = RNG.random((3, 4)), RNG.random((3, 4))
        ax = plot.learning_curve(LearningCurve(np.array([5, 10, 20]), training, validation, "accuracy"))
        for line, values in zip(ax.lines, (training, validation), strict=True):
            np.testing.assert_allclose(line.get_ydata(), values.mean(axis=1))
            assert line.get_xdata().tolist() == [5, 10, 20]
        for band, values in zip(ax.collections, (training, validation), strict=True):
            found = band.get_paths()[0].vertices[:, 1]
            assert (found.min(), found.max()) == (values.min(), values.max())
        assert ax.get_ylabel() == "accuracy"

    def test_each_replica_is_trained_on_its_own_rows_only(self):
        model = net(nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 3))
        before = model.params.values.copy()
        found = learning_curve(
            model, SCORES, IDS, metric=nn.accuracy, sizes=[9, 30], repeats=2, validation=0.5, **self.options
        )
        assert found.sizes.tolist() == [9, 30]
        assert found.training.shape == found.validation.shape == (2, 2)
        assert found.metric == "accuracy"
        assert np.allclose(found.training[0] * 9, (found.training[0] * 9).round()), "shares of nine rows"
        assert (model.params.values == before).all()
        again = learning_curve(
            model, SCORES, IDS, metric=nn.accuracy, sizes=[9, 30], repeats=2, validation=0.5, **self.options
        )
        np.testing.assert_array_equal(again.validation, found.validation)

    def test_more_rows_of_noise_help_validation_and_not_training(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 20))
        y = X[:, :1] + rng.normal(size=(300, 1))
        options = {"loss": nn.MeanSquaredError(), "optimizer": nn.Adam(0.05), "epochs": 80}
        found = learning_curve(net(nn.Dense(20, 1)), X, y, sizes=[15, 220], **options)
        training, validation = found.training.mean(axis=1), found.validation.mean(axis=1)
        assert training[0] < training[1] < validation[1] < validation[0]

    @pytest.mark.parametrize("optimizer", [nn.Adam(0.1), nn.LBFGS()], ids=["as replicas", "in turn"])
    def test_a_row_of_no_weight_counts_nowhere(self, optimizer):
        y, wrong = SCORES @ [[1.0], [2.0], [3.0]], np.arange(len(SCORES)) % 3 == 0
        y[wrong] += 100
        options = {"loss": nn.MeanSquaredError(), "optimizer": optimizer, "epochs": 200, "sizes": [20, 40]}
        found = learning_curve(net(nn.Dense(3, 1)), SCORES, y, weight=~wrong * 1.0, **options)
        assert found.training.max() < 0.1
        assert found.validation.max() < 0.1
        assert learning_curve(net(nn.Dense(3, 1)), SCORES, y, **options).validation.min() > 100

    def test_an_estimator_is_given_its_weights(self):
        class Weighted(Classifier):
            def fit(self, X, y, sample_weight):
                assert (sample_weight == weight_of[y]).all()
                return super().fit(X, y)

            def score(self, X, y, sample_weight):
                return float(sample_weight.mean())

        weight_of = np.array([1.0, 2.0, 4.0])
        labels = np.arange(60) % 3
        found = learning_curve(Weighted(), SCORES, labels, weight=weight_of[labels], sizes=[45])
        np.testing.assert_allclose(found.validation, 7 / 3)

    def test_an_optimizer_that_needs_all_rows_trains_in_turn(self):
        X, y = SCORES, SCORES @ [[1.0], [2.0], [3.0]]
        options = {"loss": nn.MeanSquaredError(), "optimizer": nn.LBFGS(), "epochs": 30}
        found = learning_curve(net(nn.Dense(3, 1)), X, y, sizes=[2, 40], repeats=2, **options)
        assert found.validation.shape == (2, 2)
        assert (found.validation[1] < 1e-6).all()
        assert (found.validation[0] > 1e-2).all(), "two rows do not tell four numbers"

    def test_a_table_is_encoded_once(self):
        table = {"x": np.arange(40.0), "kind": ["a", "b"] * 20}
        encoder = nn.TableEncoder().fit(table)
        model = nn.Sequential([encoder.layer(), nn.Dense(encoder.width, 2)], preprocessing=encoder, rng=0)
        found = learning_curve(model, table, np.arange(40) % 2, sizes=2, **self.options)
        assert found.sizes.tolist() == [3, 30]

    def test_classes_keep_their_proportions_and_whole_numbers_need_not(self):
        ids = np.r_[np.zeros(32, int), np.ones(8, int)]
        found = learning_curve(
            net(nn.Dense(3, 2)), SCORES[:40], ids, metric=share_of_ones, sizes=[30], **self.options
        )
        np.testing.assert_allclose(found.validation, 0.2)
        counts = np.arange(40) // 2  # two of each
        options = {"loss": nn.MeanSquaredError(), "optimizer": nn.Adam(0.05), "epochs": 1, "sizes": [30]}
        assert learning_curve(net(nn.Dense(3, 1)), SCORES[:40], counts[:, None], **options).sizes == [30]
        ax = plot.learning_curve.from_estimator(Classifier(), SCORES[:40], counts.astype(str), sizes=[30])
        assert ax.lines[0].get_ydata() == [0.0]

    def test_copies_of_an_estimator_are_trained_in_turn(self):
        estimator = Classifier()
        ax = plot.learning_curve.from_estimator(estimator, SCORES, LABELS, sizes=[5, 40], slack=1.0)
        assert ax.lines[0].get_xdata().tolist() == [5, 40]
        assert not hasattr(estimator, "rows")
        right = Classifier().score(SCORES, LABELS)
        assert 0.5 < right < 1
        assert abs(ax.lines[0].get_ydata()[1] - right) < 0.1

    def test_bad_input(self):
        model = net(nn.Dense(3, 3))
        with pytest.raises(ArgumentError, match=r"sizes=\): expected numbers of rows up to 45, got \[50\]"):
            learning_curve(model, SCORES, IDS, sizes=[50], **self.options)
        with pytest.raises(ArgumentError, match=r"validation=\): expected a finite number in .*, got 1"):
            learning_curve(model, SCORES, IDS, validation=1, **self.options)
        with pytest.raises(ArgumentTypeError, match="a LearningCurve, got list"):
            plot.learning_curve([1, 2])
        with pytest.raises(ArgumentTypeError, match="a model with fit, got Line"):
            learning_curve(Line(), SCORES, IDS)
        with pytest.raises(ArgumentTypeError, match="an estimator, got a Sequential"):
            plot.learning_curve.from_estimator(model, SCORES, IDS)
        with pytest.raises(ArgumentError, match="60 targets, one for each row, got 59"):
            learning_curve(model, SCORES, IDS[1:], **self.options)
        with pytest.raises(
            ShapeError, match=r"weight=\): expected weights of shape \(60,\), got shape \(59,\)"
        ):
            learning_curve(model, SCORES, IDS, weight=np.ones(59), **self.options)
        for X, y in ((SCORES, None), ({"a": IDS}, IDS)):
            with pytest.raises(
                ArgumentTypeError, match="expected rows in memory, and a target for each, got"
            ):
                learning_curve(Classifier(), X, y)


# Regression.


class TestFitCurve:
    def test_the_curve_is_what_the_model_answers(self):
        model, x, y = net(nn.Dense(1, 2)), np.linspace(0, 1, 9), RNG.normal(size=(9, 2))
        ax = plot.fit_curve(model, x, y, points=11)
        dots, curves = ax.lines[::2], ax.lines[1::2]
        for place in range(2):
            np.testing.assert_array_equal(dots[place].get_ydata(), y[:, place])
            np.testing.assert_allclose(dots[place].get_xdata(), x)
            places = curves[place].get_xdata()
            np.testing.assert_allclose(curves[place].get_ydata(), model.predict(places[:, None])[:, place])
        assert places[0] < 0 < 1 < places[-1]

    def test_an_estimator_and_a_function(self):
        x = np.array([[0.0], [2.0]])
        for ax in (
            plot.fit_curve.from_estimator(Line(), x, [0, 1]),
            plot.fit_curve(Line().predict, x, [0, 1]),
        ):
            dots, curve = ax.lines
            np.testing.assert_allclose(curve.get_ydata(), 2 * curve.get_xdata())
            assert dots.get_ydata().tolist() == [0, 1]
        assert len(plot.fit_curve.from_estimator(Line(), x).lines) == 1

    def test_the_name_of_the_column_is_that_of_the_axis(self):
        ax = plot.fit_curve(lambda X: X["age"], {"age": [1.0, 2.0]})
        assert ax.get_xlabel() == "age"

    def test_bad_input(self):
        with pytest.raises(ShapeError, match=r"one feature, got shape \(60, 3\)"):
            plot.fit_curve(net(nn.Dense(3, 1)), SCORES)
        with pytest.raises(ShapeError, match="one feature, got 2 columns"):
            plot.fit_curve(net(nn.Dense(2, 1)), {"a": [1.0], "b": [1.0]})
        with pytest.raises(ArgumentTypeError, match="a net or a function, got str"):
            plot.fit_curve("line", [1.0, 2.0])
        with pytest.raises(ShapeError, match=r"expected shape \(2,\) or \(2, outputs\), got \(3,\)"):
            plot.fit_curve(net(nn.Dense(1, 1)), [1.0, 2.0], [1.0, 2.0, 3.0])


class TestPredictionError:
    def test_dots_are_the_rows(self):
        pred, target = RNG.normal(size=(20, 2)), RNG.normal(size=(20, 2))
        for kind, heights in (("actual_vs_predicted", target), ("residual_vs_predicted", target - pred)):
            ax = plot.prediction_error(pred, target, kind=kind)
            for place, line in enumerate(ax.lines[1:]):
                np.testing.assert_array_equal(line.get_xdata(), pred[:, place])
                np.testing.assert_array_equal(line.get_ydata(), heights[:, place])
        error = nn.metrics.root_mean_squared_error(pred, target)
        assert ax.get_title().endswith(f"RMSE {error:.2g}")

    def test_a_column_is_as_good_as_a_list(self):
        ax = plot.prediction_error([[1.0], [2.0]], [1.0, 3.0], [0.0, 1.0])
        assert ax.lines[1].get_xydata().tolist() == [[2.0, 3.0]], "without the row of weight 0"

    def test_an_estimator_is_asked(self):
        ax = plot.prediction_error.from_estimator(Line(), SCORES, SCORES[:, 1], kind="residual_vs_predicted")
        np.testing.assert_allclose(ax.lines[1].get_ydata(), SCORES[:, 1] - 2 * SCORES[:, 0])

    def test_bad_input(self):
        with pytest.raises(ArgumentError, match="'actual_vs_predicted' or 'residual_vs_predicted', got 'x'"):
            plot.prediction_error([1.0], [1.0], kind="x")
        with pytest.raises(ShapeError, match="the shape of pred"):
            plot.prediction_error([1.0, 2.0], [1.0])
        with pytest.raises(ArgumentTypeError, match="an estimator with predict, got the class Line"):
            plot.prediction_error.from_estimator(Line, SCORES, IDS)
        with pytest.raises(ArgumentTypeError, match=r"got a Sequential\. Write plot\.prediction_error"):
            plot.prediction_error.from_estimator(net(nn.Dense(3, 1)), SCORES, IDS)


# What a model looks at.


class TestPermutationImportance:
    def test_a_feature_that_is_not_used_loses_nothing(self):
        model = net(nn.Dense(3, 1))
        model[0].W[...] = [[0.0], [3.0], [-1.0]]
        y = model.predict(SCORES)
        found = permutation_importance(model, SCORES, y, nn.MeanSquaredError(), repeats=4, rng=0)
        assert found.importances.shape == (3, 4)
        assert (found.importances[0] == 0).all()
        assert (found.importances[1] > found.importances[2]).all()
        assert (found.score, found.metric) == (0, "loss")
        up = permutation_importance(model, SCORES, y, nn.r2, repeats=4, rng=0)
        variance = y.var()
        np.testing.assert_allclose(up.importances, found.importances / variance, rtol=1e-4, atol=1e-6)

    def test_rows_of_weight_0_are_as_none(self):
        model = net(nn.Dense(3, 1))
        y = model.predict(SCORES) + 1
        weight = np.where(np.arange(60) < 40, 2.0, 0.0)
        strange = np.where(weight[:, None] > 0, SCORES, 1e6)
        found = permutation_importance(model, strange, y, nn.MeanSquaredError(), weight=weight, rng=0)
        expected = permutation_importance(model, SCORES[:40], y[:40], nn.MeanSquaredError(), rng=0)
        np.testing.assert_allclose(found.importances, expected.importances, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("kind", ["dict", "pandas", "polars"])
    def test_columns_of_a_table_are_shuffled_as_they_are(self, kind):
        table = {"size": np.arange(40.0), "kind": ["a", "b"] * 20}
        if kind != "dict":
            table = pytest.importorskip(kind).DataFrame(table)
        encoder = nn.TableEncoder().fit(table)
        model = nn.Sequential([encoder.layer(), nn.Dense(encoder.width, 2)], preprocessing=encoder, rng=0)
        y = np.arange(40) % 2
        model.fit(table, y, loss=LOSS, optimizer=nn.Adam(0.1), epochs=20)
        found = permutation_importance(model, table, y, nn.accuracy, repeats=2, rng=0)
        assert found.names == ("size", "kind")
        assert found.score == 1
        assert found.mean[1] > 0.2 > abs(found.mean[0])
        assert list(table["kind"]) == ["a", "b"] * 20

    def test_bars_are_means_and_strokes_the_times(self):
        found = Importance(("a", "b", "c"), np.array([[0.1, 0.3], [0.5, 0.7], [-0.1, 0.0]]), 0.9, "accuracy")
        ax = plot.permutation_importance(found)
        assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a", "c"]
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [0.6, 0.2, -0.05])
        np.testing.assert_array_equal(ax.lines[-1].get_xdata(), [0.5, 0.7, 0.1, 0.3, -0.1, 0.0])
        assert mpl.colors.to_hex(ax.patches[2].get_facecolor()).upper() == NEGATIVE
        assert "accuracy" in ax.get_xlabel()
        ax = plot.permutation_importance(found, max_features=2)
        assert (len(ax.patches), ax.get_title()) == (2, "2 of 3 features")

    def test_an_estimator_is_asked(self):
        ax = plot.permutation_importance.from_estimator(Classifier(), SCORES, LABELS, repeats=3, rng=0)
        assert ax.get_xlabel() == "by how much the score gets worse without it"
        expected = permutation_importance(Classifier(), SCORES, LABELS, repeats=3, rng=0)
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], np.sort(expected.mean)[::-1])

    def test_bad_input(self):
        model = net(nn.Dense(3, 3))
        with pytest.raises(ArgumentTypeError, match="a metric, got None"):
            permutation_importance(model, SCORES, IDS)
        with pytest.raises(ArgumentError, match="which way is up, got <lambda>"):
            permutation_importance(model, SCORES, IDS, lambda pred, target: 0.0)
        with pytest.raises(ShapeError, match=r"shape \(rows, features\)"):
            permutation_importance(model, SCORES[0], IDS, nn.accuracy)
        with pytest.raises(ArgumentTypeError, match="a model that predicts, got int"):
            permutation_importance(3, SCORES, IDS, nn.accuracy)
        with pytest.raises(ArgumentTypeError, match="an Importance, got ndarray"):
            plot.permutation_importance(SCORES)
        with pytest.raises(ArgumentTypeError, match="an estimator, got a Sequential"):
            plot.permutation_importance.from_estimator(model, SCORES, IDS)


class TestSaliency:
    @pytest.fixture
    def model(self):
        return nn.Sequential([nn.Dense(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Dense(4, 2)], rng=0, dtype=float)

    def test_it_is_the_slope_of_the_output(self, model):
        before = model.params.grads.copy()
        for output in (0, 1, None):
            found = saliency(model, SCORES, output=output)
            chosen = model.predict(SCORES).argmax(axis=1) if output is None else output
            for feature in range(3):
                step = 1e-6 * np.eye(3)[feature]
                up, down = (model.predict(SCORES + side * step) for side in (1, -1))
                slope = ((up - down) / 2e-6)[np.arange(60), chosen]
                np.testing.assert_allclose(found[:, feature], slope, atol=1e-8)
        assert (model.params.grads == before).all()

    def test_bars_are_slopes_for_a_standard_deviation(self, model):
        ax = plot.saliency(model, SCORES, output=1, feature_names=["a", "b", "c"])
        moved = saliency(model, SCORES, output=1) * SCORES.std(axis=0)
        order = np.argsort(-np.abs(moved.mean(axis=0)))
        np.testing.assert_allclose([bar.get_width() for bar in ax.patches], moved.mean(axis=0)[order])
        assert [label.get_text() for label in ax.get_yticklabels()] == ["abc"[place] for place in order]
        colours = [mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in ax.patches]
        assert colours == [POSITIVE if moved.mean(axis=0)[place] > 0 else NEGATIVE for place in order]
        ends = np.array([line[:, 0] for line in ax.collections[0].get_segments()])
        np.testing.assert_allclose(ends.T, np.quantile(moved[:, order], (0.1, 0.9), axis=0))

    def test_an_image_is_a_picture(self):
        model = net(nn.Flatten((2, 3)), nn.Dense(6, 2))
        image = np.arange(6.0).reshape(2, 3)
        ax = plot.saliency(model, image, output=1)
        np.testing.assert_allclose(ax.images[0].get_array(), model[1].W[:, 1].reshape(2, 3))
        assert ax.images[0].norm.vmin == -ax.images[0].norm.vmax
        flat = net(nn.Dense(6, 2))
        ax = plot.saliency(flat, image.ravel(), output=0, shape=(3, 2))
        np.testing.assert_allclose(ax.images[0].get_array(), flat[0].W[:, 0].reshape(3, 2))

    def test_behind_standardize_it_is_by_what_that_has_measured(self):
        model = net(nn.Standardize(3), nn.Dense(3, 1))
        X = SCORES * [1, 10, 100]
        model.adapt(X)
        ax = plot.saliency(model, X[0], feature_names=["a", "b", "c"])
        widths = sorted(bar.get_width() for bar in ax.patches)
        np.testing.assert_allclose(widths, np.sort(model[1].W[:, 0]), rtol=1e-5)

    @pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
    def test_an_estimator_of_ours_has_a_net(self):
        estimators = pytest.importorskip("nnlite.sklearn")
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(SCORES, columns=["a", "b", "c"])
        fitted = estimators.MLPClassifier((4,), max_iter=5, random_state=0, verbose=False)
        fitted.fit(frame, IDS)
        ax = plot.saliency.from_estimator(fitted, frame, output=0)
        assert {label.get_text() for label in ax.get_yticklabels()} == {"a", "b", "c"}
        with pytest.raises(ArgumentTypeError, match="an estimator with a net, got Line"):
            plot.saliency.from_estimator(Line(), SCORES)

    def test_bad_input(self, model):
        with pytest.raises(ArgumentError, match=r"output=\): expected one of 2 outputs, got 2"):
            plot.saliency(model, SCORES, output=2)
        with pytest.raises(ArgumentTypeError, match="a Sequential, got str"):
            plot.saliency("model", SCORES)
        with pytest.raises(ShapeError, match="expected 3 names, got 1"):
            plot.saliency(model, SCORES, feature_names=["a"])
        assert (saliency(net(nn.Embedding(5, 2), nn.Dense(2, 1)), [[3.0]]) == 0).all(), "ids have no slope"


# Estimators.


def test_a_confusion_matrix_of_an_estimator_has_its_labels():
    ax = plot.confusion_matrix.from_estimator(Classifier(), SCORES, LABELS)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog", "fox"]
    counts = nn.confusion_matrix(SCORES, IDS)
    assert [int(text.get_text()) for text in ax.texts] == counts.ravel().tolist()
    ax = plot.confusion_matrix.from_estimator(Classifier(), SCORES, LABELS, classes=["a", "b", "c"])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "c"]


def test_labels_that_an_estimator_does_not_know():
    with pytest.raises(ArgumentError, match=r"from_estimator\(y\): expected .* cat, dog, fox, got 'cow'"):
        plot.confusion_matrix.from_estimator(Classifier(), SCORES[:1], ["cow"])
    with pytest.raises(ArgumentTypeError, match="a classifier, got Line without classes_"):
        plot.confusion_matrix.from_estimator(Line(), SCORES, IDS)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators_of_scikit_learn_and_ours():
    linear = pytest.importorskip("sklearn.linear_model")
    from nnlite.sklearn import MLPClassifier, MLPRegressor

    draws = (plot.confusion_matrix, plot.roc_curve, plot.precision_recall_curve, plot.calibration_curve)
    for estimator in (linear.LogisticRegression(), MLPClassifier((4,), max_iter=3, random_state=0)):
        for y in (LABELS, LABELS == "dog"):
            estimator.fit(SCORES, y)
            for draw in draws:
                assert draw.from_estimator(estimator, SCORES, y).has_data()
            plt.close("all")
    for estimator in (
        linear.LinearRegression(),
        MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0),
    ):
        estimator.fit(SCORES[:, :1], SCORES[:, 1])
        assert plot.fit_curve.from_estimator(estimator, SCORES[:, :1], SCORES[:, 1]).has_data()
        assert plot.prediction_error.from_estimator(estimator, SCORES[:, :1], SCORES[:, 1]).has_data()
        ax = plot.learning_curve.from_estimator(estimator, SCORES[:, :1], SCORES[:, 1], sizes=2, repeats=2)
        assert ax.get_ylabel() == "score"


def test_every_picture_that_asks_says_so():
    asking = {name for name in plot.__all__ if hasattr(getattr(plot, name), "from_estimator")}
    assert asking == {
        "calibration_curve", "confusion_matrix", "fit_curve", "learning_curve", "permutation_importance",
        "precision_recall_curve", "prediction_error", "roc_curve", "saliency",
    }  # fmt: skip
    for name in asking:
        assert f"``{name}.from_estimator(" in getattr(plot, name).__doc__


def table_net():
    """Make a net for a table of two numbers and a category, and rows of it."""
    rows = {"size": [1.0, 2.0, 3.0, None] * 3, "age": list(range(12)), "kind": ["a", "b", "b"] * 4}
    encoder = nn.TableEncoder(embedding=2).fit(rows)
    layers = [encoder.layer(), nn.Dense(encoder.width, 4), nn.Tanh(), nn.Dense(4, 3)]
    return nn.Sequential(layers, preprocessing=encoder, rng=0), rows


def ticks(ax, axis):
    return [label.get_text() for label in getattr(ax, f"get_{axis}ticklabels")()]


def test_categories_have_no_bar_of_a_slope_that_they_have_not():
    model, rows = table_net()
    ax = plot.saliency(model, rows, output=2)
    assert sorted(ticks(ax, "y")) == ["age", "size", "size is missing"]
    assert ax.get_title() == "of categories there is no slope: kind"
    assert ax.get_xlabel() == "change of output 2 for one standard deviation"
    assert plot.saliency(model, rows).get_xlabel().startswith("change of the largest output for")
    only = nn.TableEncoder().fit({"kind": ["a", "b"]})
    model = nn.Sequential([only.layer(), nn.Dense(only.width, 1)], preprocessing=only, rng=0)
    with pytest.raises(ArgumentError, match="a column of numbers, got ids of categories alone"):
        plot.saliency(model, {"kind": ["a", "b"]})


def test_what_an_embedding_has_learned_is_named_by_its_column():
    model, rows = table_net()
    names = ["size", "age", "size is missing", "kind 1", "kind 2"]
    assert ticks(plot.weights(model, layer=1), "y") == names
    drawn = [
        text.get_text() for text in plot.network(model, {key: value[:1] for key, value in rows.items()}).texts
    ]
    assert [text for text in drawn if text in names] == names


def test_a_series_has_a_bar_for_each_step():
    model = net(nn.Input((9, 1)), nn.Flatten((9, 1)), nn.Dense(9, 1))
    ax = plot.saliency(model, RNG.normal(size=(30, 9, 1)))
    assert len(ax.patches) == 9
    assert ax.get_xlabel() == "step"
    assert not ax.images
    x = RNG.normal(size=(30, 9, 1))
    ax = plot.saliency(model, x)
    slopes = model[2].W[:, 0] * x.std(axis=0)[:, 0]
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], slopes, rtol=1e-5)


def test_only_what_the_net_reads_is_taken_for_an_image():
    model = net(nn.Input((10, 10, 1)), nn.Conv2D(1, 1, 3), nn.Flatten((8, 8, 1)), nn.Dense(64, 2))
    assert plot.weights(model).images[0].get_array().shape == (2, 64)  # and no two images of 8 by 8


def test_kernels_are_images():
    layers = nn.Input((6, 6, 1)), nn.Conv2D(1, 5, 3), nn.Conv2D(5, 4, 2), nn.Flatten((3, 3, 4))
    model = net(*layers, nn.Dense(36, 2))
    shown = plot.weights(model, layer=1).images[0].get_array()
    assert shown.shape == (7, 11)  # 5 kernels, 3 beside each other, and lines between
    np.testing.assert_array_equal(shown[:3, 4:7], model[1].W[:, :, 0, 1])
    ax = plot.weights(model, layer=2, max_units=3)
    np.testing.assert_array_equal(ax.images[0].get_array()[6:8, 3:5], model[2].W[:, :, 1, 2])
    assert "3 of 4 kernels" in ax.get_title()
    with pytest.raises(ArgumentError, match="Leave shape= and feature_names= out"):
        plot.weights(model, layer=1, shape=(3, 3))


def test_a_single_curve_has_the_name_of_its_class_if_there_is_one():
    ax = plot.roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], classes=["stays", "leaves"])
    assert ax.lines[-1].get_label() == "leaves, area 0.75"
    ax = plot.precision_recall_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], classes=["stays", "leaves"])
    assert ax.lines[0].get_label() == "leaves, average precision 0.833"


def test_a_few_gradients_of_0_are_not_written_as_none():
    model = net(nn.Embedding([400], 1), nn.Dense(1, 1))
    ids = np.arange(399)[:, None]
    ax = plot.gradient_flow(model, ids, np.ones((399, 1)), nn.MeanSquaredError())
    assert [text.get_text() for text in ax.texts] == ["<1% are 0"]
    assert [
        text.get_text() for text in plot.gradient_flow(model, [[0]], [[1.0]], nn.MeanSquaredError()).texts
    ] == [">99% are 0"]


@pytest.mark.parametrize(
    ("pred", "target", "title"),
    [
        ([1.0, 2.0, 3.0, 4.05], [1, 2, 3, 4], "R\N{SUPERSCRIPT TWO} 0.9995, RMSE 0.025"),
        ([1e5, 3e5], [2e5, 3.1e5], "R\N{SUPERSCRIPT TWO} \N{MINUS SIGN}0.67, RMSE 71,100"),
        ([1.0, 2.0], [1.0, 2.0], "R\N{SUPERSCRIPT TWO} 1.00, RMSE 0"),
    ],
)
def test_the_numbers_above_dots_can_be_read(pred, target, title):
    assert plot.prediction_error(pred, target).get_title() == title


def test_predictions_with_variances_are_told_apart():
    with pytest.raises(ShapeError, match=r"GaussianNLL draw the means: pred\[:, :1\]"):
        plot.prediction_error(np.ones((5, 2)), np.ones((5, 1)))


def test_pictures_say_what_an_estimator_a_row_and_a_wrong_argument_want():
    sk = pytest.importorskip("sklearn.pipeline")
    from sklearn.preprocessing import StandardScaler

    from nnlite.sklearn import MLPClassifier

    X, y = nn.datasets.iris()
    pipe = sk.make_pipeline(
        StandardScaler(), MLPClassifier((4,), max_iter=9, tol=1.0, n_iter_no_change=1, random_state=0)
    )
    pipe.fit(X, y)
    for estimator in (pipe, pipe[-1]):
        with pytest.raises(ArgumentTypeError, match=r"Write \.model_ behind the estimator"):
            plot.network(estimator)
    with pytest.raises(ArgumentTypeError, match=r"confusion_matrix\(normalize=\): expected one of pred"):
        plot.confusion_matrix([0, 1], [0, 1], normalize=True)
    with pytest.raises(ArgumentTypeError, match=r"log_loss\(labels=\): expected one of pred"):
        metrics.log_loss([0.5, 1.0], [0, 1], labels=[0, 1])
    pd = pytest.importorskip("pandas")
    model, rows = table_net()
    with pytest.raises(ArgumentTypeError, match=r"Write frame\.iloc\[\[0\]\] for one row"):
        plot.network(model, pd.DataFrame(rows).iloc[0])
