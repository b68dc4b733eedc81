"""Further faulty programs from public threads, on which no rule was tuned."""

from __future__ import annotations

from typing import Any

from benchmarks.doctor import data
from benchmarks.doctor.programs import GITHUB, ONE, SO, STEPS, Program
from benchmarks.doctor.training import Training

__all__ = ["UNTUNED"]


def _square_and_three(x: Any) -> Any:
    return x**2 + 3


def _ten_times(x: Any) -> Any:
    return 10 * x


#: First the threads of Stack Overflow that two public benchmarks of fault localisation hold, DeepLocalize
#: (Wardat et al., 2021) and DeepFD (Cao et al., 2022), in the order of the second one's list, with the causes
#: that stand there: the answer's, what its authors found beside it, and what else a repair needs. Left out
#: are those that are among the other programs, those whose code the benchmarks do not hold, those in which
#: that list finds no fault, those that do no better when they are repaired, and nets that a `Training`
#: cannot say. Then other threads in the order in which searches gave them, for kinds of fault that were
#: missing. All were chosen, with their causes, before the doctor was asked.
UNTUNED = (
    Program(
        "so-48385830", SO + "48385830", "digits by a book's net, without activations: a tenth are right",
        "NN213, NN202, NN301",
        Training(data.digits(), "30 10", "mse", "SGD", 3.0, epochs=30, batch=10, start="1.0"),
        net="30 sigmoid 10", loss="sce", rate=0.3,
    ),
    Program(
        "so-31556268", SO + "31556268", "exclusive or by absolute errors: one half for all rows",
        f"NN202, {STEPS}",
        Training(
            data.xor, "4 sigmoid 1 sigmoid", "mae", "SGD", 0.05, {"momentum": 0.11, "nesterov": True},
            epochs=1000, batch=4,
        ),
        loss="mse", optimizer="Adam", rate=0.01, options={}, epochs=5000,
    ),
    Program(
        "so-50306988", SO + "50306988", "two boxes that lie apart: all rows are said to be of one class",
        STEPS,
        Training(data.two_boxes, "2 sigmoid 2", "sce", "Adam", 0.001, epochs=5),
        rate=0.1, epochs=40,
    ),
    Program(
        "so-48251943", SO + "48251943", "numbers below 0 are said to be 0",
        "NN203",
        Training(data.lags, "4 relu 1 relu", "mse", "SGD", 0.01, epochs=50, batch=10),
        net="4 relu 1",
    ),
    Program(
        "so-38648195", SO + "38648195", "several labels a row, by softmax and squared errors",
        f"NN211|NN104, NN202, {STEPS}",
        Training(
            data.several, "20 relu drop.5 20 relu drop.5 3 softmax", "mse", "SGD", 0.01, epochs=20, batch=20
        ),
        net="20 relu 20 relu 3", loss="bce",
    ),
    Program(
        "so-33969059", SO + "33969059", "a weighted sum of numbers up to 10,000: always 1",
        f"{ONE}, NN101, NN105",
        Training(
            data.weighted, "3 tanh drop.5 2 tanh drop.5 1 softmax", "mse", "SGD", 0.1,
            {"momentum": 0.9, "nesterov": True}, epochs=20,
        ),
        net="std 3 tanh 1", scale_y=True, rate=0.01,
    ),
    Program(
        "so-55328966", SO + "55328966", "digits from 0 to 255 by plain SGD: a tenth are right",
        f"NN201, {STEPS}, NN101",
        Training(data.digits(255, rows=1797), "64 50 relu 10 sigmoid", "sce", "SGD", 1e-4, epochs=40),
        net="64 50 relu 10", divide=255, optimizer="Adam", rate=1e-3,
    ),
    Program(
        "so-34311586", SO + "34311586", "exclusive or: always 1, after twenty steps",
        f"{ONE}, {STEPS}, NN305|NN206",
        Training(
            data.six_rows, "2 sigmoid 3 sigmoid 1 softmax", "mse", "SGD", 0.001,
            {"momentum": 0.9, "nesterov": True}, epochs=20, start="0.03",
        ),
        net="2 sigmoid 3 sigmoid 1 sigmoid", rate=0.5, epochs=10_000, batch=4, start="", seed=1,
    ),
    Program(
        "so-31880720", SO + "31880720", "rows of ones and rows of zeros: one half are right",
        ONE,
        Training(
            data.ones_and_zeros, "50 relu drop.2 50 relu drop.2 1 softmax", "bce", "RMSProp", 0.001, epochs=3
        ),
        net="50 relu drop.2 50 relu drop.2 1",
    ),
    Program(
        "so-39525358", SO + "39525358", "three letters by their codes: no better than chance",
        f"NN101, {STEPS}",
        Training(data.codes, "12 relu 3 relu 1", "bce", "Adam", 0.001, epochs=30, batch=10, start="0.03"),
        net="std 12 relu 3 relu 1", rate=0.1,
    ),
    Program(
        "so-48934338", SO + "48934338", "a parabola: the loss is NaN",
        "NN301",
        Training(data.parabola, "50 relu 30 relu 1", "mse", "SGD", 0.1, epochs=1000),
        rate=1e-4,
    ),
    Program(
        "so-47724077", SO + "47724077", "who earns more, from a table as it is: the accuracy does not move",
        f"NN101, {STEPS}",
        Training(data.census, "21 relu 2", "sce", "Adam", 0.001, epochs=50, batch=100),
        net="std 21 relu 2", rate=0.01,
    ),
    Program(
        "so-59325381", SO + "59325381", "digits, and their labels divided by 255 too: a tenth are right",
        "NN104|NN106",
        Training(
            data.divided_labels(data.digits(shape="image"), 255), "conv8x3 pool2 flat 32 relu 10", "sce",
            "Adam", 0.003, epochs=8,
        ),
        task=data.digits(shape="image"),
    ),
    Program(
        "so-59278771", SO + "59278771", "iris by a sigmoid before the cross-entropy: one class is never said",
        "NN201, NN101",
        Training(data.iris(), "4 relu 3 sigmoid", "sce", "Adam", 0.001, epochs=200, batch=5, start="0.05"),
        net="std 4 elu 3",
    ),
    Program(
        "so-48221692", SO + "48221692", "x squared and 3, by a sigmoid: always 1",
        "NN203",
        Training(
            data.curve(_square_and_three, -10, 10, 200), "5 sigmoid 1 sigmoid", "mse", "SGD", 0.01,
            epochs=1000, batch=150,
        ),
        net="5 sigmoid 1",
    ),
    Program(
        "so-50079585", SO + "50079585", "pictures of three classes, one output",
        "NN104|NN212|NN202|NN203",
        Training(
            data.rows_of(data.digits(shape="image"), classes=3), "conv8x3 relu pool2 flat 32 relu drop.5 1",
            "bce", "RMSProp", 0.001, epochs=10, batch=16,
        ),
        net="conv8x3 relu pool2 flat 32 relu drop.5 3", loss="sce", rate=0.005, epochs=20,
    ),
    Program(
        "so-45337371", SO + "45337371", "five numbers and one output: all gradients are 0",
        ONE,
        Training(data.fractions, "60 relu 50 relu 1 softmax", "bce", "Adam", 0.001, epochs=5, batch=1),
        net="60 relu 50 relu 1",
    ),
    Program(
        "so-44066044", SO + "44066044", "addresses and ports as they are: one class is always said",
        "NN101, NN204|NN203",
        Training(
            data.packets, "12 relu 12 relu 1 relu", "bce", "Adam", 0.001, epochs=100, batch=5, start="0.05"
        ),
        net="std 12 relu 12 relu 1",
    ),
    Program(
        "so-47352366", SO + "47352366", "digits by convolutions that end in ReLU: the accuracy stops moving",
        "NN204|NN203",
        Training(
            data.digits(shape="image"), "conv8x3 relu pool2 flat 64 relu drop.5 10 relu", "sce", "Adam",
            0.001, epochs=10, batch=50,
        ),
        net="conv8x3 relu pool2 flat 64 relu drop.5 10", epochs=20,
    ),
    Program(
        "so-45442843", SO + "45442843", "one price by softmax and absolute errors: the loss stays as it is",
        f"{ONE}, NN202, {STEPS}, NN101",
        Training(
            data.price, "1 sigmoid 1 softmax", "mae", "RMSProp", 0.001, epochs=100, batch=200, start="0.05"
        ),
        net="std 8 sigmoid 1", loss="bce", optimizer="Adam", rate=0.05, start="",
    ),
    Program(
        "so-48594888", SO + "48594888", "pictures from 0 to 255, five epochs of large batches: few are right",
        STEPS,
        Training(
            data.digits(255, shape="image"), "conv8x3 relu pool2 flat 64 relu drop.3 10", "sce", "Adam",
            0.001, epochs=5, batch=500,
        ),
        epochs=20, batch=32,
    ),
    Program(
        "so-78199673", "https://techqa.club/v/q/"
        "using-keras-for-simple-linear-regression-model-not-predicting-correctly-78199673",
        "ten times a number: far too little",
        STEPS,
        Training(data.tens, "1", "mse", "RMSProp", 0.005, epochs=100),
        rate=0.01, epochs=2000,
    ),
    Program(
        "cxxnet-120", GITHUB + "dmlc/cxxnet/issues/120", "marks of wine, by squared errors: NaN",
        "NN301",
        Training(data.quality, "50 relu 1", "mse", "SGD", 0.1, {"momentum": 0.9}, epochs=1000),
        rate=1e-6,
    ),
    Program(
        "stanford-54", GITHUB + "chiphuyen/stanford-tensorflow-tutorials/issues/54",
        "thefts by fires and their square: NaN",
        "NN301",
        Training(data.fires, "1", "mse", "SGD", 0.001, epochs=50, batch=1),
        rate=1e-7,
    ),
    Program(
        "chatbot-15", GITHUB + "DrexelChatbotGroup/DrexelChatbot/issues/15",
        "the rows are put into another order, the labels are not",
        "NN118",
        Training(data.mixed(data.digits()), "64 relu 10", "sce", "Adam", 0.003, epochs=30, validation=0.2),
        task=data.digits(),
    ),
    Program(
        "caffe-1396", GITHUB + "BVLC/caffe/issues/1396", "one answer whatever is put in",
        "NN312",
        Training(
            data.digits(shape="image"), "conv8x3 relu pool2 flat 32 relu 10", "sce", "SGD", 0.01,
            {"momentum": 0.9, "weight_decay": 0.5}, epochs=20,
        ),
        options={"momentum": 0.9, "weight_decay": 0.0005},
    ),
    Program(
        "fraud-1", GITHUB + "curiousily/Credit-Card-Fraud-Detection-using-Autoencoders-in-Keras/issues/1",
        "an autoencoder that ends in ReLU, of columns that go below 0",
        "NN203",
        Training(
            data.autoencoded(data.cancer), "14 tanh 7 relu 7 tanh 30 relu", "mse", "Adam", 0.001, epochs=100
        ),
        net="14 tanh 7 relu 7 tanh 30",
    ),
    Program(
        "cloudml-241", GITHUB + "GoogleCloudPlatform/cloudml-samples/pull/241",
        "who earns more, by softmax over one output",
        ONE,
        Training(
            data.census, "std 100 relu 70 relu 50 relu 20 relu 1 softmax", "bce", "RMSProp", 0.003, epochs=10
        ),
        net="std 100 relu 70 relu 50 relu 20 relu 1",
    ),
    Program(
        "cntk-699", GITHUB + "microsoft/CNTK/issues/699", "ten times a number from 1 to 4, by sigmoids",
        STEPS,
        Training(data.curve(_ten_times, 1, 4, 40), "std 3 sigmoid 1", "mse", "SGD", 0.0005, epochs=50),
        rate=0.05,
    ),
    Program(
        "cntk-204", GITHUB + "microsoft/CNTK/pull/204", "the example for digits: nine of ten are wrong",
        "NN301",
        Training(
            data.digits(shape="image"), "conv8x3 relu pool2 flat 64 relu 10", "sce", "SGD", 0.5,
            {"momentum": 0.9}, epochs=10,
        ),
        rate=0.05,
    ),
    Program(
        "neuroflow-5", GITHUB + "zenecture/neuroflow/issues/5", "exclusive or: one half, after 100 steps",
        STEPS,
        Training(data.xor, "3 sigmoid 1 sigmoid", "mse", "SGD", 0.1, epochs=100, start="0.1"),
        rate=10.0, epochs=5000,
    ),
    Program(
        "theanets-67", GITHUB + "lmjohns3/theanets/issues/67", "exclusive or: two of four are one half",
        "NN208",
        Training(data.xor, "2 relu 1", "mse", "SGD", 0.1, {"momentum": 0.9}, epochs=1000),
        net="20 relu 1",
    ),
)  # fmt: skip
