"""The look of the lessons: colours, letters, and a `Figure`, a picture with its text twin.

A colour means the same everywhere: SIGNAL blue, NOISE orange, IDEAL green, NETWORK purple. They
are Okabe and Ito's, told apart by colour-blind readers, but for the purple, which is darker.
"""

import base64
import html
import io
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
from PIL import Image

SIGNAL, NOISE, IDEAL, NETWORK = "#0072B2", "#D55E00", "#009E73", "#751C75"
AVERAGE, OTHER = "#E69F00", "#56B4E9"
INK, QUIET, FAINT = "#222222", "#767676", "#D9D9D9"
CYCLE = (OTHER, AVERAGE, QUIET, INK)  # for what has no colour of its own

WIDTH = 900  # pixels on the page: 9 inches at 100 dpi
SHARP = 2  # pixels of a picture for one on the page, so that a projector shows no stairs
STYLE = {
    "figure.figsize": (9, 4),
    "figure.dpi": 100,
    "savefig.dpi": 100 * SHARP,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.titlesize": 15,
    "axes.titlelocation": "left",
    "axes.labelsize": 13,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
    "grid.color": "#EBEBEB",
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.5,
    "image.interpolation": "nearest",
    "image.cmap": "gray",
}


def style():
    """Give every later matplotlib plot the look of the lessons; `lesson.setup` calls it once."""
    matplotlib.rcParams.update(STYLE)


def house_style():
    """A context in which plots look so, whatever else has been set."""
    return matplotlib.style.context(["default", STYLE])


class Figure:
    """A picture and its text twin: the same facts in words, from the same arrays.

    png    the bytes of a PNG file
    text   a sentence or two with the key numbers; alternative text, and what nbval compares
    size   (width, height) on the page, in pixels; the file has SHARP times as many each way
    """

    def __init__(self, png, text):
        self.png, self.text = png, text

    @property
    def size(self):
        width, height = Image.open(io.BytesIO(self.png)).size
        return width // SHARP, height // SHARP

    def save(self, path):
        """Write the PNG file."""
        Path(path).write_bytes(self.png)

    def __repr__(self):
        return self.text

    def _repr_mimebundle_(self, include=None, exclude=None):
        width, height = self.size
        return {
            "text/plain": self.text,
            "text/html": f'<img src="{data_uri(self.png)}" alt="{html.escape(self.text)}" '
            f'width="{width}" height="{height}" style="max-width:100%;height:auto">',
        }


def data_uri(png):
    """PNG bytes as the address of an <img>."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def as_png(picture, level=6):
    """A Pillow picture as PNG bytes; with 256 colours or fewer as a palette, which is smaller.

    level   of compression; 9 takes 7 times as long as 6, for 3 % less of a sprite, 10 % of a plot
    """
    if picture.mode == "RGB" and picture.getcolors(256):
        picture = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    held = io.BytesIO()
    picture.save(held, "PNG", compress_level=level)
    return held.getvalue()


def in_few_colours(picture, count=64):
    """An RGB picture in its most frequent colours, kept exactly; the others go to the nearest."""
    red, green, blue = np.asarray(picture, np.int32).reshape(-1, 3).T
    packed = red << 16 | green << 8 | blue
    drawn = np.append(True, packed[1:] != packed[0])  # most of a plot is paper, as its corner
    found, where, often = np.unique(packed[drawn], return_inverse=True, return_counts=True)
    often[where[0]] += packed.size - drawn.sum()
    split_up = np.stack([found >> 16, found >> 8 & 255, found & 255], 1)  # (colours, 3)
    kept = split_up[np.argsort(-often, kind="stable")[:count]]
    nearest = ((split_up[:, None] - kept) ** 2).sum(2).argmin(1).astype(np.uint8)
    chosen = np.full(packed.size, nearest[where[0]])
    chosen[drawn] = nearest[where]
    result = Image.fromarray(chosen.reshape(picture.height, picture.width), "P")
    result.putpalette(kept.astype(np.uint8).tobytes())
    return result
