"""Training as a moving picture: the decision boundary that bends, and the ball that rolls down the loss."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.checks.nets import check_net
from nnlite.core.aliases import RNG, AnyArray, Array
from nnlite.core.losses import Loss
from nnlite.errors import ArgumentError, ArgumentTypeError
from nnlite.errors.arguments import explained
from nnlite.errors.checks import check_integer, check_number
from nnlite.files.safetensors import check_path, write_atomically
from nnlite.model import Sequential
from nnlite.plot.regions import Grid, Question, draw_answers, draw_points, make_grid, name_classes, settle
from nnlite.plot.style import BLACK, CLASSES, SMALL, open_frame, pyplot, short
from nnlite.plot.surface import (
    TRAILS,
    Surface,
    Trail,
    check_loss_given,
    check_paths,
    copy_of,
    draw_surface,
    ground,
    heights,
    losses_at,
    measure,
    short_label,
)
from nnlite.plot.weight_path import WeightPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Animation", "animate"]

KINDS = ("decision_boundary", "loss_surface", "loss_surface_3d")
#: Colours of a GIF, and of a picture in a page, which has one more: none. With fewer, a slope has bands.
COLOURS = 128
WHITE = "#FFFFFF"
#: The last picture of a GIF stays for so many seconds before it begins again.
PAUSE = 2.0
#: Dots on a map, of more rows a part is drawn: in a small picture they would cover it.
DOTS = 400
#: Points of the path behind a ball that are drawn boldly.
TAIL = 6
#: How far above the surface a ball lies, as a part of the height of the picture.
LIFT = 0.02


class Animation:
    """Pictures one after the other; made by `animate`.

    In a notebook it is shown with a button and a slider.

    Parameters
    ----------
    frames : sequence of ndarray of shape (height, width, 3)
        The pictures, of dtype uint8.
    captions : sequence of str
        What each shows, for those who cannot see it.
    seconds : float
        How long each stays.

    Attributes
    ----------
    frames : list of ndarray of shape (height, width, 3)
    captions : list of str
    seconds : float

    Examples
    --------
    >>> dark, light = np.zeros((2, 4, 3), np.uint8), np.full((2, 4, 3), 255, np.uint8)
    >>> Animation([dark, light], ["dark", "light"], seconds=0.5)
    Animation(2 frames of 4 x 2 pixels, 1 s)
    """

    def __init__(self, frames: Sequence[AnyArray], captions: Sequence[str], *, seconds: float) -> None:
        self.frames = list(frames)
        self.captions = list(captions)
        self.seconds = seconds

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file.

        Parameters
        ----------
        path : str or path-like
            Its ending says what to write: ``.gif``, or ``.html`` for a page with a button and a
            slider that needs nothing else, no network and no other file.

        Raises
        ------
        ArgumentTypeError, ArgumentError
            If `path` is no path, or has another ending.
        OSError
            If the file cannot be written; an old one is then as it was.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> dark, light = np.zeros((2, 4, 3), np.uint8), np.full((2, 4, 3), 255, np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "blink.gif"
        ...     Animation([dark, light], ["dark", "light"], seconds=0.5).save(path)
        ...     path.read_bytes()[:3]
        b'GIF'
        """
        where = "Animation.save(path)"
        file = check_path(where, path)
        ending = file.suffix.lower()
        if ending == ".gif":
            content = self.to_gif()
        elif ending in (".html", ".htm"):
            content = self.to_html().encode()
        else:
            got = f"{ending!r}" if ending else "no ending"
            fix = f"Write {file.stem + '.gif'!r}, for instance."
            raise ArgumentError(where, "a name that ends in .gif or .html", got, fix)
        write_atomically(file, content, where=where)

    def to_gif(self) -> bytes:
        """Return it as a GIF, which plays without end.

        Returns
        -------
        bytes
        """
        pictures = self._pictures()
        last = round(1000 * max(PAUSE, self.seconds))
        lengths = [round(1000 * self.seconds)] * (len(pictures) - 1) + [last]
        file = io.BytesIO()
        pictures[0].save(
            file,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=lengths,
            loop=0,
            disposal=1,
        )
        return file.getvalue()

    def to_html(self) -> str:
        """Return it as a page of its own.

        Returns
        -------
        str
        """
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            "<title>Animation</title></head>\n"
            f'<body style="font-family:sans-serif;margin:1em">{self._player()}</body></html>\n'
        )

    def _repr_html_(self) -> str:
        return self._player()

    def _pictures(self) -> list[Any]:
        """Return the frames with the same few colours for all, which makes them small."""
        from PIL import Image

        chosen = np.unique(np.linspace(0, len(self.frames) - 1, 4).astype(int))
        sample = Image.fromarray(np.concatenate([self.frames[index] for index in chosen]))
        # The most frequent colours, and those of balls and dots, few pixels that must not turn brown.
        names = dict.fromkeys((WHITE, *CLASSES, *TRAILS))
        own = [part for name in names for part in bytes.fromhex(name[1:])]
        room = COLOURS - len(own) // 3
        frequent = sample.quantize(room).getpalette() or []
        palette = np.array(own + frequent[: 3 * room]).reshape(-1, 3)
        pictures = []
        for frame in self.frames:
            # Pillow's own search for the nearest colour is a rough one, which makes white grey. No dithering:
            # dots that move from frame to frame would flicker, and take room.
            codes, places = np.unique(frame @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
            colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
            gaps = (colours**2).sum(axis=1)[:, None] - 2 * colours @ palette.T + (palette**2).sum(axis=1)
            indices = gaps.argmin(axis=1).astype(np.uint8)[places].reshape(frame.shape[:2])
            picture = Image.fromarray(indices, mode="P")
            picture.putpalette(palette.astype(np.uint8).tobytes())
            pictures.append(picture)
        return pictures

    def _player(self) -> str:
        """Return a picture, a button and a slider, with what moves them; two on one page keep apart."""
        from PIL import Image

        pictures = self._pictures()
        first = np.asarray(pictures[0])
        sources = [_png(pictures[0])]
        for picture in pictures:
            # Only what differs from the first picture, which lies below: a fifth of the room for a ball.
            indices = np.asarray(picture)
            above = Image.fromarray(np.where(indices == first, COLOURS, indices).astype(np.uint8), mode="P")
            palette = picture.getpalette()
            above.putpalette([*palette, *[0] * (3 * COLOURS + 3 - len(palette))])
            sources.append(_png(above, transparency=COLOURS))
        height, width = self.frames[0].shape[:2]
        # A page may hold the same animation twice, so the name is drawn anew each time.
        name = f"nnlite-{os.urandom(6).hex()}"
        captions = [html.escape(text, quote=True) for text in self.captions]
        marks = "".join(
            f'<i data-png="{source}" data-text="{text}"></i>'
            for source, text in zip(sources[1:], captions, strict=True)
        )
        return _PLAYER.format(
            name=name, first=sources[0], text=captions[0], marks=marks, last=len(pictures) - 1,
            milliseconds=round(1000 * self.seconds), width=width, height=height,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        height, width = self.frames[0].shape[:2]
        whole = f"{len(self) * self.seconds:.3g}"
        return f"Animation({len(self)} frames of {width} x {height} pixels, {whole} s)"


def _png(picture: Any, **how: Any) -> str:
    """Return a picture as PNG in letters."""
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True, **how)
    return base64.b64encode(file.getvalue()).decode()


#: The first picture stands there as it is, so that it is seen where scripts are not run.
_PLAYER = """<div id="{name}" style="max-width:{width}px">
<div style="position:relative">
<img src="data:image/png;base64,{first}" alt="{text}" width="{width}" height="{height}" \
style="max-width:100%;height:auto;display:block;margin:0">
<img hidden alt="" width="{width}" height="{height}" \
style="max-width:100%;height:auto;position:absolute;left:0;top:0;margin:0">
</div>
<div style="display:flex;gap:.5em;align-items:center">
<button type="button" aria-label="Play" style="min-width:3em;min-height:2.2em">&#9654;</button>
<input type="range" min="0" max="{last}" value="0" aria-label="Frame" aria-valuetext="{text}" style="flex:1">
</div><span hidden>{marks}</span>
<script>
(function () {{
  var root = document.getElementById("{name}");
  var pictures = root.querySelectorAll("img"), button = root.querySelector("button");
  var slider = root.querySelector("input"), frames = root.querySelectorAll("i"), timer = null;
  function show(number) {{
    var frame = frames[number];
    slider.value = number;
    pictures[1].src = "data:image/png;base64," + frame.dataset.png;
    pictures[1].hidden = false;
    pictures[0].alt = frame.dataset.text;
    slider.setAttribute("aria-valuetext", frame.dataset.text);
  }}
  function stop() {{
    clearInterval(timer);
    timer = null;
    button.innerHTML = "&#9654;";
    button.setAttribute("aria-label", "Play");
  }}
  button.onclick = function () {{
    if (timer !== null) {{ stop(); return; }}
    if (+slider.value === frames.length - 1) {{ show(0); }}
    button.innerHTML = "&#9646;&#9646;";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(function () {{
      if (+slider.value === frames.length - 1) {{ stop(); }} else {{ show(+slider.value + 1); }}
    }}, {milliseconds});
  }};
  slider.oninput = function () {{ stop(); show(+slider.value); }};
}})();
</script></div>"""


@explained
def animate(
    model: Sequential,
    X: Any,
    y: Any,
    path: WeightPath | Mapping[str, WeightPath],
    *,
    loss: Loss | None = None,
    kind: str = "decision_boundary",
    frames: int = 30,
    seconds: float = 0.15,
    classes: Sequence[str] | None = None,
    span: float | tuple[tuple[float, float], tuple[float, float]] | None = None,
    weight: Any = None,
    resolution: int | None = None,
    rng: RNG = None,
    dpi: float = 72.0,
) -> Animation:
    """Make a moving picture of a training: what the net answered, or the ball on its loss, step by step.

    Beside the map a curve shows the loss on all data at each point of the path.

    Parameters
    ----------
    model : Sequential
        The net that was trained. It is left as it is.
    X, y : array-like
        The data, as `decision_boundary` or `loss_surface` takes them.
    path : WeightPath, or mapping of str to WeightPath
        The way that training went, kept by that callback. With several, such as
        ``{"rate 0.01": first, "rate 0.1": second}``, there is a map for each, or a ball for each on
        one surface; one that has come to its end waits there.
    loss : Loss, optional
        What the net was trained with. Without it the decision boundary is shown with the losses
        that were measured during training; a surface needs it.
    kind : {"decision_boundary", "loss_surface", "loss_surface_3d"}
        What moves: the regions of a net with two features; a ball on the map of the loss; or the
        same in perspective.
    frames : int
        How many pictures at most; from a longer path as many are chosen, evenly.
    seconds : float
        How long each stays.
    classes : sequence of str, optional
        Names of the classes.
    span, weight, rng
        As in `loss_surface`.
    resolution : int, optional
        Places along each side of a map: 100 for a decision boundary, 41 for a surface.
    dpi : float
        Pixels an inch; the size in inches is fixed, so that all text stays at 8 points and more.

    Returns
    -------
    Animation
        To be shown in a notebook, or written by ``.save("training.gif")`` or
        ``.save("training.html")``.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ShapeError, ArgumentError, ArgumentTypeError
        If the data do not fit the net, the path is that of another one, or `kind` is none of these.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("Agg")
    >>> import nnlite as nn
    >>> from nnlite.plot import WeightPath, animate
    >>> X, y = nn.datasets.moons(100, rng=0)
    >>> model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 2)], rng=0)
    >>> path = WeightPath()
    >>> history = model.fit(
    ...     X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.1), epochs=5, callbacks=[path]
    ... )
    >>> animate(model, X, y, path, loss=nn.SoftmaxCrossEntropy())
    Animation(6 frames of 576 x 273 pixels, 0.9 s)
    """
    where = "plot.animate"
    check_net(where, model)
    if kind not in KINDS:
        fix = "Write one of them."
        raise ArgumentError(f"{where}(kind=)", ", ".join(map(repr, KINDS)), f"{kind!r}", fix)
    most = check_integer(f"{where}(frames=)", frames, low=2)
    seconds = check_number(f"{where}(seconds=)", seconds, low=0.02)
    dpi = check_number(f"{where}(dpi=)", dpi, low=20, high=400)
    paths = check_paths(f"{where}(path)", path, size=model.params.size)
    if not paths:
        fix = "Write path = nnlite.plot.WeightPath(), and fit(..., callbacks=[path])."
        raise ArgumentTypeError(f"{where}(path)", "a WeightPath", "None", fix)
    pyplot(where)
    if kind == "decision_boundary":
        film: _Film = _Boundaries(
            where, model, X, y, paths, loss=loss, classes=classes, weight=weight,
            resolution=100 if resolution is None else resolution,
        )  # fmt: skip
    else:
        if classes is not None:
            fix = "Leave them out."
            raise ArgumentError(f"{where}(classes=)", f"None for kind={kind!r}", f"{classes!r}", fix)
        surface = measure(
            where, model, X, y, check_loss_given(where, loss), path=paths, span=span, weight=weight,
            resolution=41 if resolution is None else resolution, rng=rng,
        )  # fmt: skip
        film = _Balls(surface) if kind == "loss_surface" else _Balls3D(surface)
    length = max(len(one) for one in paths.values())
    chosen = np.unique(np.linspace(0, length - 1, min(most, length)).round().astype(int))
    return film.shoot(chosen.tolist(), dpi=dpi, seconds=seconds)


class _Film:
    """A figure that is drawn again and again: something on the left, and the curve of the loss.

    Parameters
    ----------
    trails : list of Trail
        What moves.
    panels : int
        How many Axes there are for it.
    perspective : bool
        Whether they show three dimensions.
    """

    def __init__(self, trails: list[Trail], *, panels: int, projection: str | None = None) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.trails = trails
        wide = 4.4 if panels == 1 else 2.9
        self.figure: Figure = Figure(figsize=(wide * panels + 3.6, 3.8), layout="constrained")
        self.canvas: Any = FigureCanvasAgg(self.figure)
        ratios = [wide] * panels + [3.4]
        grid = self.figure.add_gridspec(1, panels + 1, width_ratios=ratios)
        self.maps: list[Axes] = [
            self.figure.add_subplot(grid[0, index], projection=projection) for index in range(panels)
        ]
        self.curve: Axes = self.figure.add_subplot(grid[0, -1])
        self.dots = _draw_curves(self.curve, trails)

    def draw(self, point: int) -> None:
        """Move everything to one point of the paths."""
        raise NotImplementedError(f"{type(self).__name__}.draw is not written yet")

    def shoot(self, points: Sequence[int], *, dpi: float, seconds: float) -> Animation:
        """Draw all pictures."""
        self.figure.set_dpi(dpi)
        frames, captions = [], []
        for number, point in enumerate(points):
            for trail, dot in zip(self.trails, self.dots, strict=True):
                at = min(point, len(trail.numbers) - 1)
                dot.set_data([trail.numbers[at]], [trail.losses[at]])
            captions.append(self.caption(point))
            self.curve.set_title(self.clock(point), fontsize=SMALL + 2)
            self.draw(point)
            self.canvas.draw()
            if number == 0:
                # Laid out once: Axes that moved a little from picture to picture would tremble.
                self.figure.set_layout_engine("none")
            frames.append(np.asarray(self.canvas.buffer_rgba())[..., :3].copy())
        return Animation(frames, captions, seconds=seconds)

    def clock(self, point: int) -> str:
        """Say after how many epochs or steps it is."""
        longest = max(self.trails, key=lambda trail: len(trail.numbers))
        number = int(longest.numbers[point])
        return f"after {number} {longest.unit}{'' if number == 1 else 's'}"

    def caption(self, point: int) -> str:
        """Say in words what the picture shows."""
        parts = []
        for trail in self.trails:
            value = trail.losses[min(point, len(trail.losses) - 1)]
            name = f"{trail.name}: " if trail.name else ""
            parts.append(f"{name}loss {short(float(value), 3)}")
        return f"{self.clock(point)}, {', '.join(parts)}"


def _draw_curves(ax: Axes, trails: Sequence[Trail]) -> list[Any]:
    """Draw the loss along each path; return the dots that will move on it."""
    dots = []
    for index, trail in enumerate(trails):
        colour = TRAILS[index] if len(trails) > 1 or trail.name else BLACK
        ax.plot(trail.numbers, trail.losses, color=colour, lw=1.5, label=trail.name or "_loss")
        style: dict[str, Any] = {"color": TRAILS[index], "mec": "black", "ms": 8, "ls": "", "zorder": 4}
        dots.append(ax.plot([trail.numbers[0]], [trail.losses[0]], "o", label="_ball", **style)[0])
    losses = np.concatenate([trail.losses for trail in trails])
    losses = losses[np.isfinite(losses)]
    if losses.size and losses.min() > 0 and losses.max() > 20 * losses.min():
        # What flies away would leave the others no room.
        top = 30.0 * max(
            float(trail.losses[np.isfinite(trail.losses)][:1].max(initial=0.0)) for trail in trails
        )
        low = max(float(losses.min()), 1e-6 * top)
        ax.set_yscale("log")
        ax.set_ylim(low / 1.5, min(float(losses.max()), top) * 1.5)
        ax.minorticks_off()
    ax.set_xlabel(f"{trails[0].unit}s")
    ax.set_ylabel("loss on all data")
    open_frame(ax)
    if any(trail.name for trail in trails):
        ax.legend(fontsize=SMALL, loc="best", framealpha=0.9)
    return dots


class _Boundaries(_Film):
    """The decision boundary of the net at each point of the paths."""

    def __init__(
        self,
        where: str,
        model: Sequential,
        X: Any,
        y: Any,
        paths: Mapping[str, WeightPath],
        *,
        loss: Loss | None,
        classes: Sequence[str] | None,
        weight: Any,
        resolution: int,
    ) -> None:
        self.grid: Grid = make_grid(where, model, X, resolution=resolution)
        self.question: Question = settle(where, model, X, y, loss=loss, classes=classes)
        trails = []
        for name, path in paths.items():
            losses = path.losses
            if loss is not None:
                losses = losses_at(where, model, path._whole, X, y, loss, weight=weight)
            nowhere = np.zeros((len(path), 2))
            trails.append(Trail(name, nowhere, losses, path.numbers, path.unit.removesuffix("s")))
        super().__init__(trails, panels=len(paths))
        if loss is None:
            self.curve.set_ylabel("training loss")
        self.twin = copy_of(model)
        # What goes into the layers is the same in every picture.
        self.places = model.boundary.check_input(self.grid.rows, where=where)
        self.rows = model.boundary.check_input(X, where=where)
        # With the running statistics that they had.
        self.values = [path._whole for path in paths.values()]
        count = len(self.grid.points)
        shown = np.linspace(0, count - 1, min(count, DOTS)).astype(int)
        labels, values = (
            None if a is None else a[shown] for a in (self.question.labels, self.question.values)
        )
        self.dotted = self.question._replace(labels=labels, values=values)
        self.some = self.grid._replace(points=self.grid.points[shown])
        self.ends = self._ends()

    def _ends(self) -> tuple[float, float] | None:
        """Return the range of colours of a map of numbers, the same in all pictures."""
        if self.question.classes:
            return None
        found = [self.question.values] if self.question.values is not None else []
        for values in self.values:
            self.twin.params.numbers[...] = values[-1]
            found.append(self.twin._forward(self.places)[:, 0])
        return float(min(one.min() for one in found)), float(max(one.max() for one in found))

    def draw(self, point: int) -> None:
        """Ask the net of that time."""
        for ax, values, trail in zip(self.maps, self.values, self.trails, strict=True):
            self.twin.params.numbers[...] = values[min(point, len(values) - 1)]
            ax.clear()
            draw_answers(ax, self.grid, self.question, self.twin._predict(self.places, 512), ends=self.ends)
            draw_points(ax, self.some, self.dotted, size=14.0)
            title = trail.name
            if self.question.labels is not None:
                right = self.question.right(self.twin._predict(self.rows, 512))
                title += f"{': ' if title else ''}{right:.0%} right"
            ax.set_title(title, fontsize=SMALL + 2)
            if ax is not self.maps[0]:
                ax.set(ylabel="", yticks=[])
        if self.question.classes:
            name_classes(self.maps[0], self.question, inside=True)


class _Balls(_Film):
    """A ball for each path on the map of the loss."""

    def __init__(self, surface: Surface) -> None:
        super().__init__(surface.trails, panels=1)
        (ax,) = self.maps
        draw_surface(ax, surface, bar=True)
        ax.set(xlabel=short_label(surface.labels[0]), ylabel=short_label(surface.labels[1]))
        self.tails, self.balls = [], []
        for index, trail in enumerate(surface.trails):
            style: dict[str, Any] = {"color": TRAILS[index], "zorder": 3}
            # All of the way is thin, or that of a ball which jumps to and fro would cover the map.
            self.tails.append((ax.plot([], [], lw=0.8, **style)[0], ax.plot([], [], lw=2.2, **style)[0]))
            ax.plot(*trail.places[0], "o", ms=5, mfc="white", mec="black", zorder=3)
            self.balls.append(
                ax.plot([], [], "o", ms=11, mec="black", mew=1.0, color=TRAILS[index], zorder=4)[0]
            )

    def draw(self, point: int) -> None:
        """Roll."""
        for trail, tails, ball in zip(self.trails, self.tails, self.balls, strict=True):
            went = trail.places[: point + 1]
            for tail, length in zip(tails, (len(went), TAIL), strict=True):
                tail.set_data(*went[-length:].T)
            ball.set_data(*went[-1:].T)


class _Balls3D(_Film):
    """The same in perspective; the height of a ball is that of the surface below it."""

    def __init__(self, surface: Surface) -> None:
        super().__init__(surface.trails, panels=1, projection="3d")
        from matplotlib.colors import LightSource

        ax: Any = self.maps[0]
        low, high = heights(surface)
        high = self._seen(surface, high)
        self.logarithmic = low > 0 and high > 20.0 * low
        self.floor, self.high = low, high
        self.surface = surface
        heights_drawn = self.height(surface.losses)
        bottom, top = float(self.height(np.array(low))), float(self.height(np.array(high)))
        self.lift = LIFT * (top - bottom)
        ax.computed_zorder = False  # or balls vanish behind a hill that they are in front of
        across, along = np.meshgrid(surface.horizontal, surface.vertical)
        # Lit from the left, so that a slope is seen as one.
        part = (heights_drawn - bottom) / (top - bottom)
        light = LightSource(azdeg=200, altdeg=45)
        steepness = 0.5 * (len(part) - 1)
        lit = light.shade(
            part, cmap=ground(), vmin=0.0, vmax=1.0, blend_mode="soft", vert_exag=steepness, fraction=0.6
        )
        ax.plot_surface(across, along, heights_drawn, facecolors=lit, lw=0, rcount=80, ccount=80, zorder=1)
        ax.set_zlim(bottom, top)
        ax.view_init(elev=48, azim=-60)
        ax.set_box_aspect((1, 1, 0.6), zoom=1.0)
        names = [label.replace(" direction: ", ": ") for label in map(short_label, surface.labels)]
        ax.set(xlabel=names[0], ylabel=names[1])
        # Layouts do not know of the label of a third axis, so the title says it.
        ax.set_title(f"height: loss{', logarithmic' if self.logarithmic else ''}", fontsize=SMALL + 2)
        ax.tick_params(labelsize=SMALL, pad=0)
        ax.locator_params(nbins=4)
        ax.zaxis.set_tick_params(pad=3)
        if self.logarithmic:
            ticks = np.linspace(bottom, top, 4)
            ax.set_zticks(ticks, [short(float(10.0**tick)) for tick in ticks])
        self.tails, self.balls = [], []
        for index, _ in enumerate(surface.trails):
            self.tails.append(ax.plot([], [], [], color=TRAILS[index], lw=1.8, zorder=3)[0])
            self.balls.append(
                ax.plot([], [], [], "o", ms=10, mec="black", mew=1.0, color=TRAILS[index], zorder=4)[0]
            )
        self.lines = [self._line(trail) for trail in surface.trails]

    @staticmethod
    def _seen(surface: Surface, high: float) -> float:
        """Cut the hills at a little more than the paths climb, or the valley would be flat."""
        climbed = [trail.losses[np.isfinite(trail.losses)].max(initial=0.0) for trail in surface.trails]
        starts = [float(trail.losses[0]) for trail in surface.trails if np.isfinite(trail.losses[0])]
        return min(high, 3.0 * min(max(climbed), 4.0 * max(starts, default=high))) if climbed else high

    def height(self, losses: Array) -> Array:
        """Return how high a loss is drawn."""
        with np.errstate(invalid="ignore"):
            kept = np.clip(np.where(np.isfinite(losses), losses, self.high), self.floor, self.high)
        return np.log10(kept) if self.logarithmic else kept

    def _line(self, trail: Trail) -> Array:
        """Lay the path on the surface, by the heights of the four places around each of its points."""
        from scipy.interpolate import RegularGridInterpolator

        sides = (self.surface.vertical, self.surface.horizontal)
        drawn = RegularGridInterpolator(sides, self.height(self.surface.losses), bounds_error=False)
        height = drawn(trail.places[:, ::-1]) + self.lift  # NaN beside the surface
        return np.where(np.isnan(height)[:, None], np.nan, np.column_stack([trail.places, height]))

    def draw(self, point: int) -> None:
        """Roll."""
        for line, tail, ball in zip(self.lines, self.tails, self.balls, strict=True):
            went = line[: point + 1]
            tail.set_data_3d(*went.T)
            ball.set_data_3d(*went[-1:].T)
