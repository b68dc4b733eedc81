"""Seeing inside: one step, who is to blame, what is wrong, which rate, what a net looks at and is worth."""

from nnlite.inspect.checkup import Diagnosis, Doctor, DoctorWarning, Finding, doctor
from nnlite.inspect.explain import explain_step
from nnlite.inspect.play import Playground, playground
from nnlite.inspect.rate_result import RateSearch
from nnlite.inspect.rate_search import find_learning_rate
from nnlite.inspect.row_attribution import Blame, Pull, Suspect, blame
from nnlite.inspect.run_card import Card, card
from nnlite.inspect.trace import StepTrace
from nnlite.training.attribution import Importance, permutation_importance, saliency
from nnlite.training.learning_curve import LearningCurve, learning_curve

__all__ = [
    "Blame",
    "Card",
    "Diagnosis",
    "Doctor",
    "DoctorWarning",
    "Finding",
    "Importance",
    "LearningCurve",
    "Playground",
    "Pull",
    "RateSearch",
    "StepTrace",
    "Suspect",
    "blame",
    "card",
    "doctor",
    "explain_step",
    "find_learning_rate",
    "learning_curve",
    "permutation_importance",
    "playground",
    "saliency",
]
