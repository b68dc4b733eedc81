"""The codes of all findings, in the order in which one causes the other."""

from __future__ import annotations

__all__ = ["CODES", "SETTINGS", "SEVERITIES", "SYMPTOMS", "page_of", "rank"]

#: From the worst to the mildest. With an error training fails or its result means nothing; with a warning it
#: falls far short of what it could be; a note is worth knowing and asks for nothing.
SEVERITIES = ("error", "warning", "note")

#: Code and name of every finding. What stands higher is the likelier cause of what stands lower: numbers
#: that `fit` refuses hide all else, data spoil the start, the start spoils the training, and the training its
#: result. Findings are listed in this order, notes behind the others; see also `rank`.
CODES = {
    "NN103": "refused-input",
    "NN210": "softmax-of-one-output",
    "NN211": "softmax-of-many-labels",
    "NN212": "wrong-number-of-outputs",
    "NN104": "refused-targets",
    "NN201": "probabilities-for-logits",
    "NN209": "refused-by-fit",
    "NN102": "constant-feature",
    "NN106": "constant-target",
    "NN113": "target-among-features",
    "NN114": "row-number",
    "NN116": "many-categories",
    "NN108": "leaked-rows",
    "NN110": "validation-differs",
    "NN112": "sorted-rows",
    "NN215": "frozen-layers",
    "NN214": "no-slope",
    "NN202": "regression-loss-for-classes",
    "NN203": "target-out-of-reach",
    "NN101": "unscaled-features",
    "NN105": "unscaled-targets",
    "NN107": "conflicting-labels",
    "NN118": "unrelated-labels",
    "NN109": "class-imbalance",
    "NN204": "bounded-logits",
    "NN213": "no-activation-between",
    "NN207": "wrong-gradient",
    "NN206": "identical-units",
    "NN309": "schedule-over",
    "NN310": "clipping",
    "NN313": "momentum-near-one",
    "NN311": "too-much-dropout",
    "NN312": "too-much-weight-decay",
    "NN306": "exploding-gradients",
    "NN304": "saturated-units",
    "NN303": "dead-units",
    "NN305": "vanishing-gradients",
    "NN205": "high-loss-at-start",
    "NN308": "loss-not-finite",
    "NN301": "rate-too-large",
    "NN406": "stopped-too-soon",
    "NN314": "too-few-steps",
    "NN404": "stopped-early",
    "NN302": "rate-too-small",
    "NN405": "bouncing-loss",
    "NN307": "update-ratio",
    "NN208": "cannot-overfit-one-batch",
    "NN402": "no-better-than-constant",
    "NN401": "overfitting",
    "NN403": "no-better-than-linear",
    "NN111": "missing-class",
}

#: Settings that are tried without; where one is to blame, rates are judged without it first.
SETTINGS = ("NN309", "NN310", "NN311", "NN312", "NN313")
#: What has a cause, which trials may find.
SYMPTOMS = ("NN205", "NN208", "NN303", "NN304", "NN305", "NN306", "NN307", "NN402", "NN403", "NN404", "NN405")

#: Before training, neurons and gradients are as the first weights make them. Afterwards they are as the steps
#: have made them: a rate far too large leaves dead and saturated neurons behind, so there it comes before
#: them.
_FIRST_OF_UNITS = "NN306"
_DONE_BY_STEPS = ("NN301", "NN405")


def rank(code: str, *, trained: bool) -> int:
    """Return the place of a code among causes and what follows from them.

    Parameters
    ----------
    code : str
        Such as ``"NN301"``.
    trained : bool
        Whether the model has been trained.

    Returns
    -------
    int

    Examples
    --------
    >>> rank("NN301", trained=False) < rank("NN303", trained=False)
    False
    >>> rank("NN301", trained=True) < rank("NN303", trained=True)
    True
    """
    order = [known for known in CODES if not trained or known not in _DONE_BY_STEPS]
    if trained:
        place = order.index(_FIRST_OF_UNITS)
        order[place:place] = _DONE_BY_STEPS
    return order.index(code)


def page_of(code: str) -> str:
    """Return where in the repository a code is explained.

    Parameters
    ----------
    code : str
        Such as ``"NN101"``.

    Returns
    -------
    str

    Examples
    --------
    >>> page_of("NN101")
    'docs/doctor/NN101.md'
    """
    return f"docs/doctor/{code}.md"
