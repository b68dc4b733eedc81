"""Drawings in characters: what lands where, and what odd numbers and narrow screens do."""

import io

import numpy as np
import pytest

from nnlite.cli.terminal import ASCII, UNICODE, Canvas, Screen, bar, image, loss_curves, side_by_side


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def written(screen):
    screen.stream.flush()
    return screen.stream.buffer.getvalue().decode(screen.encoding)


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [("utf-8", UNICODE), ("utf-16", UNICODE), ("ascii", ASCII), ("cp1252", ASCII), ("latin-1", ASCII)],
)
def test_glyphs_suit_the_encoding(encoding, glyphs):
    assert Screen(stream(encoding)).glyphs is glyphs


def test_glyphs_are_one_column_wide():
    for glyphs in (ASCII, UNICODE):
        assert len(glyphs.full) == len(glyphs.dot) == len(glyphs.ring) == 1
        assert glyphs.shades[0] == glyphs.areas[0] == " "
        assert len(set(glyphs.shades)) == len(glyphs.shades)
        assert len(set(glyphs.areas)) == len(glyphs.areas)
    assert "".join(ASCII).isascii()


def test_a_stream_without_an_encoding_takes_everything():
    out = io.StringIO()
    Screen(out).line("•")
    assert out.getvalue() == "•\n"


def test_what_the_stream_does_not_have_is_escaped():
    screen = Screen(stream("ascii"))
    screen.line("café •")
    assert written(screen) == "caf\\xe9 \\u2022\n"


def test_width_follows_the_terminal_within_limits(monkeypatch):
    for columns, width in (("50", 50), ("200", 80), ("5", 20)):
        monkeypatch.setenv("COLUMNS", columns)
        assert Screen(io.StringIO()).width == width


def test_paragraphs_break_between_words_and_lines_lose_their_blanks():
    screen = Screen(stream("utf-8"), width=20)
    screen.paragraph("a hyphen-ated word and averyverylongwordindeedyes")
    screen.heading("Heading")
    screen.line("end   ")
    assert written(screen).splitlines() == [
        "a hyphen-ated word",
        "and",
        "averyverylongwordindeedyes",
        "",
        "Heading",
        "end",
    ]


@pytest.mark.parametrize(("share", "expected"), [(0, "    "), (0.5, "##  "), (1, "####")])
def test_bar(share, expected):
    assert bar(share, 4, ASCII) == expected


def test_image_uses_all_shades_and_cuts_off_the_rest():
    levels = np.linspace(0, 1, len(ASCII.shades))[None]
    assert image(levels, ASCII) == ["".join(2 * shade for shade in ASCII.shades)]
    assert image([[-1.0, 2.0]], UNICODE) == ["  ██"]


def test_side_by_side_keeps_columns_and_starts_a_new_shelf_when_full():
    blocks = [["aaa", "a"], ["b"], ["cc"]]
    assert side_by_side(blocks, 13, gap=2) == ["aaa  b  cc", "a"]
    assert side_by_side(blocks, 9, gap=2) == ["aaa  b", "a", "", "cc"]
    assert side_by_side(blocks, 1, gap=2) == ["aaa", "a", "", "b", "", "cc"]


def test_canvas_puts_corners_in_corners():
    canvas = Canvas(3, 2, x=(-1, 1), y=(0, 10))
    canvas.put([-1, 1, -1, 1], [10, 10, 0, 0], np.array(list("abcd")))
    assert canvas.cells.tolist() == [["a", " ", "b"], ["c", " ", "d"]]


def test_canvas_leaves_out_what_is_outside_or_no_number():
    canvas = Canvas(3, 3, x=(0, 1), y=(0, 1))
    canvas.put([0.5, 2.0, -1.0, np.nan, np.inf, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5, 0.5, np.nan, -1.0], "*")
    assert (canvas.cells == "*").sum() == 1
    assert canvas.cells[1, 1] == "*"


def test_canvas_centres_are_where_put_puts_them():
    canvas = Canvas(7, 5, x=(-2, 3), y=(10, 20))
    marks = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHI"))
    centres = canvas.centres()
    canvas.put(centres[:, 0], centres[:, 1], marks)
    assert canvas.cells.ravel().tolist() == marks.tolist()


def test_canvas_without_extent():
    canvas = Canvas(3, 3, x=(4, 4), y=(7, 7))
    canvas.put([4], [7], "*")
    assert canvas.cells[1, 1] == "*"


def test_frame():
    lines = Canvas(10, 5, x=(0, 1), y=(0, 1)).framed(["top", "mid", "low"], ["left", "right"])
    assert lines == [
        "top |",
        "    |",
        "mid |",
        "    |",
        "low |",
        "    +----------",
        "     left right",
    ]


def marks_in(lines, mark):
    """Return (line, column) of every place with a mark, left to right."""
    return sorted((c, r) for r, line in enumerate(lines) for c, sign in enumerate(line) if sign == mark)


def test_loss_curves_fall_as_the_losses_do():
    lines = loss_curves([("*", [1.0, 0.1, 0.01, 0.001]), ("@", [10.0] * 4)], width=40, height=9)
    assert max(map(len, lines)) == 40
    assert [line.split("|")[0].strip() for line in lines if "|" in line][::4] == ["10", "0.1", "0.001"]
    rows = [row for _, row in marks_in(lines, "*")]
    assert rows == sorted(rows)
    assert rows[-1] == 8
    assert {row for _, row in marks_in(lines, "@")} == {0}
    columns = [column for column, _ in marks_in(lines, "@")]
    assert columns == list(range(columns[0], columns[0] + len(columns))), "no gaps"
    assert columns[-1] == 39


def test_the_later_curve_is_in_front():
    lines = loss_curves([("*", [1.0, 0.5]), ("o", [1.0, 0.5])], width=30)
    assert not marks_in(lines, "*")


@pytest.mark.nonfinite
@pytest.mark.parametrize(
    "losses",
    [
        [0.0, 0.0],
        [1.0, 1.0, 1.0],
        [np.nan, 1.0, 2.0],
        [np.nan, np.nan],
        [1.0, np.inf],
        [1e-300, 1e300],
        [1.0],
    ],
)
def test_odd_losses_do_not_stop_a_report(losses):
    lines = loss_curves([("*", losses)], width=40)
    assert len(lines) == 12
    assert max(map(len, lines)) <= 40
