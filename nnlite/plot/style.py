"""What all pictures share: colours that everyone can tell apart, sizes, and the Axes to draw on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.errors import ArgumentTypeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

__all__ = [
    "CLASSES",
    "GREY",
    "LIGHT",
    "MARKERS",
    "NEGATIVE",
    "POSITIVE",
    "SMALL",
    "TRAINING",
    "VALIDATION",
    "around_zero",
    "brief",
    "class_colour",
    "class_marker",
    "curve",
    "diverging",
    "ink_on",
    "lay_out",
    "legend",
    "name_axis",
    "new_axes",
    "open_frame",
    "pyplot",
    "sequential",
    "short",
    "shortened",
    "size_of",
    "text_width",
]

#: The colours of Okabe and Ito, which colour-blind people can tell apart.
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
#: Numbers above and below zero: weights, answers, gradients.
POSITIVE, NEGATIVE = BLUE, VERMILION
#: Numbers of the rows that are trained on (solid lines) and of those that are held out (dashed lines).
TRAINING, VALIDATION = BLUE, VERMILION
#: Colours and markers of classes and curves; they begin again where there are more of those.
CLASSES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
#: What is written beside, and what stays in the background.
GREY, LIGHT = "#555555", "#D0D0D0"
#: The smallest text, in points.
SMALL = 8.0
#: What part of a picture a legend may cover; and of the height of the picture, how high one above may be.
COVERED, HIGHEST = 0.25, 0.75


def pyplot(where: str) -> Any:
    """Import ``matplotlib.pyplot``.

    Parameters
    ----------
    where : str
        Names the function in the message.

    Returns
    -------
    module

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.

    Examples
    --------
    >>> pyplot("plot.network").__name__
    'matplotlib.pyplot'
    """
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{where}: expected matplotlib to be installed, got no such package. "
            'Run python -m pip install ".[plot]" where nnlite is checked out.',
            name=error.name,
        ) from error
    return plt


def new_axes(where: str, ax: Axes | None, **figure: Any) -> Axes:
    """Return the Axes to draw on: those given, or those of a new figure.

    Parameters
    ----------
    where : str
        Names the function in the message.
    ax : matplotlib.axes.Axes or None
        What the user gave.
    **figure : object
        For ``matplotlib.pyplot.subplots``, such as ``figsize``, if there is a figure to make.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ArgumentTypeError
        If `ax` is something else.

    Examples
    --------
    >>> ax = new_axes("plot.network", None, figsize=(4, 3))
    >>> new_axes("plot.network", ax) is ax
    True
    >>> pyplot("here").close(ax.figure)
    """
    plt = pyplot(where)
    import matplotlib.axes

    if ax is None:
        made: Axes = plt.subplots(**({"layout": "constrained"} | figure))[1]
        return made
    if not isinstance(ax, matplotlib.axes.Axes):
        fix = "Write figure, ax = plt.subplots(), or leave it out."
        if isinstance(ax, np.ndarray):
            fix = "Give one of them, such as axes.flat[0]."
        raise ArgumentTypeError(f"{where}(ax=)", "a matplotlib Axes", type(ax).__name__, fix)
    return ax


def size_of(ax: Axes) -> tuple[float, float]:
    """Return the width and the height of the Axes in inches, as they are before a layout moves them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Whose.

    Returns
    -------
    (float, float)

    Examples
    --------
    >>> ax = new_axes("here", None, figsize=(4, 3))
    >>> [bool(0 < side < 4) for side in size_of(ax)]
    [True, True]
    >>> pyplot("here").close(ax.figure)
    """
    box = ax.get_window_extent()
    dpi = ax.figure.dpi
    return float(box.width / dpi), float(box.height / dpi)


def open_frame(ax: Axes) -> None:
    """Take the upper and the right line of the frame away.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Whose.

    Examples
    --------
    >>> ax = new_axes("here", None)
    >>> open_frame(ax)
    >>> ax.spines["top"].get_visible()
    False
    >>> pyplot("here").close(ax.figure)
    """
    ax.spines[["top", "right"]].set_visible(False)


def legend(*axes: Axes, **how: Any) -> None:
    """Say in small letters what is drawn, on a ground that lets a line shine through but can be read.

    It stands among the lines as long as it covers little of the picture, else above; where that would leave
    too little of the picture there is none.

    Parameters
    ----------
    *axes : matplotlib.axes.Axes
        Whose; it stands on the last, which is drawn over the others.
    **how : object
        What is not as usual, for `matplotlib.axes.Axes.legend`.

    Examples
    --------
    >>> ax = new_axes("here", None)
    >>> _ = ax.plot([0, 1], label="rising")
    >>> legend(ax)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['rising']
    >>> pyplot("here").close(ax.figure)
    """
    ax, size = axes[-1], SMALL + 0.5
    handles = [handle for one in axes for handle in one.get_legend_handles_labels()[0]]
    usual = {"handles": handles, "fontsize": size, "framealpha": 0.85, "edgecolor": "none"}
    # A title is in the way, and only a layout makes room.
    if handles and not ax.get_title() and "loc" not in how and lay_out(ax):
        width, height = (72 * side for side in size_of(ax))
        column = max(text_width(str(handle.get_label()), size) for handle in handles) + 3.5 * size
        covers = column * 1.5 * size * len(handles) > COVERED * width * height
        if len(axes) > 1 or covers or column > width:
            columns = int(width / column)
            if not columns or -(-len(handles) // columns) * 1.4 * size > HIGHEST * height:
                return
            usual |= {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.1}
            usual |= {"ncols": columns, "columnspacing": 1.0, "labelspacing": 0.25, "borderpad": 0.2}
    made = ax.legend(**(usual | how))
    for text in made.get_texts():
        text.set_parse_math(False)  # a dollar sign in a name begins no formula


def lay_out(ax: Axes) -> bool:
    """Let the layout of a figure, if it has one, put the Axes where they stand with what is drawn so far.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Whose figure.

    Returns
    -------
    bool
        Whether there is a layout.

    Examples
    --------
    >>> ax = new_axes("here", None)
    >>> lay_out(ax)
    True
    >>> pyplot("here").close(ax.figure)
    """
    figure: Any = ax.figure  # or a part of one
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure.figure)
    return engine is not None


def name_axis(ax: Axes, axis: str, *texts: str) -> None:
    """Write beside an axis the first text that is no longer than it, or the last.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Whose.
    axis : {"x", "y"}
        Which.
    *texts : str
        From long to short.

    Examples
    --------
    >>> ax = new_axes("here", None, figsize=(1.5, 1.5))
    >>> name_axis(ax, "x", "what is rather long for it", "short")
    >>> ax.get_xlabel()
    'short'
    >>> pyplot("here").close(ax.figure)
    """
    side = getattr(ax, f"{axis}axis")
    room = 0.85 * 72 * size_of(ax)[axis == "y"]  # a layout will take some of it
    size = side.label.get_fontsize()
    fitting = (text for text in texts if text_width(text, size) <= room)
    side.set_label_text(next(fitting, texts[-1]))


def class_colour(index: int) -> str:
    """Return the colour of a class, or of a curve.

    Parameters
    ----------
    index : int
        Which, from 0.

    Returns
    -------
    str

    Examples
    --------
    >>> class_colour(0), class_colour(0) == class_colour(len(CLASSES))
    ('#0072B2', True)
    """
    return CLASSES[index % len(CLASSES)]


def class_marker(index: int) -> str:
    """Return the marker of a class; from the ninth class on the markers meet other colours.

    Parameters
    ----------
    index : int
        Which, from 0.

    Returns
    -------
    str

    Examples
    --------
    >>> class_marker(0), class_marker(8)
    ('o', 's')
    """
    return MARKERS[(index + index // len(CLASSES)) % len(MARKERS)]


def curve(index: int) -> dict[str, Any]:
    """Return the colour of a curve, and of those for which no colour is left markers too.

    Parameters
    ----------
    index : int
        Which, from 0.

    Returns
    -------
    dict of str to object
        For `matplotlib.axes.Axes.plot`.

    Examples
    --------
    >>> curve(0), curve(8)["color"], curve(8)["marker"]
    ({'color': '#0072B2'}, '#0072B2', 's')
    """
    how: dict[str, Any] = {"color": class_colour(index)}
    # Not all at the same places, where they would cover each other.
    marks = {"marker": class_marker(index), "ms": 4, "markevery": (0.01 * (index % 10), 0.1)}
    return how | marks if index >= len(CLASSES) else how


def diverging() -> Colormap:
    """Return the colour map of numbers around zero: vermilion below, white at zero, blue above.

    Returns
    -------
    matplotlib.colors.Colormap

    Examples
    --------
    >>> [round(float(part), 2) for part in diverging()(0.5)[:3]]
    [1.0, 1.0, 1.0]
    """
    from matplotlib.colors import LinearSegmentedColormap

    # 257 colours, so that there is one in the middle.
    return LinearSegmentedColormap.from_list("nnlite diverging", [NEGATIVE, "#FFFFFF", POSITIVE], N=257)


def sequential(colour: str = POSITIVE) -> Colormap:
    """Return the colour map of numbers from zero up: white to blue.

    Parameters
    ----------
    colour : str
        Where it ends, if not in blue.

    Returns
    -------
    matplotlib.colors.Colormap

    Examples
    --------
    >>> [round(float(part), 2) for part in sequential()(0.0)[:3]]
    [1.0, 1.0, 1.0]
    """
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("nnlite sequential", ["#FFFFFF", colour])


def around_zero(values: Any) -> Normalize:
    """Return the scale that puts zero in the middle of `diverging`, and the largest number at an end.

    Parameters
    ----------
    values : array-like
        What is to be coloured; what is not finite does not count.

    Returns
    -------
    matplotlib.colors.Normalize

    Examples
    --------
    >>> scale = around_zero([-1.0, 4.0])
    >>> float(scale.vmin), float(scale.vmax)
    (-4.0, 4.0)
    """
    from matplotlib.colors import Normalize

    array = np.asarray(values, dtype=np.float64)
    finite = np.abs(array[np.isfinite(array)])
    top = float(finite.max(initial=0.0)) or 1.0
    return Normalize(-top, top)


def ink_on(colour: Any) -> str:
    """Return black or white, whichever is easier to read on a colour.

    Parameters
    ----------
    colour : colour of matplotlib
        That of the ground.

    Returns
    -------
    str

    Notes
    -----
    The one with the higher contrast ratio, after the Web Content Accessibility Guidelines 2.2 of the
    World Wide Web Consortium.

    Examples
    --------
    >>> ink_on("yellow"), ink_on("#0072B2")
    ('black', 'white')
    """
    from matplotlib.colors import to_rgb

    parts = np.array(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"


def short(value: float, digits: int = 2) -> str:
    """Write a number shortly, with a real minus sign.

    Parameters
    ----------
    value : float
        The number.
    digits : int
        How many count.

    Returns
    -------
    str

    Examples
    --------
    >>> short(0.123), short(-12.34), short(1e-7)
    ('0.12', '−12', '1e−07')
    """
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def brief(value: float) -> str:
    """Write a number in at most six characters, for where there is little room.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str
        ``0`` means exactly zero.

    Examples
    --------
    >>> [brief(value) for value in (0.0, 0.1234, 0.001, -1.26, 123.4, -56789.0, float("inf"))]
    ['0', '0.12', '0.00', '−1.3', '123', '−57k', 'inf']
    """
    size = abs(value)
    if size == 0.0 or not np.isfinite(value):
        text = f"{value:g}".removeprefix("-") if size == 0.0 else f"{value:g}"
    elif size < 0.995:
        text = f"{value:.2f}"
    elif size < 9.95:
        text = f"{value:.1f}"
    elif size < 999.5:
        text = f"{value:.0f}"
    elif size < 999.5e3:
        text = f"{value / 1e3:.0f}k"
    else:
        text = f"{value / 1e6:.0f}M" if size < 999.5e6 else f"{value:.0e}"
    return text.replace("-", "\N{MINUS SIGN}")


def text_width(text: str, size: float = SMALL) -> float:
    """Measure a line of text, without drawing it.

    Parameters
    ----------
    text : str
        The line.
    size : float
        Of its letters, in points.

    Returns
    -------
    float
        In points.

    Examples
    --------
    >>> text_width("") == 0.0 < text_width("i") < text_width("m")
    True
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    # The sum of how far the letters move the pen, which is also where blanks at the end count.
    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)[0])


def shortened(text: str, room: float, size: float = SMALL) -> str:
    """Return a line of text, with an ellipsis if it is longer than the room for it.

    Parameters
    ----------
    text : str
        The line.
    room : float
        In points.
    size : float
        Of its letters, in points.

    Returns
    -------
    str

    Examples
    --------
    >>> shortened("sepal length", 30), shortened("sepal length", 100)
    ('sepal…', 'sepal length')
    """
    if text_width(text, size) <= room:
        return text
    while len(text) > 1 and text_width(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…"
