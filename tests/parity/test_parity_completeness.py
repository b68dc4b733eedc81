"""Every public layer, loss, optimizer and schedule is compared with PyTorch, or it is said why not.

A new class without a line in one of the tables fails here, with or without PyTorch.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nnlite import layers, losses, optimizers, schedules
from nnlite.optimizers import second_order

#: The test that holds each name to its counterpart in PyTorch.
COMPARED = {
    layers: {
        "Add": "test_layers_parity.py::test_branches",
        "Columns": "test_layers_parity.py::test_branches",
        "Concatenate": "test_layers_parity.py::test_branches",
        "Multiply": "test_layers_parity.py::test_branches",
        "TimeDistributed": "test_layers_parity.py::test_time_distributed",
        "AveragePool1D": "test_images_parity.py::test_layer",
        "AveragePool2D": "test_images_parity.py::test_layer",
        "Conv1D": "test_images_parity.py::test_layer",
        "Conv2D": "test_images_parity.py::test_layer",
        "GlobalAveragePool": "test_images_parity.py::test_layer",
        "GlobalMaxPool": "test_images_parity.py::test_layer",
        "MaxPool1D": "test_images_parity.py::test_layer",
        "MaxPool2D": "test_images_parity.py::test_layer",
        "BatchNorm": "test_layers_parity.py::test_batch_norm",
        "Clip": "test_layers_parity.py::test_activation",
        "Dense": "test_layers_parity.py::test_dense",
        "Dropout": "test_layers_parity.py::test_dropout_scales_the_survivors_as_pytorch_does",
        "ELU": "test_layers_parity.py::test_activation",
        "Embedding": "test_layers_parity.py::test_embedding",
        "Flatten": "test_layers_parity.py::test_flatten",
        "GELU": "test_layers_parity.py::test_activation",
        "GRU": "test_recurrent_parity.py::test_hundred_steps",
        "LSTM": "test_recurrent_parity.py::test_hundred_steps",
        "HardSigmoid": "test_layers_parity.py::test_activation",
        "HardSwish": "test_layers_parity.py::test_activation",
        "LayerNorm": "test_layers_parity.py::test_layer_norm",
        "ParameterGroup": "test_groups_parity.py::test_hundred_steps_of_a_group",
        "RMSNorm": "test_layers_parity.py::test_layer_norm",
        "LeakyReLU": "test_layers_parity.py::test_activation",
        "LogSoftmax": "test_layers_parity.py::test_activation",
        "PReLU": "test_layers_parity.py::test_prelu",
        "ReLU": "test_layers_parity.py::test_activation",
        "PositionEmbedding": "test_attention_parity.py::test_hundred_steps_of_positions",
        "ReLU6": "test_layers_parity.py::test_activation",
        "SELU": "test_layers_parity.py::test_activation",
        "Residual": "test_layers_parity.py::test_residual_and_nested",
        "Mish": "test_layers_parity.py::test_activation",
        "SelfAttention": "test_attention_parity.py::test_hundred_steps_of_attention",
        "SiLU": "test_layers_parity.py::test_activation",
        "Sigmoid": "test_layers_parity.py::test_activation",
        "SimpleRNN": "test_recurrent_parity.py::test_hundred_steps",
        "Softmax": "test_layers_parity.py::test_activation",
        "Softplus": "test_layers_parity.py::test_activation",
        "Standardize": "test_layers_parity.py::test_standardize",
        "Step": "test_layers_parity.py::test_step_forward_is_heaviside_with_0_at_0",
        "Tanh": "test_layers_parity.py::test_activation",
        "TokenEmbedding": "test_attention_parity.py::test_hundred_steps_of_tokens",
    },
    losses: {
        "BinaryCrossEntropy": "test_losses_parity.py::test_loss",
        "GaussianNLL": "test_losses_parity.py::test_loss",
        "Hinge": "test_losses_parity.py::test_loss",
        "Huber": "test_losses_parity.py::test_loss",
        "Masked": "test_losses_parity.py::test_loss",
        "MeanAbsoluteError": "test_losses_parity.py::test_loss",
        "MeanSquaredError": "test_losses_parity.py::test_loss",
        "MultiTaskLoss": "test_losses_parity.py::test_hundred_steps_on_several_tasks",
        "PoissonNLL": "test_losses_parity.py::test_loss",
        "SequenceLoss": "test_losses_parity.py::test_hundred_steps_of_labels_over_time",
        "SoftmaxCrossEntropy": "test_losses_parity.py::test_loss",
    },
    optimizers: {
        "Adagrad": "test_optimizers_parity.py::test_hundred_steps",
        "Adam": "test_optimizers_parity.py::test_hundred_steps",
        "AdamW": "test_optimizers_parity.py::test_hundred_steps",
        "NAdam": "test_optimizers_parity.py::test_hundred_steps",
        "RMSProp": "test_optimizers_parity.py::test_hundred_steps",
        "SGD": "test_optimizers_parity.py::test_hundred_steps",
    },
    schedules: {
        "ConstantRate": "test_optimizers_parity.py::test_hundred_steps_with_a_schedule",
        "CosineDecay": "test_schedules_parity.py::test_cosine_decay_up_to_its_last_step",
        "CosineRestarts": "test_schedules_parity.py::test_cosine_restarts",
        "ExponentialDecay": "test_schedules_parity.py::test_exponential_decay",
        "OneCycle": "test_schedules_parity.py::test_one_cycle",
        "PiecewiseConstant": "test_schedules_parity.py::test_piecewise_constant",
        "PolynomialDecay": "test_schedules_parity.py::test_polynomial_decay",
        "StepDecay": "test_schedules_parity.py::test_step_decay",
        "WarmUp": "test_schedules_parity.py::test_warm_up_of_a_constant_rate",
    },
    second_order: {
        "LBFGS": "test_optimizers_parity.py::test_lbfgs_finds_pytorchs_minimum",
        "LevenbergMarquardt": "test_optimizers_parity.py::test_levenberg_marquardt_solves_least_squares",
    },
}

#: Why PyTorch has none.
NO_COUNTERPART = {
    layers: {
        "Context": "holds what a pass saved; autograd keeps that to itself",
        "Gradients": "names views of the gradient buffer; computes nothing",
        "Permute": "moves numbers; computes nothing",
        "Reshape": "moves numbers; computes nothing",
        "Input": "says the shape of a sample; computes nothing",
        "Layer": "the base class; computes nothing",
        "Parameter": "names a view of the parameter buffer; computes nothing",
        "State": "names a view of what is kept; that of BatchNorm is compared with PyTorch's buffers",
        "Watcher": "looks on; computes nothing",
    },
    losses: {
        "Loss": "the base class; computes nothing",
        "PointwiseLoss": "the base class of losses that are compared; its averages are compared with theirs",
        "Task": "names the columns of a part of MultiTaskLoss, which is compared",
        "Quantile": "torch.nn has no pinball loss; test_loss holds it to its definition and autograd",
    },
    optimizers: {
        "Lion": "torch.optim has no Lion; test_hundred_steps holds it to the paper's algorithm on tensors",
        "Optimizer": "the base class; its clipping and decay are compared with those it serves",
    },
    schedules: {
        "Schedule": "the base class; computes nothing",
        "ScheduleLike": "a type annotation; test_hundred_steps_with_a_schedule tries such a function",
    },
    second_order: {
        "FullBatchOptimizer": "the base class; computes nothing",
    },
}

FOLDER = Path(__file__).parent

ENTRIES = [
    pytest.param(name, test, id=f"{module.__name__.removeprefix('nnlite.')}.{name}")
    for module, tests in COMPARED.items()
    for name, test in tests.items()
]


@pytest.mark.parametrize("module", COMPARED, ids=lambda module: module.__name__)
def test_every_public_name_is_in_one_table(module):
    compared, excused = set(COMPARED[module]), set(NO_COUNTERPART[module])
    public = set(module.__all__)
    assert not compared & excused, f"in both tables: {sorted(compared & excused)}"
    assert compared | excused == public, (
        f"in neither table: {sorted(public - compared - excused)}; "
        f"no longer public: {sorted((compared | excused) - public)}"
    )


@pytest.mark.parametrize(("name", "test"), ENTRIES)
def test_the_comparison_exists(name, test):
    """The test is there, and its file uses the class beyond importing it."""
    file, function = test.split("::")
    tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
