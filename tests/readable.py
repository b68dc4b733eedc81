"""Whether a figure can be read: no text on another, none outside, none too small."""

import matplotlib as mpl
import matplotlib.axis
import matplotlib.text
import matplotlib.transforms


def visible_texts(figure):
    """Return the boxes of all texts of a figure."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes, beyond = [], set()
    for axis in figure.findobj(mpl.axis.Axis):
        low, high = sorted(axis.get_view_interval())
        # Ticks beyond the ends of an axis are there, and not drawn.
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        outside = [tick for tick in ticks if not low <= tick.get_loc() <= high]
        beyond |= {label for tick in outside for label in (tick.label1, tick.label2)}
    for text in set(figure.findobj(mpl.text.Text)) - beyond:
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent(renderer)
            if box.width and box.height and figure.bbox.overlaps(box):
                boxes.append((text, box))
    return boxes


def check_readable(figure):
    """Check that no two texts overlap, none leaves the figure, and none is small."""
    boxes = visible_texts(figure)
    for index, (text, box) in enumerate(boxes):
        assert text.get_fontsize() >= 8, text.get_text()
        assert box.x0 >= -1, text.get_text()
        assert box.x1 <= figure.bbox.x1 + 1, text.get_text()
        assert box.y1 <= figure.bbox.y1 + 1, text.get_text()
        for other, place in boxes[index + 1 :]:
            smaller = mpl.transforms.Bbox.intersection(box, place)
            assert smaller is None or smaller.width < 1 or smaller.height < 1, (
                text.get_text(), other.get_text(),
            )  # fmt: skip
