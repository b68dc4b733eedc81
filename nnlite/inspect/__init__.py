"""Seeing inside: a step with its numbers, who is to blame, what is wrong, which rate to take, a run card."""

from nnlite.inspect.checkup import Diagnosis, Doctor, DoctorWarning, Finding, doctor
from nnlite.inspect.explain import explain_step
from nnlite.inspect.rate_search import RateSearch, find_learning_rate
from nnlite.inspect.row_attribution import Blame, Pull, Suspect, blame
from nnlite.inspect.run_card import Card, card
from nnlite.inspect.trace import StepTrace

__all__ = [
    "Blame",
    "Card",
    "Diagnosis",
    "Doctor",
    "DoctorWarning",
    "Finding",
    "Pull",
    "RateSearch",
    "StepTrace",
    "Suspect",
    "blame",
    "card",
    "doctor",
    "explain_step",
    "find_learning_rate",
]
