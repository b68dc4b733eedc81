"""Seeing inside: one step, who is to blame, what is wrong, which rate to take, what a net looks at."""

from nnlite.inspect.checkup import Diagnosis, Doctor, DoctorWarning, Finding, doctor
from nnlite.inspect.explain import explain_step
from nnlite.inspect.rate_search import RateSearch, find_learning_rate
from nnlite.inspect.row_attribution import Blame, Pull, Suspect, blame
from nnlite.inspect.trace import StepTrace
from nnlite.training.attribution import Importance, permutation_importance, saliency
from nnlite.training.learning_curve import LearningCurve, learning_curve

__all__ = [
    "Blame",
    "Diagnosis",
    "Doctor",
    "DoctorWarning",
    "Finding",
    "Importance",
    "LearningCurve",
    "Pull",
    "RateSearch",
    "StepTrace",
    "Suspect",
    "blame",
    "doctor",
    "explain_step",
    "find_learning_rate",
    "learning_curve",
    "permutation_importance",
    "saliency",
]
