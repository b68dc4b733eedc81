"""Pictures of nets, of their training and of what they have learned; Axes first, with matplotlib.

Every function takes ``ax=None``, draws there or in a figure of its own, and returns the Axes. None calls
``show``: a notebook shows figures by itself, a script calls ``matplotlib.pyplot.show()``.

Those of predictions, and those that measure a model, have ``from_estimator(estimator, X, y, ...)`` too, which
asks an estimator with scikit-learn's interface: ``roc_curve.from_estimator(estimator, X, y)``.
"""

from nnlite.plot.activations import activations
from nnlite.plot.animation import Animation, animate
from nnlite.plot.confusion import confusion_matrix
from nnlite.plot.curves import calibration_curve, learning_curve, precision_recall_curve, roc_curve
from nnlite.plot.gradient_flow import gradient_flow
from nnlite.plot.history import history
from nnlite.plot.importance import permutation_importance, saliency
from nnlite.plot.live import LivePlot
from nnlite.plot.network import network
from nnlite.plot.neuron import neuron
from nnlite.plot.regions import decision_boundary, neurons
from nnlite.plot.regression import fit_curve, prediction_error
from nnlite.plot.surface import loss_surface
from nnlite.plot.sweep import sweep
from nnlite.plot.weight_path import WeightPath
from nnlite.plot.weights import weights

__all__ = [
    "Animation",
    "LivePlot",
    "WeightPath",
    "activations",
    "animate",
    "calibration_curve",
    "confusion_matrix",
    "decision_boundary",
    "fit_curve",
    "gradient_flow",
    "history",
    "learning_curve",
    "loss_surface",
    "network",
    "neuron",
    "neurons",
    "permutation_importance",
    "precision_recall_curve",
    "prediction_error",
    "roc_curve",
    "saliency",
    "sweep",
    "weights",
]
