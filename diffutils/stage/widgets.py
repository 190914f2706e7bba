"""Controls on a plain function that returns a Figure: move one, and Python draws it again.

    def look(level=250, seed=0):
        ...
        return show_sprites(x_t)

    look()                                         # what a reader without a kernel sees
    scrub(look, level=(0, 500), seed=[0, 1, 2])    # the same, with a slider and a menu

The picture travels as PNG bytes into one Image, which keeps its height; the Figure's text stands
beneath it and is read out as it changes. Before the controls the first picture is shown as a still,
with a sentence that names them: what stands there in a page without a kernel, exported or stored;
in JupyterLab the controls take its place as soon as they are there. Frames that are already
computed need no kernel: see `player`. Anything with more logic than this is better written with
ipywidgets itself.
"""

import asyncio
import html
import inspect
from numbers import Integral, Real

import ipywidgets
from IPython.display import display

from diffutils.expect import check_callable, check_kind
from diffutils.stage.look import SIGNAL, Figure

__all__ = ["Scrub", "scrub"]

PAUSE = 0.03  # seconds to wait for further moves before drawing
LOOK = (
    "<style>.scrub{--jp-widgets-font-size:16px;--jp-widgets-inline-height:34px;"
    "--jp-widgets-slider-handle-size:20px}"
    ".scrub img{object-fit:contain;object-position:left top}"
    ".jp-OutputArea-child:has(.scrub-still):has(+.jp-OutputArea-child .scrub){display:none}</style>"
)


def scrub(function, *, live=True, **controls):
    """A picture with controls: `function` is called with their values at every move.

    function   takes the controls as keyword arguments, returns a Figure
    live       draw while the slider is dragged; False waits until it is let go (slow functions)
    controls   each by the name of its argument:
                   (lowest, highest) or (lowest, highest, step)   a slider, of integers if all are
                   [a, b, c] or {"label": a, ...}                 a menu
                   True or False                                  a box to tick
               It starts at the argument's default, else at the first or lowest value.
    returns    a Scrub, an ipywidgets box
    """
    check_callable("scrub", "function", function)
    if not controls:
        raise ValueError("scrub: controls is empty; expected at least one, such as level=(0, 500)")
    defaults = inspect.signature(function).parameters
    made = {}
    for name, choices in controls.items():
        start = defaults[name].default if name in defaults else inspect.Parameter.empty
        made[name] = make_control(name, choices, start, live)
    return Scrub(function, made)


class Scrub(ipywidgets.VBox):
    """The box that `scrub` returns: controls, picture, text.

    controls   {name: ipywidgets control}; set a `.value` and the picture follows
    figure     the Figure on show
    drawn      how often the function was called
    """

    def __init__(self, function, controls):
        self.function, self.controls = function, controls
        self.values, self.figure, self.drawn, self.waiting = None, None, 0, False
        self.picture = ipywidgets.Image(format="png")
        self.words = ipywidgets.HTML(
            layout=ipywidgets.Layout(max_width="900px", height="4.6em", overflow="auto")
        )
        row = ipywidgets.HBox(
            list(controls.values()), layout=ipywidgets.Layout(flex_flow="row wrap")
        )
        super().__init__([row, self.picture, self.words])
        self.add_class("scrub")
        self.draw()
        if self.figure is not None:
            width, height = self.figure.size
            self.picture.layout = ipywidgets.Layout(
                width=f"{width}px", height=f"{height}px", max_width="100%"
            )
        for control in controls.values():
            control.observe(self.move, "value")

    def move(self, change=None):
        """Draw in a moment, so that of moves that come faster than the function only few count."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # plain Python, no kernel
            self.draw()
            return
        if not self.waiting:
            self.waiting = True
            loop.call_later(PAUSE, self.draw)

    def draw(self):
        """Call the function with the controls' values and show its Figure, or what went wrong."""
        self.waiting = False
        values = {name: control.value for name, control in self.controls.items()}
        if values == self.values:
            return
        self.values, self.drawn = values, self.drawn + 1
        try:
            figure = self.function(**values)
            check_kind("scrub", "what the function returns", figure, Figure)
        except Exception as error:  # in a callback nobody would see it
            look = "border-left:6px solid #C00000;padding-left:8px"  # readable on dark, too
            self.say(f"{type(error).__name__}: {error}", look)
            return
        self.figure = figure
        self.picture.value = figure.png
        self.say(figure.text)

    def say(self, text, look=""):
        """Show a text beneath the picture; a screen reader reads it out."""
        self.words.value = (
            f'{LOOK}<div role="status" aria-live="polite" '
            f'style="font-size:16px;line-height:1.4;{look}">{html.escape(text)}</div>'
        )

    def __repr__(self):
        told = ", ".join(describe(name, control) for name, control in self.controls.items())
        return f"Controls: {told}. They move the picture while this notebook is running."

    def _ipython_display_(self):
        """The still, as HTML that needs nothing; then the widget, as an output of its own.

        In one output the page of an export would choose the widget, which is blank there.
        """
        display({"text/plain": repr(self), "text/html": self.still()}, raw=True)
        view = self._repr_mimebundle_() | {"text/html": ""}  # where it is not known, nothing
        view.pop("text/plain", None)  # it has been said
        display(view, raw=True)

    def still(self):
        """The picture as it is now, or what went wrong, and the controls in words: HTML."""
        shown = self.words.value.removeprefix(LOOK)  # an error
        if self.figure is not None:
            shown = self.figure._repr_mimebundle_()["text/html"]
        return f'<div class="scrub-still">{shown}<br><em>{html.escape(repr(self))}</em></div>'


def make_control(name, choices, start, live):
    """The ipywidgets control for one argument of the function."""
    label = name.replace("_", " ")
    common = {"description": label, "style": {"description_width": "initial"}}
    if isinstance(choices, bool):
        value = start if isinstance(start, bool) else choices
        return ipywidgets.Checkbox(value=value, indent=False, **common)
    if isinstance(choices, list | dict):
        return make_menu(name, choices, start, common)
    numbers = isinstance(choices, tuple) and all(isinstance(part, Real) for part in choices)
    if not numbers or len(choices) not in (2, 3) or not choices[0] < choices[1]:
        raise ValueError(
            f"scrub: {name} is {choices!r}; expected (lowest, highest), (lowest, highest, step), "
            "a list, a dict, True or False"
        )
    lowest, highest = choices[:2]
    start = lowest if start is inspect.Parameter.empty else start
    if not lowest <= start <= highest:
        raise ValueError(f"scrub: {name} starts at {start!r}; expected {lowest}..{highest}")
    whole = all(isinstance(part, Integral) for part in (*choices, start))
    step = choices[2] if len(choices) == 3 else 1 if whole else (highest - lowest) / 100
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    common["style"]["handle_color"] = SIGNAL
    return kind(
        value=start, min=lowest, max=highest, step=step, continuous_update=live,
        layout=ipywidgets.Layout(width="440px"), **common,
    )  # fmt: skip


def make_menu(name, choices, start, common):
    """A menu of a list's or a dict's values."""
    options = list(choices.items()) if isinstance(choices, dict) else list(choices)
    values = list(choices.values()) if isinstance(choices, dict) else options
    if not options:
        raise ValueError(f"scrub: {name} is empty; expected at least one choice")
    if start is inspect.Parameter.empty:
        start = values[0]
    if not any(value is start or value == start for value in values):
        raise ValueError(f"scrub: {name} starts at {start!r}; expected one of {values!r}")
    return ipywidgets.Dropdown(
        options=options, value=start, layout=ipywidgets.Layout(width="260px"), **common
    )


def describe(name, control):
    """A control in words: "level 0 to 500"."""
    label = name.replace("_", " ")
    if isinstance(control, ipywidgets.Checkbox):
        return f"{label} yes or no"
    if isinstance(control, ipywidgets.Dropdown):
        return f"{label} " + ", ".join(map(str, control._options_labels))
    return f"{label} {control.min:g} to {control.max:g}"
