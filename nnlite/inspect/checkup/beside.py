"""A second cause: what is too little of steps, or of a rate, once the first cause is mended."""

from __future__ import annotations

from collections.abc import Iterator

from nnlite.core.optimizers import Optimizer
from nnlite.inspect.checkup.codes import SEVERITIES, SYMPTOMS
from nnlite.inspect.checkup.diagnosis import Finding
from nnlite.inspect.checkup.mending import MENDED, mended
from nnlite.inspect.checkup.patient import Patient, Skip
from nnlite.inspect.checkup.rate import learning_rate
from nnlite.inspect.checkup.rates import FAR_DOWN, in_scale
from nnlite.inspect.checkup.settings import COSTS, judged_steps, length
from nnlite.inspect.checkup.trials import race

__all__ = ["second_cause"]

#: What a copy can have mended, beside what `mended` mends.
SCALES = {"NN101", "NN105"}
#: What may be named beside it.
SECOND = ("NN302", "NN314", "NN404")


def second_cause(p: Patient) -> Iterator[Finding]:
    """Train a copy with the first cause mended, and see whether its steps are too few or too short."""
    if p.went_well:
        raise Skip("the training went well")
    if p.went(COSTS):
        raise Skip("something was learned")
    named = {one.code for one in p.found if one.severity != SEVERITIES[-1]}
    if not named & (MENDED | {"NN101"}):
        raise Skip("nothing is wrong that a copy could have mended")
    if named - MENDED - SCALES - {*SYMPTOMS, *SECOND, "NN213"}:
        raise Skip("something else is wrong")
    if not isinstance(p.optimizer, Optimizer) or p.length is None:
        raise Skip("nobody has said for how many epochs")
    other = p.renewed()
    if named & MENDED and not any(one.evidence.get("mended") for one in p.found):
        ends = mended(other.model, other.loss, p.targets)
        if ends is None:
            raise Skip("nobody can tell how to mend it")
        other.model, other.loss, y = ends
        edge = other.model.boundary
        y, _ = edge.check_targets(edge.check_target_rows(y, p.all.x), None, other.loss, p.all.x)
        other.data, other.held_out = p.all._replace(y=y), None
        other = other.renewed()
    if named & SCALES:
        other = in_scale(other)
    if other.constant - race(other, steps=judged_steps(other)).late > FAR_DOWN * other.way:
        raise Skip("with that mended, a trial goes well")
    for rule in (length, learning_rate):
        try:
            other.found.extend(rule(other))
        except Skip:
            continue
    second = [one for one in other.found if one.code in SECOND and one.severity != SEVERITIES[-1]]
    for one in sorted(second, key=lambda one: -one.evidence.get("gain", 0.0))[:1]:
        p.found[:] = [known for known in p.found if known.code not in SECOND]  # judged without it
        yield one._replace(
            severity=SEVERITIES[1],
            message=f"With the first cause mended on a copy: {one.message}",
            evidence=one.evidence | {"beside": True},
        )
