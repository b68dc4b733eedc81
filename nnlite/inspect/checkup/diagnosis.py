"""What the doctor says: findings with their evidence, as text, as a table, and as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from nnlite.inspect.checkup.codes import CODES, SEVERITIES, page_of, rank
from nnlite.inspect.numbers import plain

__all__ = ["Diagnosis", "Finding", "finding"]


class Finding(NamedTuple):
    """One thing that is wrong, or worth knowing.

    Parameters
    ----------
    code : str
        Such as ``"NN101"``. It stays the same from version to version.
    name : str
        The same in words, such as ``"unscaled-features"``.
    severity : str
        ``"error"``: training fails, or its result means nothing. ``"warning"``: it falls far short
        of what it could be. ``"note"``: worth knowing.
    message : str
        What was found, with the numbers.
    evidence : dict of str to object
        The numbers, as plain data.
    fix : str
        One line that says what to do.
    page : str
        Where in the repository the finding is explained.

    Examples
    --------
    >>> message, fix = "3 of 90 rows are of class 2.", "Give them more weight."
    >>> print(Finding("NN109", "class-imbalance", "note", message, {"rows": 3}, fix, "docs/doctor/NN109.md"))
    note NN109 class-imbalance: 3 of 90 rows are of class 2.
      -> Give them more weight. (docs/doctor/NN109.md)
    """

    code: str
    name: str
    severity: str
    message: str
    evidence: dict[str, Any]
    fix: str
    page: str

    def __str__(self) -> str:
        return f"{self.severity} {self.code} {self.name}: {self.message}\n  -> {self.fix} ({self.page})"


def finding(code: str, severity: str, message: str, fix: str, **evidence: Any) -> Finding:
    """Make a finding of a known code.

    Parameters
    ----------
    code, severity, message, fix : str
        As in `Finding`.
    **evidence : object
        The numbers, as plain data.

    Returns
    -------
    Finding

    Examples
    --------
    >>> finding("NN402", "error", "The loss is 1.1.", "Look at the data.", loss=1.1).name
    'no-better-than-constant'
    """
    return Finding(code, CODES[code], severity, message, evidence, fix, page_of(code))


class Diagnosis:
    """All findings, the likeliest cause first; see `nnlite.inspect.doctor`.

    It can be printed, shows as a table in notebooks, and is a sequence of its findings.

    Parameters
    ----------
    findings : iterable of Finding
        In any order.
    checked : iterable of str
        What was looked at, in words.
    skipped : mapping of str to str
        What was not, and why.
    rows : int
        How many rows of training data were there.
    trained : bool
        Whether the model had been trained.

    Attributes
    ----------
    findings : tuple of Finding
        Errors and warnings, causes before what follows from them, and then notes.
    checked : tuple of str
        What was looked at.
    skipped : dict of str to str
        What was not, and why.
    rows : int
        How many rows there were.
    trained : bool
        Whether the model had been trained.

    Examples
    --------
    >>> print(Diagnosis([], ["features", "targets"], {"gap": "no validation rows"}, rows=150, trained=False))
    doctor: nothing found (150 rows, before training)
    checked: features, targets
    not checked, no validation rows: gap
    """

    def __init__(
        self,
        findings: Iterable[Finding],
        checked: Iterable[str],
        skipped: Mapping[str, str],
        *,
        rows: int,
        trained: bool,
    ) -> None:
        def place(one: Finding) -> tuple[bool, int]:
            return one.severity == SEVERITIES[-1], rank(one.code, trained=trained)

        self.findings = tuple(sorted(findings, key=place))
        self.checked = tuple(checked)
        self.skipped = dict(skipped)
        self.rows = rows
        self.trained = trained

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, in their order."""
        return tuple(one.code for one in self.findings)

    @property
    def healthy(self) -> bool:
        """Whether there is nothing above a note."""
        return not self.problems

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The errors and warnings, without the notes."""
        return tuple(one for one in self.findings if one.severity != SEVERITIES[-1])

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, index: int) -> Finding:
        return self.findings[index]

    # One that has found nothing is no less a diagnosis.
    def __bool__(self) -> bool:
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, which ``json.dumps`` takes; None stands for what is not finite.

        Returns
        -------
        dict
            ``rows``, ``trained``, ``findings``, ``checked`` and ``skipped``.

        Examples
        --------
        >>> Diagnosis([], ["features"], {}, rows=3, trained=False).to_dict()
        {'rows': 3, 'trained': False, 'findings': [], 'checked': ['features'], 'skipped': {}}
        """
        return {
            "rows": self.rows,
            "trained": self.trained,
            "findings": [one._asdict() | {"evidence": plain(one.evidence)} for one in self.findings],
            "checked": list(self.checked),
            "skipped": dict(self.skipped),
        }

    def _summary(self) -> str:
        """Say what was found, in a few words."""
        if not self.findings:
            return "nothing found"
        counts = [(sum(one.severity == kind for one in self.findings), kind) for kind in SEVERITIES]
        return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for count, kind in counts if count)

    def _subject(self) -> str:
        rows = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        return f"{rows}, {'after' if self.trained else 'before'} training"

    def _rest(self) -> list[str]:
        """Say what was checked, and what was not, by the reason."""
        reasons: dict[str, list[str]] = {}
        for what, why in self.skipped.items():
            reasons.setdefault(why, []).append(what)
        lines = [f"checked: {', '.join(self.checked) or 'nothing'}"]
        return lines + [f"not checked, {why}: {', '.join(what)}" for why, what in reasons.items()]

    def __str__(self) -> str:
        lines = [f"doctor: {self._summary()} ({self._subject()})"]
        lines += [f"{number}. {one}" for number, one in enumerate(self.findings, start=1)]
        return "\n".join([*lines, *self._rest()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{one.severity}</td><td>{one.code}<br>{escape(one.name)}</td><td "
            f"style='text-align:left'>{escape(one.message)}</td><td "
            f"style='text-align:left'>{escape(one.fix)}</td></tr>"
            for one in self.findings
        )
        table = (
            "<table><thead><tr><th>severity</th><th>finding</th><th>what was found</th><th>what to "
            f"do</th></tr></thead><tbody>{rows}</tbody></table>"
        )
        looked = (
            "<details><summary>what was looked at</summary><p>"
            f"{'<br>'.join(map(escape, self._rest()))}</p></details>"
        )
        return (
            f"<div><strong>doctor: {escape(self._summary())}</strong> ({escape(self._subject())})"
            f"{table if self.findings else ''}{looked}</div>"
        )
