"""The doctor: what is wrong with a training, and what to do about it, each with its numbers."""

from nnlite.inspect.checkup.callback import Doctor, DoctorWarning
from nnlite.inspect.checkup.diagnosis import Diagnosis, Finding
from nnlite.inspect.checkup.examination import doctor

__all__ = ["Diagnosis", "Doctor", "DoctorWarning", "Finding", "doctor"]
