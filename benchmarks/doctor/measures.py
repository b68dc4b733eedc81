"""What the doctor says of each program, what comes of its advice, and the shares of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from benchmarks.doctor.programs import Program
from benchmarks.doctor.remedies import follow
from benchmarks.doctor.training import Outcome, Training, run
from nnlite.inspect import Diagnosis

__all__ = ["AS_GOOD", "BETTER", "ROUNDS", "Report", "Shares", "examine", "shares"]

#: Advice that raises the skill by this much was right: a twentieth of the way from a constant answer to the
#: right ones, and more than what another seed changes.
BETTER = 0.05
#: As good as the people's repair: so much of its skill.
AS_GOOD = 0.9
#: How often the doctor is asked.
ROUNDS = 8


class Report(NamedTuple):
    """What was measured on one program.

    Attributes
    ----------
    program : Program
    broken, repaired : Outcome
        Of the question, and of the people's answer.
    said : tuple of str
        Codes of errors and warnings of the broken program, in their order.
    right : tuple of bool
        Which of them are among the causes that people named.
    tried : tuple of float
        The skill that each comes to where it alone is followed; as before where it says nothing to do.
    followed : tuple of str
        Codes of the findings that were followed to the end.
    skill : float
        What that came to.
    """

    program: Program
    broken: Outcome
    repaired: Outcome
    said: tuple[str, ...]
    right: tuple[bool, ...]
    tried: tuple[float, ...]
    followed: tuple[str, ...]
    skill: float

    @property
    def faulty(self) -> bool:
        """Whether it shows its fault: it does not come to what people's repair comes to."""
        return self.broken.skill < AS_GOOD * self.repaired.skill

    @property
    def named(self) -> int:
        """How many causes were named."""
        return sum(bool(cause & set(self.said)) for cause in self.program.causes)

    @property
    def true(self) -> tuple[bool, ...]:
        """Which findings were right, by the people's answer or by trying."""
        return tuple(
            right or skill >= self.broken.skill + BETTER
            for right, skill in zip(self.right, self.tried, strict=True)
        )

    @property
    def mended(self) -> bool:
        """Whether the advice came as far as the people's."""
        return self.skill >= AS_GOOD * self.repaired.skill

    @property
    def alarms(self) -> tuple[str, ...]:
        """Errors and warnings on the program that people repaired."""
        return codes(self.repaired.diagnosis)


def codes(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return the codes of errors and warnings, each once, in their order."""
    return tuple(dict.fromkeys(one.code for one in diagnosis.problems))


def examine(program: Program, *, advice: bool = True, seed: int = 0) -> Report:
    """Measure one program.

    Parameters
    ----------
    program : Program
        What to train.
    seed : int
        Is added to that of the program.
    advice : bool
        Whether advice is tried and followed, which takes most of the time.

    Returns
    -------
    Report
    """
    asked, answered = (replace(one, seed=one.seed + seed) for one in (program.broken, program.repaired))
    broken, repaired = run(asked), run(answered)
    said = codes(broken.diagnosis)
    among = set().union(*program.causes)
    tried = tuple(_alone(asked, broken, code) if advice else broken.skill for code in said)
    followed, skill = _to_the_end(asked, broken) if advice else ((), broken.skill)
    return Report(
        program, broken, repaired, said, tuple(code in among for code in said), tried, followed, skill
    )


def _alone(training: Training, outcome: Outcome, code: str) -> float:
    """Return the skill that comes of what the findings of one code advise: of their first alternative."""
    skills = [outcome.skill]
    for found in outcome.diagnosis.problems:
        changed = follow(training, found) if found.code == code else []
        if changed:
            skills.append(run(changed[0]).skill)
    return max(skills)


def _to_the_end(training: Training, outcome: Outcome) -> tuple[tuple[str, ...], float]:
    """Follow the first finding that can be followed, ask again, and so on.

    Where a finding is still there after its advice was followed, its next alternative is taken.
    """
    done: list[str] = []
    seen = [training]
    for _ in range(ROUNDS):
        for found in outcome.diagnosis.problems:
            ways = follow(training, found)
            changed = ways[min(done.count(found.code), len(ways) - 1)] if ways else training
            if changed not in seen:
                break
        else:
            break
        done.append(found.code)
        training = changed
        seen.append(training)
        outcome = run(training)
    return tuple(done), outcome.skill


class Shares(NamedTuple):
    """The measures of all programs.

    Attributes
    ----------
    programs : int
    anywhere, first : float
        Programs of which a cause is named, and is named first.
    recall, precision : float
        Causes that are named; findings that people named too.
    tried : float
        Findings that people named or that made the program better.
    repaired : float
        Programs that advice repairs as people did.
    alarms : float
        Repaired programs with an error or a warning.
    """

    programs: int
    anywhere: float
    first: float
    recall: float
    precision: float
    tried: float
    repaired: float
    alarms: float


def shares(reports: Sequence[Report]) -> Shares:
    """Sum reports up.

    Parameters
    ----------
    reports : sequence of Report
        At least one.

    Returns
    -------
    Shares
    """

    def share(values: Iterable[bool]) -> float:
        found = list(values)
        return sum(found) / len(found) if found else 1.0

    causes = sum(len(one.program.causes) for one in reports)
    return Shares(
        len(reports),
        share(one.named > 0 for one in reports),
        share(one.right[:1] == (True,) for one in reports),
        sum(one.named for one in reports) / causes,
        share(right for one in reports for right in one.right),
        share(true for one in reports for true in one.true),
        share(one.mended for one in reports),
        share(bool(one.alarms) for one in reports),
    )
