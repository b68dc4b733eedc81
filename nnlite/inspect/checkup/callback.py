"""The doctor during training: a callback that looks now and then, and speaks at the end."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.aliases import Array
from nnlite.errors import calls_to_user
from nnlite.errors.checks import check_bool, check_integer
from nnlite.inspect.checkup.admission import admit, check_pair
from nnlite.inspect.checkup.causes import settle
from nnlite.inspect.checkup.codes import SEVERITIES
from nnlite.inspect.checkup.diagnosis import Diagnosis, Finding
from nnlite.inspect.checkup.examination import BEGINNING, END, MEANWHILE, examine
from nnlite.inspect.checkup.given import take
from nnlite.inspect.checkup.patient import Patient
from nnlite.inspect.checkup.updates import judge_updates, ratios_of
from nnlite.training.callbacks import Callback, TrainingState
from nnlite.training.history import History

__all__ = ["Doctor", "DoctorWarning"]

#: Rows that neurons and gradients are looked at on while training runs: enough to tell a dead neuron from one
#: that answers to one row in a hundred, and few enough to take a millisecond.
LOOK_ROWS = 256


class DoctorWarning(UserWarning):
    """A training has a problem; the message says which, and what to do about it."""


class Doctor(Callback):
    """Examine a training while it runs: at the start, every so many epochs, and at the end.

    It makes passes and trains no copies. What `doctor` tries out on these, such as other rates, it does
    not; call that before or after. At the end it warns if anything above a note was found.

    Parameters
    ----------
    X : array-like of shape (rows, features)
        The training data, as `fit` gets them, or some of them.
    y : array-like
        Their targets.
    weight : array-like of shape (rows,), optional
        How much each row counts, as for `fit`.
    class_weight : "balanced" or dict, optional
        How much the rows of each class count; by default as in the `fit` that it is called by.
    validation : tuple, optional
        ``(X, y)`` or ``(X, y, weight)``.
    every : int
        Look at neurons, gradients and updates every so many epochs. On digits a look takes as long as two
        thirds of an epoch.
    warn : bool
        Whether to warn at the end.

    Attributes
    ----------
    diagnosis : Diagnosis or None
        What was found; None before training has ended.
    looks : list of dict
        What was measured on the way: ``epoch``; ``updates``, the length of the last step of the
        epoch for each array of weights, over their length; and ``codes``, what was found.
    seconds : float
        The time that all of it has taken.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If an argument cannot be used; in `fit`, if the model has replicas.

    Warns
    -----
    DoctorWarning
        At the end of a training in which anything above a note was found.

    Examples
    --------
    >>> import nnlite as nn
    >>> X, y = nn.datasets.iris()
    >>> model = nn.Sequential([nn.Standardize(4), nn.Dense(4, 16), nn.Tanh(), nn.Dense(16, 3)], rng=0)
    >>> watch = Doctor(X, y)
    >>> history = model.fit(
    ...     X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.02), epochs=40, callbacks=[watch]
    ... )
    >>> watch.diagnosis.healthy, len(watch.looks)
    (True, 4)
    """

    diagnosis: Diagnosis | None
    looks: list[dict[str, Any]]
    seconds: float

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        weight: Any = None,
        class_weight: Any = None,
        validation: Any = None,
        every: int = 10,
        warn: bool = True,
    ) -> None:
        self.X = X
        self.y = y
        self.weight = weight
        self.class_weight = class_weight
        self.validation = validation
        check_pair("Doctor(validation=)", validation)
        self.every = check_integer("Doctor(every=)", every, low=1)
        self.warn = check_bool("Doctor(warn=)", warn)
        self.diagnosis = None
        self.looks = []
        self.seconds = 0.0
        self._looking = False

    def check(self, state: TrainingState) -> None:
        """Check that there is one net."""
        check_net("Doctor", state.model)

    def on_train_begin(self, state: TrainingState) -> None:
        """Look at data and first weights."""
        begun = time.perf_counter()
        self.diagnosis, self.looks, self.seconds = None, [], 0.0
        self._found: dict[str, Finding] = {}
        self._checked: dict[str, None] = {}
        self._skipped: dict[str, str] = {}
        self._before: Array | None = None
        self._patient, refused = admit(
            state.model,
            self.X,
            self.y,
            state.loss,
            state.optimizer,
            weight=self.weight,
            class_weight=self.class_weight,
            asked=state.history.settings,
            validation=self.validation,
            trained=True if state.history.rows else None,
        )
        self._patient.trials = False
        self._keep(examine(self._patient, refused, BEGINNING))
        self._few = self._patient.data
        if self._few is not None and self._few.x.shape[0] > LOOK_ROWS:
            rows = np.random.default_rng(0).choice(self._few.x.shape[0], LOOK_ROWS, replace=False)
            self._few = take(self._few, np.sort(rows))
        self.seconds += time.perf_counter() - begun

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Keep the weights of an epoch that is looked at."""
        self._before = None
        self._looking = state.epoch % self.every == 0

    def on_grad_computed(self, state: TrainingState) -> None:
        """Keep the weights before the step."""
        if self._looking:
            begun = time.perf_counter()
            if self._before is None:
                self._before = np.empty_like(state.model.params.values)
            self._before[...] = state.model.params.values  # of the last step in the end
            self.seconds += time.perf_counter() - begun

    def on_epoch_end(self, state: TrainingState) -> None:
        """Look at neurons, gradients and the last step."""
        if not self._looking:
            return
        begun = time.perf_counter()
        patient = self._now(state, self._few)
        found = examine(patient, [], MEANWHILE)
        ratios = {} if self._before is None else ratios_of(state.model, self._before)
        more = list(judge_updates(ratios, getattr(state.optimizer, "rate", None)))
        for one in (*found, *more):
            one.evidence.setdefault("epoch", state.epoch)
        self._keep(found, more)
        codes = [one.code for one in (*found, *more)]
        self.looks.append({"epoch": state.epoch, "updates": ratios, "codes": codes})
        self.seconds += time.perf_counter() - begun

    def on_train_end(self, state: TrainingState) -> None:
        """Look at the result, put everything together, and warn."""
        begun = time.perf_counter()
        patient = self._now(state, self._patient.data)
        patient.held_out = self._patient.held_out
        history = History()
        history.rows = state.history.rows
        history.stop_reason, history.settings = state.stop_reason, state.history.settings
        patient.history = history if history.rows else None
        self._keep(examine(patient, [], END))
        self.diagnosis = Diagnosis(
            settle(self._found.values(), patient),
            self._checked,
            {what: why for what, why in self._skipped.items() if what not in self._checked},
            rows=self._patient.data.x.shape[0] if self._patient.data is not None else 0,
            trained=True,
        )
        self.seconds += time.perf_counter() - begun
        if self.warn and not state.rank and self.diagnosis.problems:
            first = self.diagnosis[0]
            others = self.diagnosis.codes[1 : len(self.diagnosis.problems)]
            also = f" Also found: {', '.join(others)}; see the diagnosis of the callback." if others else ""
            warnings.warn(f"{first}{also}", DoctorWarning, stacklevel=calls_to_user())

    def _now(self, state: TrainingState, data: Any) -> Patient:
        """Return the training as it is now, with data that were checked before."""
        known = self._patient
        patient = Patient(
            state.model,
            known.optimizer,
            known.loss,
            known.batch_size,
            trained=True,
            settings=known.settings,
            copied=True,
        )
        patient.data, patient.integers, patient.trials = data, known.integers, False
        return patient

    def _keep(self, diagnosis: Diagnosis, more: list[Finding] | None = None) -> None:
        """Keep what was found first of each code, or found worse later."""
        for one in (*diagnosis, *(more or ())):
            old = self._found.get(one.code)
            if old is None or SEVERITIES.index(one.severity) < SEVERITIES.index(old.severity):
                self._found[one.code] = one
        self._checked.update(dict.fromkeys(diagnosis.checked))
        self._skipped |= diagnosis.skipped
