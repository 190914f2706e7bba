"""Numbers and curves in words: what the text twins of pictures are made of."""

import math
import re

import numpy as np


def visible(text):
    """A text with a mark in place of what no font can draw: control characters, half characters."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text)


def split(text):
    """The lines of a text; none for None or an empty one."""
    text = "" if text is None else visible(str(text))
    return text.split("\n") if text else []


def one_line(text):
    """A text without its line breaks; "" for None."""
    return " ".join(split(text))


def sentences(*parts):
    """The parts that are there, each closed with a full stop, as one text."""
    told = [part.strip() for part in parts if part]
    return " ".join(part if part[-1] in ".?!" else part + "." for part in told)


def number(value, digits=2):
    """A number in `digits` significant digits, without an exponent where that reads well.

    >>> number(1234.5), number(0.012345), number(250)
    ('1200', '0.012', '250')
    """
    value = float(value)
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if not -6 < places < 9:
        return f"{value:.{digits - 1}e}"
    return f"{round(value, places):.{max(places, 0)}f}"


def amount(value, error, digits):
    """A number, with its error where there is one: "14.1 ± 0.2"."""
    if not error:
        return number(value, digits)
    places = -math.floor(math.log10(abs(error)))
    if not -6 < places < 9:
        return f"{number(value, digits)} ± {number(error, 1)}"
    return f"{round(value, places):.{max(places, 0)}f} ± {number(error, 1)}"


def describe_curve(name, x, y, x_label):
    """Where a curve starts, ends, and is lowest and highest, in words."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    told = f"{name}: from {number(y[0])} at {x_label} {number(x[0])} "
    told += f"to {number(y[-1])} at {x_label} {number(x[-1])}"
    for word, k in (("lowest", int(np.nanargmin(y))), ("highest", int(np.nanargmax(y)))):
        if k not in (0, len(y) - 1):
            told += f", {word} {number(y[k])} at {number(x[k])}"
    return told
