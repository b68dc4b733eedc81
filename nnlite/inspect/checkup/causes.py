"""Causes and symptoms: what was found is put down to what brings it about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nnlite.inspect.checkup.codes import SEVERITIES, rank
from nnlite.inspect.checkup.diagnosis import Finding
from nnlite.inspect.checkup.patient import FAIRLY_WELL, VERY_WELL, WELL, Patient

__all__ = ["HARMLESS", "settle"]

#: What a training that learned nothing, or not enough, shows.
RESULT = ("NN208", "NN402", "NN403")
#: The same, and what few rows were learned by heart.
UNFINISHED = (*RESULT, "NN401")
#: What became of neurons, and of the numbers that pass between them.
UNITS = ("NN205", "NN303", "NN304", "NN305", "NN306", "NN307", "NN308")
#: How the losses of the epochs go.
COURSE = ("NN404", "NN405")

#: Which findings follow from which. One that is only a note brings nothing about.
EXPLAINS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("NN202", "NN203", "NN204", "NN303", "NN305"), RESULT),
    "NN102": (*RESULT, "NN107", "NN118", "NN303", "NN401", "NN404"),
    "NN107": (*RESULT, "NN118"),
    "NN106": (*RESULT, "NN101", "NN110", "NN111", "NN401"),
    **dict.fromkeys(("NN101", "NN105", "NN207"), (*UNITS, *COURSE, *RESULT)),
    "NN114": (*UNITS, *COURSE, *RESULT, "NN302"),
    **dict.fromkeys(("NN104", "NN201", "NN210", "NN211", "NN212"), (*RESULT, *COURSE, "NN302")),
    **dict.fromkeys(("NN112", "NN214", "NN215"), (*RESULT, *COURSE, "NN302", "NN303", "NN304", "NN305")),
    "NN213": (*RESULT, "NN404"),
    **dict.fromkeys(("NN109", "NN110", "NN116", "NN118"), UNFINISHED),
    "NN301": (*UNITS, *COURSE, *UNFINISHED),
    "NN206": (*RESULT, "NN303", "NN304", "NN305", "NN306"),
    "NN304": (*RESULT, "NN205", "NN305", "NN307"),
    "NN306": (*RESULT, "NN205", "NN304", "NN307", "NN308", "NN405"),
    "NN302": UNFINISHED,
    "NN308": (*RESULT, *COURSE),
    "NN309": (*UNFINISHED, "NN302", "NN404"),
    "NN310": (*UNFINISHED, "NN302", "NN404"),
    "NN311": (*UNFINISHED, "NN302", "NN303", "NN404", "NN405"),
    "NN312": (*UNFINISHED, "NN302", "NN303", "NN305", "NN404", "NN405"),
    "NN313": (*UNFINISHED, *UNITS, "NN301", "NN405"),
    "NN116": ("NN401",),
    "NN205": (*RESULT, *COURSE, "NN302"),
    "NN314": (*UNFINISHED, "NN302", "NN404"),
    "NN406": (*RESULT, "NN404"),
    "NN404": RESULT,
    "NN405": RESULT,
    "NN208": ("NN402", "NN403"),
    "NN402": ("NN403",),
}

#: What comes of a cause, in the words that its message ends with.
WORDS = {
    "NN107": "equal rows have different labels",
    "NN118": "nothing of y is seen in X",
    "NN205": "the loss starts high",
    "NN208": "not even one batch can be learned by heart",
    "NN301": "the rate is too large",
    "NN302": "the steps barely move",
    "NN303": "neurons are dead",
    "NN304": "neurons are saturated",
    "NN305": "gradients vanish",
    "NN306": "gradients explode",
    "NN307": "a step is as long as the weights",
    "NN308": "the loss is not finite",
    "NN401": "validation rows gained little",
    "NN402": "nothing was learned",
    "NN403": "a linear model does as well",
    "NN404": "the loss falls slowly",
    "NN405": "the loss bounces",
}

#: A training that went so much of the way has coped with these, and they are worth knowing, no more: with
#: neurons and blame; with what a longer one would add; and, if it went so on validation rows too, the rest.
#: A setting that costs less than this is no cause where something else costs so much more.
LITTLE, MORE = 0.2, 0.25
HARMLESS = (
    (FAIRLY_WELL, False, ("NN303", "NN304", "NN305", "NN306", "NN403")),
    (WELL, False, ("NN208", "NN404")),
    (VERY_WELL, True, ("NN101", "NN105", "NN202", "NN203", "NN204", "NN301", "NN302")),
)


def settle(findings: Iterable[Finding], p: Patient) -> list[Finding]:
    """Make symptoms part of the findings that explain them, and notes of what does no harm.

    Parameters
    ----------
    findings : iterable of Finding
        In any order.
    p : Patient
        Whom they are about.

    Returns
    -------
    list of Finding
        A finding that explains others says so; it is as severe as a result that it explains.

    Examples
    --------
    >>> from nnlite import SGD, Dense, MeanSquaredError, Sequential
    >>> from nnlite.inspect.checkup.diagnosis import finding
    >>> p = Patient(Sequential([Dense(1, 1)]), SGD(0.1), MeanSquaredError(), 32, trained=True)
    >>> rate = finding("NN301", "warning", "The steps overshoot.", "Write SGD(0.01).")
    >>> nothing = finding("NN402", "error", "The loss is 1.1.", "See the others.")
    >>> one, = settle([nothing, rate], p)
    >>> one.code, one.severity, one.message, one.evidence["explains"]
    ('NN301', 'error', 'The steps overshoot. So nothing was learned.', {'NN402': 'The loss is 1.1.'})
    """
    note = SEVERITIES[-1]
    findings = list(findings)
    alarms = {one.code for one in findings if one.severity != note}
    harmless = {
        code
        for share, validated, codes in HARMLESS
        if not alarms.isdisjoint(codes) and p.went(share, validated=validated)  # which takes passes
        for code in codes
    }
    useless = any(one.evidence.get("worse_than_constant") for one in findings)
    listed = [
        one._replace(severity=note)
        if one.code in harmless
        else (one._replace(severity=SEVERITIES[1]) if useless and one.code == "NN116" else one)
        for one in findings
    ]
    most = max((one.evidence.get("gain", 0.0) for one in listed), default=0.0)
    listed = [one for one in listed if not one.evidence.get("gain", LITTLE) < min(LITTLE, most - MORE)]
    listed.sort(key=lambda one: rank(one.code, trained=p.trained))
    causes = [one for one in listed if one.severity != note and one.code in EXPLAINS]
    of: dict[int, list[Finding]] = {}
    told = set()
    for cause in causes:
        if id(cause) in told:
            continue
        # Also what follows from what follows: a symptom that is told takes its own along.
        waiting = [cause]
        while waiting:
            by = waiting.pop()
            for one in listed:
                if one is cause or id(one) in told or one.evidence.get("beside"):  # seen with causes mended
                    continue
                if one.code in _explained(by):
                    told.add(id(one))
                    of.setdefault(id(cause), []).append(one)
                    waiting.append(one)
    return [_joined(one, of.get(id(one), [])) for one in listed if id(one) not in told]


def _explained(cause: Finding) -> tuple[str, ...]:
    """Return what follows from a finding; the rate was judged with what `fit` refuses mended."""
    codes = EXPLAINS.get(cause.code, ())
    return tuple(code for code in codes if code != "NN302") if cause.evidence.get("mended") else codes


def _joined(cause: Finding, symptoms: list[Finding]) -> Finding:
    if not symptoms:
        return cause
    said = [WORDS[one.code] for one in symptoms if one.severity != SEVERITIES[-1] and one.code in WORDS]
    worst = min(
        [cause.severity, *(one.severity for one in symptoms if one.code in RESULT)], key=SEVERITIES.index
    )
    return cause._replace(
        severity=worst,
        message=cause.message + (f" So {', and '.join(said)}." if said else ""),
        evidence=cause.evidence | {"explains": {one.code: one.message for one in symptoms}},
    )
