"""What an estimator makes of the outputs of its net, as lines of NumPy and of C."""

from __future__ import annotations

from typing import Any

from nnlite.core.aliases import AnyArray
from nnlite.errors import ArgumentError
from nnlite.exchange.description import loop
from nnlite.exchange.source.text import wrap
from nnlite.exchange.whole import Ending

__all__ = ["c_body", "c_labels", "c_text", "numpy_body", "numpy_labels"]


def c_body(ending: Ending, source: Any) -> list[str]:
    """Write the lines that make of the raw outputs, in ``source.x``, the results in ``y``.

    Parameters
    ----------
    ending : Ending
        What is to be made.
    source : CSource
        The source.

    Returns
    -------
    list of str
    """
    outputs, a = source.macro("OUTPUTS"), source.x
    exp, one = source.call("exp"), source.number(1.0)
    divided = "" if ending.temperature == 1 else f" / {source.number(ending.temperature)}"
    if ending.both:
        raw = f"const {source.real} z = {a}[0]{divided};"
        if ending.activation == "identity":
            return [raw, "y[0] = -z;", "y[1] = z;"]
        return [raw, f"y[0] = {one} / ({one} + {exp}(z));", f"y[1] = {one} / ({one} + {exp}(-z));"]
    if ending.activation == "softmax":
        return [
            f"{source.real} top = {a}[0], sum = 0;  /* with the largest exponent 0 nothing overflows */",
            *loop("i", outputs, f"top = {source.call('fmax')}(top, {a}[i]);", start=1),
            *loop("i", outputs, f"y[i] = {exp}(({a}[i] - top){divided});", "sum += y[i];"),
            *loop("i", outputs, "y[i] /= sum;"),
        ]
    value = f"{a}[i]{divided}"
    if ending.activation == "logistic":
        value = f"{one} / ({one} + {exp}(-{value}))"
    elif ending.activation == "exp":
        value = f"{exp}({value})"
    if ending.mean is not None:
        scale = source.constant("target_scale", ending.scale)
        mean = source.constant("target_mean", ending.mean)
        value = f"{value} * {scale}[i] + {mean}[i]"
    return loop("i", outputs, f"y[i] = {value};")


def c_labels(ending: Ending, source: Any) -> list[str]:
    """Write the table of the labels of a classifier, and the function that chooses one.

    Parameters
    ----------
    ending : Ending
        What is to be made.
    source : CSource
        The source.

    Returns
    -------
    list of str
        Nothing, unless each row has one label.
    """
    if ending.classes is None or ending.several:
        return []
    kind, written = _c_table(ending.classes, source.where)
    return [
        "",
        f"static const {kind} {source.prefix}_labels[{source.macro('OUTPUTS')}] = {{",
        *wrap(written, "    "),
        "};",
        "",
        f"static inline long {source.prefix}_classify(const {source.real} *x, {source.real} *y)",
        "{",
        "    long best = 0;",
        f"    {source.prefix}_predict(x, y);",
        *(
            f"    {line}"
            for line in loop(
                "i", source.macro("OUTPUTS"), "if (isnan(y[i])) return -1;", "if (y[i] > y[best]) best = i;"
            )
        ),
        "    return best;",
        "}",
    ]


def _c_table(classes: AnyArray, where: str) -> tuple[str, list[str]]:
    """Return the type of labels in C, and each of them."""
    kind = classes.dtype.kind
    if kind == "f":
        return "double", list(map(repr, classes.tolist()))
    if kind in "iub":
        numbers = [
            # There is no literal for the lowest: it would be the negative of one that is too large.
            "(-9223372036854775807LL - 1)" if label == -(2**63) else f"{label}{'U' if kind == 'u' else ''}LL"
            for label in map(int, classes)
        ]
        return ("unsigned long long" if kind == "u" else "long long"), numbers
    return "char *const", [_c_string(str(label), where) for label in classes]


def _c_string(text: str, where: str) -> str:
    """Write a text as a literal of C, in UTF-8."""
    try:
        content = text.encode()
    except UnicodeEncodeError:
        fix = "Rename it, and fit again."
        raise ArgumentError(f"{where}: labels", "text that UTF-8 can hold", ascii(text), fix) from None
    # A question mark could begin a trigraph.
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in content) + '"'


def c_text(ending: Ending | None, prefix: str) -> list[str]:
    """Say what stands in ``y``.

    Parameters
    ----------
    ending : Ending or None
        What is made.
    prefix : str
        What all names begin with.

    Returns
    -------
    list of str
        For the comment at the top of the header.
    """
    if ending is None or ending.classes is None:
        return []
    what = "score" if ending.activation == "identity" else "probability"
    if ending.several:
        return ["", f"y[i] is the {what} of label i, which is there if that is above {ending.threshold:g}."]
    return [
        "",
        f"y[i] is the {what} of {prefix}_labels[i]. {prefix}_classify computes y as {prefix}_predict does,",
        "and returns the i of the largest, or -1 where there is no answer.",
    ]


def numpy_body(ending: Ending, source: Any) -> list[str]:
    """Write the lines that make of the raw outputs ``x`` the results.

    Parameters
    ----------
    ending : Ending
        What is to be made.
    source : NumpySource
        The source.

    Returns
    -------
    list of str
    """
    lines = ["", "# what the outputs of the net mean"]
    if ending.temperature != 1:
        lines.append(f"x = x / {ending.temperature!r}  # the temperature")
    if ending.both:
        lines.append("x = np.concatenate([-x, x], axis=1)")
    if ending.activation == "softmax":
        lines += [
            "x = np.exp(x - x.max(axis=1, keepdims=True))",
            "x = x / x.sum(axis=1, keepdims=True)",
        ]
    elif ending.activation == "logistic":
        lines.append(f"x = {source.helper('sigmoid')}(x)")
    elif ending.activation == "exp":
        lines.append("x = np.exp(x)")
    if ending.classes is None:
        lines.append(f"x = x[:, :{ending.outputs}]")
        if ending.mean is not None and ending.scale is not None:
            lines.append(f"x = x * np.array({ending.scale.tolist()}) + {ending.mean.tolist()}")
        if ending.outputs == 1:
            lines.append("x = x[:, 0]")
    return lines


def numpy_labels(ending: Ending) -> list[str]:
    """Write the function that gives labels, of what `numpy_body` gives.

    Parameters
    ----------
    ending : Ending
        What is to be made, of a classifier.

    Returns
    -------
    list of str
        Blocks of source.
    """
    if ending.classes is None:
        return []
    chances = "scores" if ending.activation == "identity" else "predict_proba"
    if ending.several:
        says, found = (
            "Tell of each label whether it is there",
            f"({chances}(x) > {ending.threshold}).astype(int)",
        )
    else:
        says, found = "Name the likeliest label of each row", f"LABELS[{chances}(x).argmax(axis=1)]"
    function = f'def predict(x):\n    """{says}; x is what {chances} takes."""\n    return {found}'
    if ending.several:
        return [function]
    kind = ", dtype=object" if ending.classes.dtype.kind == "O" else ""
    table = "\n".join(["LABELS = np.array([", *wrap(map(repr, ending.classes.tolist()), "    "), f"]{kind})"])
    return [table, function]
