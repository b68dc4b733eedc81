"""What scikit-learn does between its steps: penalty, loss curve, learning rate, and when to stop."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.core.aliases import Array
from nnlite.core.optimizers import Optimizer
from nnlite.sklearn.judges import Judge
from nnlite.training.callbacks import OfSteps, TrainingState
from nnlite.training.history import History

__all__ = ["Convergence", "LossCurve", "Penalty", "Recorder", "RunningOrder"]

#: The adaptive rate is not divided any further below this.
LEAST_RATE = 1e-6


class Penalty(OfSteps):
    """Add ``alpha / 2 * sum(W**2)`` over the number of rows to the loss and to its gradient.

    With weights it is what the loss is divided by, ``state.batch_rows``. Only weights are penalised,
    not biases.

    Parameters
    ----------
    alpha : float
        How strongly.
    share : float
        See `Objective`.

    Attributes
    ----------
    reported : float
        The loss of the present batch as scikit-learn counts it, with the penalty.

    Examples
    --------
    >>> Penalty(0.1).alpha
    0.1
    """

    reported: float

    def __init__(self, alpha: float, *, share: float = 1.0) -> None:
        self.alpha = float(alpha)
        self.share = share
        self.reported = 0.0

    @property
    def pull(self) -> float:
        """How strongly, for compiled loops."""
        return self.alpha

    def value(self, state: TrainingState) -> float:
        """Compute the penalty for the present weights and the present number of rows.

        Parameters
        ----------
        state : TrainingState
            Where training stands.

        Returns
        -------
        float
        """
        rows = float(state.batch_rows)
        if not self.alpha or not rows:
            return 0.0
        params = state.model.params
        weights = params.values[: params.decayed]
        return 0.5 * self.alpha / rows * float(np.dot(weights, weights))

    def on_grad_computed(self, state: TrainingState) -> None:
        """Add it to the loss and to the gradient of the batch."""
        data = float(state.batch_loss)
        rows = float(state.batch_rows)
        if not self.alpha or not rows:
            self.reported = data * self.share
            return
        params = state.model.params
        weights, grads = params.values[: params.decayed], params.grads[: params.decayed]
        pull = weights * (self.alpha / rows)
        penalty = 0.5 * float(weights.dot(pull))
        grads += pull
        self.reported = data * self.share + penalty
        state.batch_loss = data + penalty


class RunningOrder:
    """Orders of the rows, each a permutation of the one before, as scikit-learn draws them.

    Parameters
    ----------
    random_state : numpy.random.RandomState
        Draws them.

    Examples
    --------
    >>> order = RunningOrder(np.random.RandomState(0))
    >>> order(3), order(3)
    (array([2, 1, 0]), array([0, 2, 1]))
    """

    def __init__(self, random_state: np.random.RandomState) -> None:
        self.random_state = random_state
        self.order: np.ndarray[Any, Any] | None = None

    def __call__(self, rows: int) -> np.ndarray[Any, Any]:
        """Draw the order of the next epoch."""
        drawn = np.arange(rows)
        self.random_state.shuffle(drawn)
        self.order = drawn if self.order is None else self.order[drawn]
        return self.order


class Recorder(OfSteps):
    """What writes a training down, and knows how far it came, also if it ends by an error.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Has the parameters, and gets the attributes.

    Attributes
    ----------
    penalty : Penalty
        What the loss has in it besides the data. It must come before this one in the list of callbacks.
    history : History
        That of the training; empty before its beginning.

    Examples
    --------
    >>> from nnlite.sklearn import MLPRegressor
    >>> Recorder(MLPRegressor().fit([[0.0], [1.0]], [0.0, 1.0])).moved
    False
    """

    history: History
    penalty: Penalty

    def __init__(self, estimator: Any) -> None:
        self.history = History()
        self.estimator = estimator
        self.penalty = Penalty(estimator.alpha, share=estimator._objective_.share)

    @property
    def moved(self) -> bool:
        """Whether any step was made."""
        return len(self.history) > 0

    def on_train_begin(self, state: TrainingState) -> None:
        """Keep the history, which an error must not take away."""
        self.history = state.history


class Convergence(Recorder):
    """Write down the losses as scikit-learn counts them, and stop when they no longer fall.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Has the parameters, and gets the attributes.
    rows : int
        Of the training data.
    batch_size : int
        Rows of each batch but the last.
    judge : callable (TrainingState) -> float, optional
        Measures the net on validation data. Then the score decides when to stop, not the loss.

    Attributes
    ----------
    reason : str
        Why it was ended before its last epoch; empty if it was not.
    exhausted : bool
        Whether all epochs were done.
    """

    history: History
    exhausted: bool
    reason: str
    seen: int
    total: float

    def __init__(self, estimator: Any, *, rows: int, batch_size: int, judge: Judge | None) -> None:
        super().__init__(estimator)
        self.rows = rows
        self.batch_size = batch_size
        self.judge = judge
        self.reason = ""
        self.exhausted = False
        self.total, self.seen = 0.0, 0

    @property
    def moved(self) -> bool:
        """Whether any step was made."""
        return super().moved or self.seen > 0

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Start to add up."""
        self.total, self.seen = 0.0, 0

    def on_grad_computed(self, state: TrainingState) -> None:
        """Add the loss of the batch, which counts by its rows even if they have weights."""
        rows = min(self.batch_size, self.rows - self.seen)
        self.total += self.penalty.reported * rows
        self.seen += rows

    def take_steps(self, losses: Array, penalties: Array) -> None:
        """Add those of many batches, one after the other."""
        count = len(losses)
        rows = np.clip(self.rows - self.seen - self.batch_size * np.arange(count), 0, self.batch_size)
        added = (losses * self.penalty.share + penalties) * rows
        self.total = float(np.add.accumulate([self.total, *added])[-1])
        self.seen += int(rows.sum())

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write down the loss of the epoch, and decide about the learning rate and the end."""
        estimator = self.estimator
        self.note(self.total / self.seen, self.seen)
        if self.judge is not None:
            score = self.judge(state)
            self.note_score(score)
            state.history[-1]["validation_score"] = score
            improved = np.isfinite(score) and score >= estimator.best_validation_score_ + estimator.tol
            if score > estimator.best_validation_score_:
                estimator.best_validation_score_ = score
                estimator._best_values[...] = state.model.params.numbers
        else:
            improved = not estimator.loss_ > estimator._lowest_loss - estimator.tol
            estimator._lowest_loss = min(estimator._lowest_loss, estimator.loss_)
            estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
        estimator._no_improvement_count = 0 if improved else estimator._no_improvement_count + 1
        optimizer = state.optimizer
        if not isinstance(optimizer, Optimizer):
            return
        plan = estimator.learning_rate if estimator.solver == "sgd" else "constant"
        if plan == "invscaling":
            optimizer.learning_rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
        if estimator._no_improvement_count <= estimator.n_iter_no_change:
            return
        what = "Training loss" if self.judge is None else "Validation score"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
        rate: Any = optimizer.learning_rate
        if plan != "adaptive":
            self.end(state, f"{message} Stopping.")
        elif rate <= LEAST_RATE:
            self.end(state, f"{message} Learning rate too small. Stopping.")
        else:
            optimizer.learning_rate = rate / 5
            estimator._no_improvement_count = 0
            self.say(f"{message} Setting learning rate to {rate / 5:f}")

    def on_train_end(self, state: TrainingState) -> None:
        """Keep the reason for the end."""
        self.reason = state.stop_reason
        self.exhausted = not state.stop_reason and state.epoch == state.epochs

    def note(self, loss: float, rows: int) -> None:
        """Write down the loss of an epoch.

        Parameters
        ----------
        loss : float
            As scikit-learn counts it.
        rows : int
            How many were seen in it.
        """
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.t_ += rows
        estimator.loss_ = loss
        estimator.loss_curve_.append(loss)
        self.say(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")

    def note_score(self, score: float) -> None:
        """Write down the validation score of an epoch.

        Parameters
        ----------
        score : float
            NaN if the net gives no finite numbers any more.
        """
        self.estimator.validation_scores_.append(score)
        self.say(f"Validation score: {score:f}")

    def end(self, state: TrainingState, message: str) -> None:
        """Stop the training, and say why."""
        state.stop(message)
        self.say(message)

    def say(self, message: str) -> None:
        """Print a message if the user wants to read any."""
        if self.estimator.verbose:
            print(message)


class LossCurve(Recorder):
    """Write down the loss of each iteration of L-BFGS as scikit-learn counts it; see `Recorder`."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """Write the loss down."""
        estimator = self.estimator
        penalty = self.penalty.value(state)
        data = float(state.history[-1]["loss"]) - penalty
        estimator.loss_ = data * self.penalty.share + penalty
        estimator.loss_curve_.append(estimator.loss_)
        if estimator.verbose:
            print(f"Iteration {state.epoch}, loss = {estimator.loss_:.8f}")
