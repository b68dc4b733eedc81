"""Seeing inside: one step with its numbers, who is to blame, what is wrong, and which rate to take."""

from nnlite.inspect.checkup import Diagnosis, Doctor, DoctorWarning, Finding, doctor
from nnlite.inspect.explain import explain_step
from nnlite.inspect.rate_result import RateSearch
from nnlite.inspect.rate_search import find_learning_rate
from nnlite.inspect.row_attribution import Blame, Pull, Suspect, blame
from nnlite.inspect.trace import StepTrace

__all__ = [
    "Blame",
    "Diagnosis",
    "Doctor",
    "DoctorWarning",
    "Finding",
    "Pull",
    "RateSearch",
    "StepTrace",
    "Suspect",
    "blame",
    "doctor",
    "explain_step",
    "find_learning_rate",
]
