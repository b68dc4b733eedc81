"""Faulty programs from public threads: what was asked, what was answered, and both as trainings."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.doctor import data
from benchmarks.doctor.training import Training

__all__ = ["PROGRAMS", "Program"]

KERAS = "https://github.com/keras-team/keras/issues/"
GITHUB = "https://github.com/"
SO = "https://stackoverflow.com/questions/"
STATS = "https://stats.stackexchange.com/questions/"

#: Too few steps: more epochs and a larger rate are two ways to say so.
STEPS = "NN404|NN314|NN302"
#: Softmax of one output, which is always 1.
ONE = "NN210|NN201|NN203"


class Program:
    """One program.

    Parameters
    ----------
    name : str
        Where it is from, in short.
    source : str
        The thread.
    asked : str
        What it showed, in our words.
    causes : str
        What people answered: codes that stand for one cause with `|` between them, causes with a comma.
    broken : Training
        The program of the question.
    **repair : object
        What the answer changes.

    Attributes
    ----------
    causes : list of set of str
        One for each cause.
    broken, repaired : Training
        Before, and after the people's answer.
    """

    def __init__(
        self, name: str, source: str, asked: str, causes: str, broken: Training, **repair: Any
    ) -> None:
        self.name, self.source, self.asked, self.broken = name, source, asked, broken
        self.causes = [set(cause.split("|")) for cause in causes.split(", ")]
        self._repair = repair

    @cached_property
    def repaired(self) -> Training:
        """The program with what the answer changes."""
        return replace(self.broken, **self._repair)


def _square(x: Any) -> Any:
    return x**2


def _fourth(x: Any) -> Any:
    return x**4


def _two_thirds(x: Any) -> Any:
    return 2 * x / 3


def _square_and_three(x: Any) -> Any:
    # Of the numbers from 0 to 99, standardised before the question.
    return (28.87 * x + 49.5) ** 2 + 3


#: As many as were found, with an answer in the thread, that nnlite can express. Some sources are copies or
#: translations of a thread of Stack Overflow, in which it was found.
PROGRAMS = (
    Program(
        "keras-112", KERAS + "112", "exclusive or; the answer is always 1, after five steps in all",
        f"{ONE}, {STEPS}",
        Training(data.xor, "2 sigmoid 1 softmax", "bce", "SGD", 0.01, epochs=5),
        net="8 tanh 1", rate=0.5, epochs=1000,
    ),
    Program(
        "keras-1295", KERAS + "1295", "exclusive or; all answers stay near one half",
        STEPS,
        Training(data.xor, "2 sigmoid 1", "bce", "SGD", 0.01, epochs=500, batch=4, shuffle=False),
        net="8 tanh 1", rate=0.1, batch=1, epochs=1000,
    ),
    Program(
        "stats-majority", "https://stats.stackexchange.com/revisions/2bda6552-783b-4fb7-ba2b-a03d2266e69b",
        "the majority of three bits; all cases are said to be true",
        f"{ONE}, {STEPS}",
        Training(data.majority, "10 relu 1 softmax", "bce", "RMSProp", 0.001, epochs=30, batch=19),
        net="10 relu 1", epochs=300,
    ),
    Program(
        "so-52800582", SO + "52800582", "the fourth power of numbers from -100 to 100 is not learned",
        "NN101, NN105",
        Training(data.curve(_fourth, -100, 100, 500), "50 sigmoid 50 elu 1", "mse", "Adam", 0.001, epochs=60),
        net="std 50 sigmoid 50 elu 1", scale_y=True, rate=0.01,
    ),
    Program(
        "keras-6914", KERAS + "6914", "digits: no more than 30 % are right, with the example's net",
        "NN101",
        Training(
            data.digits(255, zoom=3, paper=True), "256 relu drop.2 256 relu drop.2 10", "sce", "RMSProp",
            0.001,
            epochs=10,
            batch=128,
        ),
        divide=255,
    ),
    Program(
        "keras-255", KERAS + "255", "pictures of two classes; the loss does not move at all",
        "NN102",
        Training(
            data.blank(data.ordered(data.digits(255, shape="image"), classes=2)), "conv8x3 relu pool2 flat 2",
            "sce", "SGD", 0.01,
        ),
        task=data.ordered(data.digits(255, shape="image"), classes=2), divide=255,
    ),
    Program(
        "keras-3040", KERAS + "3040", "a straight line; the weights become NaN",
        "NN301",
        Training(data.linear, "1", "mse", "SGD", 0.001, epochs=1, batch=1),
        rate=1e-5,
    ),
    Program(
        "datascience-28191", "https://datascience.stackexchange.com/questions/28191",
        "a sine with ReLU as the last layer, badly fitted",
        "NN203",
        Training(data.curve(np.sin, 0, 6.28, 600), "1 relu 100 relu 1 relu", "mse", "SGD", 0.01, epochs=300),
        net="40 relu 40 relu 1",
    ),
    Program(
        "stats-433365", STATS + "433365", "exclusive or, 20,000 rows; stuck at a loss of one half",
        f"NN213, NN203|NN204|NN202, {STEPS}",
        Training(data.pairs, "2 2 relu 1 relu", "mse", "SGD", 0.01, epochs=5),
        net="8 relu 8 relu 1", loss="bce", rate=0.1, epochs=20,
    ),
    Program(
        "pullrequest-14126136",
        "http://pullrequest.ru/14126136/polzovatelskaya-funktsiya-poter-dlya-prognozirovaniya-vyhodnyh-dannyh-interget",
        "classes 1 to N as numbers, by squared errors",
        "NN202",
        Training(data.wine, "16 relu 1", "mse", "SGD", 0.001, epochs=30),
        net="16 relu 3", loss="sce", rate=0.1,
    ),
    Program(
        "so-iris-keras", "https://55276.net/qa/?qa=864276%2F&show=864277",
        "iris: worse than a random forest, after one epoch",
        f"{STEPS}, NN101, NN304|NN305",
        Training(data.iris(), "128 tanh 128 tanh 64 tanh 3", "sce", "Adam", 0.001, epochs=1),
        net="std 150 relu 150 relu 3", epochs=100,
    ),
    Program(
        "dl-keras-tf-9", GITHUB + "rstudio-conf-2020/dl-keras-tf/issues/9",
        "prices of houses: the loss is NaN",
        "NN105",
        Training(data.houses, "64 relu 64 relu 1", "mse", "SGD", 0.1, epochs=10, batch=16),
        scale_y=True,
    ),
    Program(
        "so-lenet", "https://techfeed.net/es/471313/", "LeNet without the division by 255 is worse",
        "NN101",
        Training(
            data.digits(255, shape="image", paper=True), "conv8x3 relu pool2 flat 64 relu 10", "sce",
            "Adam", 0.001,
            epochs=8,

        ),
        divide=255,
    ),
    Program(
        "so-cnn-same-value",
        "http://pullrequest.ru/10248037/cnn-keras-shodyatsya-odnomu-tomu-zhe-znacheniy-nezavisimo-vvoda",
        "a CNN comes to one value whatever the picture is",
        "NN101",
        Training(
            data.digits(255, shape="image"), "conv8x3 relu conv8x3 relu flat 64 relu 10", "sce", "SGD",
            0.01, epochs=30
        ),
        divide=255,
    ),
    Program(
        "keras-500", KERAS + "500", "the next letter of a text, as a number: it is always 1.0",
        ONE,
        Training(data.next_letter, "32 tanh 1 softmax", "mse", "Adam", 0.01, epochs=50),
        net="32 tanh 1",
    ),
    Program(
        "keras-126", KERAS + "126", "two features, two classes: the probability is 1 for all rows",
        ONE,
        Training(
            data.every_pair, "64 tanh drop.5 64 tanh drop.5 1 softmax", "mse", "SGD", 0.1,
            {"momentum": 0.9, "nesterov": True}, epochs=20,
        ),
        net="64 tanh drop.5 64 tanh drop.5 1", loss="bce",
    ),
    Program(
        "genann-13", GITHUB + "codeplea/genann/issues/13",
        "squares of whole numbers up to 9: 1 for all of them",
        "NN203",
        Training(
            data.curve(_square, 0, 9, 300, whole=True), "2 sigmoid 1 sigmoid", "mse", "SGD", 0.1, epochs=40,
            batch=1
        ),
        net="std 8 sigmoid 1", scale_y=True,
    ),
    Program(
        "stats-284189", STATS + "284189", "one column by another; NaN but for a rate of 1e-7",
        "NN101, NN105",
        Training(data.devices, "1", "mse", "SGD", 0.01, epochs=30, batch=1, shuffle=False),
        net="std 1", scale_y=True,
    ),
    Program(
        "stats-418955", STATS + "418955", "a parabola by two linear units diverges",
        "NN105",
        Training(data.curve(_square_and_three, -1.7, 1.7, 100), "1 1", "mse", "SGD", 0.01, epochs=300),
        scale_y=True,
    ),
    Program(
        "keras-8346", KERAS + "8346", "five classes; none of the validation rows is right",
        "NN110",
        Training(
            data.ordered(data.digits(shape="image"), classes=5), "conv8x3 relu pool2 flat 64 relu drop.5 5",
            "sce",
            "Adam", 0.003, epochs=15, validation=-0.2,
        ),
        validation=0.2,
    ),
    Program(
        "so-9048031", SO + "9048031", "targets up to 1,000 from a sigmoid",
        "NN203, NN101",
        Training(data.far_apart, "5 sigmoid 1 sigmoid", "mse", "SGD", 0.1, epochs=100),
        net="std 8 sigmoid 1", scale_y=True,
    ),
    Program(
        "ai-16557", "https://ai.stackexchange.com/questions/16557",
        "bits to a number by four layers of sigmoids; the loss stays high",
        "NN305, NN105",
        Training(data.lines, "100 sigmoid 100 sigmoid 100 sigmoid 100 sigmoid 1", "mse", "SGD", 0.01,
            epochs=20),
        net="100 relu 100 relu 100 relu 100 relu 1", scale_y=True,
    ),
    Program(
        "monai-122", GITHUB + "Project-MONAI/tutorials/issues/122",
        "the first pictures are of one class, and those to validate on of the other",
        "NN106|NN110|NN111",
        Training(
            data.ordered(data.digits(shape="image"), classes=2, rows=60), "conv8x3 relu pool2 flat 2",
            "sce", "Adam",
            0.01, validation=-0.5,
        ),
        validation=0.5,
    ),
    Program(
        "pt-darts-24", GITHUB + "khanrc/pt.darts/issues/24",
        "nothing of validation is right: no shuffle before the split",
        "NN110",
        Training(data.ordered(data.iris()), "std 16 relu 3", "sce", "Adam", 0.01, epochs=40, validation=-0.3),
        validation=0.3,
    ),
    Program(
        "lrcn-4", GITHUB + "doronharitan/human_activity_recognition_LRCN/issues/4",
        "an LSTM with softmax before the cross-entropy that has one",
        "NN201",
        Training(data.digits(shape="lines"), "lstm16 10 softmax", "sce", "Adam", 0.003, epochs=30),
        net="lstm16 10",
    ),
    Program(
        "dann-7", GITHUB + "NaJaeMin92/pytorch-DANN/issues/7", "hard to train: softmax before cross-entropy",
        "NN201",
        Training(
            data.digits(), "100 relu 100 relu 10 softmax", "sce", "SGD", 0.01, {"momentum": 0.9}, epochs=10
        ),
        net="100 relu 100 relu 10",
    ),
    Program(
        "mini-tutorials-1", GITHUB + "vinhkhuc/PyTorch-Mini-Tutorials/issues/1",
        "a tutorial with softmax too many",
        "NN201",
        Training(data.digits(), "64 sigmoid 10 softmax", "sce", "SGD", 0.1, {"momentum": 0.9}, epochs=10),
        net="64 sigmoid 10",
    ),
    Program(
        "proteomics-203", GITHUB + "ProteomicsML/ProteomicsML/pull/203", "an LSTM that says 0 for all rows",
        "NN203|NN303|NN204",
        Training(data.sequences(1.0, least=0.0), "lstm16 1 relu", "mse", "Adam", 0.001, epochs=200, seed=3),
        net="lstm16 1",
    ),
    Program(
        "tensorflow-examples-175", GITHUB + "aymericdamien/TensorFlow-Examples/issues/175",
        "three layers without an activation do no better than logistic regression",
        "NN213",
        Training(data.spirals, "256 256 3", "sce", "SGD", 0.1, epochs=100, batch=32),
        net="256 relu 256 relu 3",
    ),
    Program(
        "keras-4563", KERAS + "4563", "an LSTM on high targets: the loss is huge, or NaN",
        "NN105",
        Training(
            data.sequences(50_000, low=20_000), "lstm16 drop.3 1", "mae", "SGD", 0.0008,
            {"momentum": 0.9, "nesterov": True}, epochs=20,
        ),
        scale_y=True, rate=0.05,
    ),
    Program(
        "julia-30138", "https://discourse.julialang.org/t/simple-flux-model-not-learning/30138",
        "squares of numbers from -10 to 10 by linear layers, row by row",
        "NN213, NN101, NN112",
        Training(data.curve(_square, -10, 10, 200), "10 10 1", "mse", "Adam", 0.01, epochs=20, batch=1,
            shuffle=False),
        net="std 10 relu 10 relu 1", shuffle=True,
    ),
    Program(
        "keras-3642", KERAS + "3642", "the autoencoder of the blog with pixels from 0 to 255",
        "NN101, NN104|NN203|NN105",
        Training(data.autoencoded(data.digits(255)), "32 relu 64", "bce", "Adam", 0.001, epochs=20),
        task=data.autoencoded(data.digits(255), 255), epochs=60,
    ),
    Program(
        "dlrm-358", GITHUB + "facebookresearch/dlrm/pull/358",
        "first biases that keep ReLU at 0: nothing is learned",
        "NN303",
        Training(data.cancer, "16 relu 1", "bce", "SGD", 0.1, start="bias-9"),
        start="",
    ),
    Program(
        "so-5105718", SO + "5105718", "the sine of a sum is never negative, from a sigmoid",
        "NN203",
        Training(data.signs, "6 sigmoid 1 sigmoid", "mse", "SGD", 0.1, epochs=200),
        net="6 tanh 1",
    ),
    Program(
        "so-one-softmax-classes", "https://boohere.com/ru/detail/80265.html",
        "two classes, softmax over one output and cross-entropy of classes: always class 0",
        "NN210|NN212|NN104",
        Training(data.cancer, "16 relu 1 softmax", "sce", "Adam", 0.01),
        net="16 relu 2",
    ),
    Program(
        "so-one-softmax-binary", "https://geek-tips.imtqy.com/articles/557592/index.html",
        "softmax over one output and binary cross-entropy: as good as chance",
        ONE,
        Training(data.cancer, "32 relu 1 softmax", "bce", "Adam", 0.003),
        net="32 relu 1",
    ),
    Program(
        "so-44164749", SO + "44164749", "several labels a row, by softmax",
        "NN211|NN104",
        Training(
            data.labels, "64 relu drop.1 32 relu drop.1 5 softmax", "mse", "SGD", 0.1, {"momentum": 0.9},
            epochs=30
        ),
        net="64 relu drop.1 32 relu drop.1 5", loss="bce",
    ),
    Program(
        "so-20009078", SO + "20009078", "more hidden layers of sigmoids learn nothing",
        "NN305",
        Training(
            data.digits(), "30 sigmoid 30 sigmoid 30 sigmoid 30 sigmoid 10 sigmoid", "mse", "SGD", 0.5,
            epochs=30
        ),
        net="30 tanh 30 tanh 30 tanh 30 tanh 10", loss="sce", rate=0.1, options={"momentum": 0.9},
    ),
    Program(
        "so-xor-tanh", "https://geek-tips.imtqy.com/articles/631334/index.html",
        "exclusive or by two tanh units, wrong",
        STEPS,
        Training(data.xor, "2 tanh 1", "bce", "Adam", 0.001, epochs=300, batch=1, seed=1),
        rate=0.01, epochs=1500,
    ),
    Program(
        "mlx-188", GITHUB + "ml-explore/mlx/issues/188", "the example's rate of .1: 11 % of digits, always",
        "NN301",
        Training(data.digits(255), "32 relu 32 relu 10", "sce", "SGD", 0.1, epochs=10, batch=256),
        rate=1e-3, epochs=20, batch=32,
    ),
    Program(
        "tiny-dnn-318", GITHUB + "tiny-dnn/tiny-dnn/issues/318", "a net of two Dense layers stays at a tenth",
        "NN301",
        Training(data.digits(), "128 tanh 10 tanh", "mse", "Adagrad", 2.0, epochs=6),
        rate=0.02,
    ),
    Program(
        "torch7-1092", GITHUB + "torch/torch7/issues/1092", "the weights of a large MLP seem not to change",
        STEPS,
        Training(data.digits(rows=600), "128 tanh 128 tanh 10", "sce", "SGD", 0.001, epochs=20),
        rate=0.1,
    ),
    Program(
        "fasttext-74", GITHUB + "facebookresearch/fastText/issues/74",
        "labels in groups: precision is very low",
        "NN112",
        Training(data.ordered(data.digits()), "10", "sce", "SGD", 0.1, epochs=5, batch=1, shuffle=False),
        shuffle=True,
    ),
    Program(
        "tensorflow-15962", GITHUB + "tensorflow/tensorflow/issues/15962", "classes 1 to K, K outputs: NaN",
        "NN104|NN212",
        Training(data.iris(first=1), "std 16 relu 3", "sce", "Adam", 0.01, epochs=60),
        net="std 16 relu 4",
    ),
    Program(
        "paddle-24307", GITHUB + "PaddlePaddle/Paddle/issues/24307", "ten classes, one output: refused",
        "NN104|NN212",
        Training(data.digits(), "64 relu 1 softmax", "sce", "Adam", 0.003, epochs=10),
        net="64 relu 10",
    ),
    Program(
        "deep-learning-python-13", GITHUB + "MichalDanielDobrzanski/DeepLearningPython/issues/13",
        "ReLU put in the place of sigmoids, at their rate and with their first weights: 10 % of digits",
        "NN301, NN205|NN303|NN306",
        Training(data.digits(), "30 relu 10 relu", "mse", "SGD", 3.0, epochs=3, batch=10, start="1.0"),
        rate=0.1, start="0.1", epochs=30,
    ),
    Program(
        "stats-274046", STATS + "274046", "one sigmoid that is to say 2 says 1",
        "NN203",
        Training(data.curve(_two_thirds, 0, 3, 60), "1 sigmoid", "mse", "SGD", 1.0, epochs=50, batch=1),
        net="1", rate=0.05,
    ),
    Program(
        "neural-network-7", GITHUB + "trentsartain/Neural-Network/issues/7",
        "the sum of two numbers by sigmoids: the error stays at .75",
        "NN203",
        Training(data.sums, "2 sigmoid 1 sigmoid", "mse", "SGD", 0.4, epochs=60),
        net="1", rate=0.05,
    ),
    Program(
        "synaptic-224", GITHUB + "cazala/synaptic/issues/224",
        "exclusive or by two layers of ten sigmoids does not converge in time",
        f"{STEPS}|NN305",
        Training(data.xor, "10 sigmoid 10 sigmoid 1 sigmoid", "mse", "SGD", 0.1, epochs=500, batch=1),
        rate=3.0, epochs=1500,
    ),
)  # fmt: skip
