"""Charts: how long everyone takes, on a log scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import number, threads
from benchmarks.results import Result
from benchmarks.stats import spread

if TYPE_CHECKING:
    from benchmarks.workloads.growth import Curve

# Colours that the colour-blind tell apart (Okabe and Ito).
_COLOURS = {"ours": "#D55E00", "peer": "#0072B2", "yardstick": "#666666", "other": "#56B4E9"}
_LABELS = {
    "ours": "nnlite",
    "peer": "other libraries",
    "yardstick": "NumPy alone",
    "other": "shown, not compared",
}


def draw_comparison(
    results: Sequence[Result],
    title: str,
    cases: Mapping[str, str],
    path: Path,
    *,
    unit: str,
    scale: float,
    floor: str | None = None,
) -> None:
    """Draw a panel for each case, with a row for each contender.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    shown = [case for case in cases if any(result.case == case and result.values for result in results)]
    counts = sorted({result.threads for result in results})
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    most = max(len(result.values) for result in results)
    figure = Figure(figsize=(5.2 * columns, (0.3 * most + 1.3) * lines), layout="constrained", dpi=110)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    for ax, case in zip(axes, shown, strict=False):
        here = sorted((result for result in results if result.case == case), key=lambda r: r.threads)
        first = here[0]
        order = sorted(first.values, key=first.median, reverse=True)
        for result in here:
            height = 0.0 if len(here) == 1 else 0.16 * (1 if result.threads == counts[0] else -1)
            for place, name in enumerate(order):
                if name not in result.values:
                    continue
                found = spread(result.values[name])
                colour = _COLOURS[result.roles[name]]
                y = place + height
                ax.plot([scale * found.low, scale * found.high], [y, y], color=colour, linewidth=1.5)
                ax.plot(
                    scale * found.median,
                    y,
                    "o" if result.threads == counts[0] else "D",
                    color=colour,
                    markerfacecolor=colour if result.threads == counts[0] else "white",
                    markersize=8 if result.roles[name] == "ours" else 6,
                )
        labels = [f"{name}  {number(scale * first.median(name))}" for name in order]
        ax.set_yticks(range(len(order)), labels)
        for label, name in zip(ax.get_yticklabels(), order, strict=True):
            if first.roles[name] == "ours":
                label.set(color=_COLOURS["ours"], fontweight="bold")
        if floor in first.values:
            ax.axvline(scale * first.median(str(floor)), color=_COLOURS["yardstick"], linestyle=":", zorder=0)
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        wide = high > 500 * low
        subs = (1, 2, 5) if high < 50 * low else (1,) if wide else (1, 3)
        # Over less than half a decade there are too few round numbers of that kind.
        narrow = high < 5 * low
        locator = MaxNLocator(4) if narrow else LogLocator(subs=subs, numticks=6 if wide else "auto")
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(cases[case].replace(", ", "\n", 1), fontsize=10)
        ax.set_xlabel(f"{unit}, log scale")
        ax.grid(axis="x", which="major", color="#DDDDDD", zorder=0)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    roles = list(dict.fromkeys(role for result in results for role in result.roles.values()))
    legend = [
        Line2D([], [], marker="o", linestyle="", color=_COLOURS[role], label=_LABELS[role]) for role in roles
    ]
    if len(counts) > 1:
        for marker, face, count in zip("oD", ("#333333", "white"), counts, strict=False):
            legend.append(
                Line2D([], [], marker=marker, linestyle="", color="#333333", mfc=face, label=threads(count))
            )
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False)
    gap = ": " if columns > 1 else ":\n"
    figure.suptitle(f"{title}{gap}less is better; numbers are medians with {threads(counts[0])}")
    figure.savefig(path)


# By contender: colour, marker.
_LINES = {
    "nnlite fit": ("#D55E00", "o"),
    "nnlite jit": ("#CC79A7", "o"),
    "bare loop": ("#666666", "s"),
    "BLAS floor": ("#AAAAAA", "_"),
    "jax": ("#0072B2", "^"),
    "jax scan": ("#56B4E9", "v"),
    "torch": ("#009E73", "D"),
}


def draw_growth(
    curves: Mapping[str, Mapping[str, Curve]], what: Mapping[str, str], path: Path, *, fitted: int
) -> None:
    """Draw the cost along each axis, on log scales, with the exponents of the fits and who leads where.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    from benchmarks.workloads.growth import find_leads

    columns = min(2, len(curves))
    lines = -(-len(curves) // columns)
    figure = Figure(figsize=(5.6 * columns, 4.2 * lines), layout="constrained", dpi=110)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax in axes[len(curves) :]:
        ax.set_visible(False)
    for ax, (axis, found) in zip(axes, curves.items(), strict=False):
        for name, curve in found.items():
            colour, marker = _LINES[name]
            power = f"  n^{curve.exponent.median:.2f}" if curve.exponent else ""
            ax.plot(
                curve.sizes,
                [1e6 * seconds for seconds in curve.seconds],
                color=colour,
                marker=marker,
                markersize=6 if name == "nnlite fit" else 5,
                linewidth=2.2 if name == "nnlite fit" else 1.3,
                zorder=3 if name == "nnlite fit" else 2,
                label=f"{name}{power}",
            )
        for lead in find_leads(found):
            # A strip along the bottom in the colour of the fastest.
            strip = {"ymin": 0.0, "ymax": 0.025, "linewidth": 0}
            ax.axvspan(lead.start, lead.end, color=_LINES[lead.name][0], **strip)
        sizes = sorted({size for curve in found.values() for size in curve.sizes})
        ax.set_xscale("log")
        ax.set_yscale("log")
        if len(sizes) > 1:
            ax.axvspan(sizes[-fitted:][0], sizes[-1], color="#F3F3F3", zorder=0)
        ax.xaxis.set_major_locator(FixedLocator(sizes))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        ax.set_title(f"{axis}: {what[axis]}", fontsize=10)
        ax.set_xlabel("n")
        ax.set_ylabel("µs a step")
        ax.grid(which="major", color="#DDDDDD", zorder=0)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        low, high = ax.get_ylim()
        ax.set_ylim(low, high * (high / low) ** 0.4)  # room for the legend
        ax.legend(frameon=False, loc="upper left", ncols=2, fontsize=9)
    figure.suptitle(
        "How the time of a training step grows; powers of n are fitted where the ground is grey\n"
        "The strip at the bottom has the colour of the fastest"
    )
    figure.savefig(path)
