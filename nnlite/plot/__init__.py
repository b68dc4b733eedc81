"""Pictures of nets, of their training and of what they have learned; Axes first, with matplotlib.

Every function takes ``ax=None``, draws there or in a figure of its own, and returns the Axes. None calls
``show``: a notebook shows figures by itself, a script calls ``matplotlib.pyplot.show()``.
"""

from nnlite.plot.activations import activations
from nnlite.plot.animation import Animation, animate
from nnlite.plot.confusion import confusion_matrix
from nnlite.plot.gradient_flow import gradient_flow
from nnlite.plot.history import history
from nnlite.plot.live import LivePlot
from nnlite.plot.network import network
from nnlite.plot.neuron import neuron
from nnlite.plot.regions import decision_boundary, neurons
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
    "confusion_matrix",
    "decision_boundary",
    "gradient_flow",
    "history",
    "loss_surface",
    "network",
    "neuron",
    "neurons",
    "sweep",
    "weights",
]
