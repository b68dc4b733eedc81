"""The command line: ``python -m benchmarks.doctor``."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from benchmarks.doctor.measures import AS_GOOD, BETTER, ROUNDS, Report, Shares, examine, shares
from benchmarks.doctor.programs import PROGRAMS
from benchmarks.doctor.untuned import UNTUNED

#: What is to be reached on programs that nobody here has seen.
GOALS = {"recall": 0.70, "tried": 0.80, "repaired": 0.85, "alarms": 0.05}
#: The programs, apart by whether the doctor was made better on them.
GROUPS = {"rules were tuned on these": PROGRAMS, "on these they were not": UNTUNED}
WORDS = {
    "anywhere": "a cause that people named is named",
    "first": "and named first",
    "recall": "of all causes that people named are named (recall)",
    "precision": "of all errors and warnings are among them (precision)",
    "tried": f"or raise the skill by {BETTER:g} where they are followed",
    "repaired": f"repaired by following advice, at most {ROUNDS} times, to {AS_GOOD:g} of the people's skill",
    "alarms": "of the programs that people repaired raise an error or a warning",
}


def line(report: Report) -> str:
    """Write the row of a program: `*` stands beside what people named, `+` beside what helped when tried."""
    judged = zip(report.said, report.right, report.true, strict=True)
    said = " ".join(code + ("*" if right else "+" if true else "") for code, right, true in judged)
    causes = ",".join("|".join(sorted(cause)) for cause in report.program.causes)
    skills = f"{report.broken.skill:.2f} {report.repaired.skill:.2f} {report.skill:.2f}"
    end = ("" if report.mended else "NOT REPAIRED ") + ">".join(report.followed)
    end += "" if report.faulty else " SHOWS NO FAULT"
    alarms = f" ALARM {' '.join(report.alarms)}" if report.alarms else ""
    return f"{report.program.name:24} {skills}  [{causes}] {said or 'nothing'}; {end}{alarms}"


def summary(found: Shares, *, advice: bool) -> str:
    """Write the shares, each with its goal."""
    lines = [f"{found.programs} programs"]
    for name, words in WORDS.items():
        if advice or name not in ("tried", "repaired"):
            goal = GOALS.get(name)
            bound = (
                "" if goal is None else f" (goal: {'at most' if name == 'alarms' else 'at least'} {goal:.0%})"
            )
            lines.append(f"{getattr(found, name):6.1%} {words}{bound}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all programs, or some."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.doctor", description=__doc__)
    names = [program.name for program in (*PROGRAMS, *UNTUNED)]
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"all by default: {', '.join(names)}")
    parser.add_argument("--no-advice", action="store_true", help="only say what is found")
    parser.add_argument("--say", action="store_true", help="print all that the doctor says, before and after")
    parser.add_argument("--seed", type=int, default=0, help="other weights, order and dropout")
    chosen = parser.parse_args(arguments)
    for name in chosen.programs:
        if name not in names:
            parser.error(f"PROGRAM: expected one of {', '.join(names)}, got {name}")
    advice = not chosen.no_advice
    for words, group in GROUPS.items():
        programs = [one for one in group if not chosen.programs or one.name in chosen.programs]
        if not programs:
            continue
        reports = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # trainings that go wrong warn of it
            for program in programs:
                reports.append(examine(program, advice=advice, seed=chosen.seed))
                print(line(reports[-1]), flush=True)
                if chosen.say:
                    print(f"{program.source}: {program.asked}\n{reports[-1].broken.diagnosis}\nrepaired:")
                    print(reports[-1].repaired.diagnosis, end="\n\n")
        faulty = [one for one in reports if one.faulty]  # with other seeds some may do well
        found = summary(shares(faulty), advice=advice) if faulty else "no program shows its fault"
        print(f"{words}: {found}", end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
