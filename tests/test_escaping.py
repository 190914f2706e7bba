"""Nothing that a user names can become part of a notebook's page."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from diffutils import linear_schedule
from diffutils.sprites import load_sprites
from diffutils.stage import checks
from diffutils.stage.figures import (
    plot_bars,
    plot_dots,
    plot_histogram,
    plot_lines,
    plot_schedules,
    show_maps,
    show_rows,
    show_sprites,
)
from diffutils.stage.player import play
from diffutils.stage.widgets import scrub

EVIL = "<script>alert('1')</script><!--<script>\"'&<img src=x onerror=alert(1)>"
IMAGE = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)
POINTS = ([1.0, 2.0], [2.0, 1.0])


class Page(HTMLParser):
    """The tags of a page, and what their attributes are called."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]


SHOWN = {
    "sprites": lambda text: show_sprites(IMAGE, [text], title=text),
    "twin": lambda text: show_sprites(IMAGE, text=text),
    "rows": lambda text: show_rows([IMAGE], [text], [text], captions=[[text]], title=text),
    "maps": lambda text: show_maps(IMAGE[..., 0], [text], title=text),
    "lines": lambda text: plot_lines({text: POINTS}, x_label=text, y_label=text, title=text,
                                     marks={text: 1.5}),
    "schedules": lambda text: plot_schedules({text: linear_schedule(3)}, title=text),
    "histogram": lambda text: plot_histogram({text: [1.0, 2.0]}, x_label=text, title=text),
    "bars": lambda text: plot_bars({text: {text: (1, 0.5)}}, x_label=text, title=text),
    "dots": lambda text: plot_dots({text: {text: (1, 0.5)}}, x_label=text, limits=(0, 2),
                                   title=text, marks={text: 1.5}),
    "player": lambda text: play({text: IMAGE[None], "b" + text: IMAGE[None]}, [text], title=text),
    "player's twin": lambda text: play(IMAGE[None], text=text),
    "controls": lambda text: scrub(lambda a: show_sprites(IMAGE, text=text), a=[text, "b"]),
}  # fmt: skip


def page_of(shown):
    """What a page shows of it: of a widget the still that stands in its place."""
    return shown.still() if hasattr(shown, "still") else shown._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_names_with_markup_leave_the_page_as_it_is(show):
    evil, good = (page_of(show(text)) for text in (EVIL, "good"))
    assert Page(evil).tags == Page(good).tags
    assert Page(evil).attributes == Page(good).attributes
    assert evil.count("<") == good.count("<")


def test_the_words_beneath_a_control_and_its_errors_are_escaped():
    def wrong(a):
        raise ValueError(EVIL)

    for function in (wrong, lambda a: show_sprites(IMAGE, text=EVIL)):
        words = scrub(function, a=[EVIL, "b"]).words.value
        assert "<script" not in words and "&lt;script&gt;" in words and "<img" not in words


def test_names_between_dollars_are_drawn_as_they_are():
    for text in ("$", r"$\frac{", r"cost $5 and $6", r"\$", "$x^2$", "$$"):
        assert text in plot_lines({text: POINTS}, x_label=text, y_label=text, title=text).text
    drawn = [plot_lines({"a": POINTS}, x_label=text, y_label="y").png for text in ("$x$", "x")]
    assert drawn[0] != drawn[1]


def test_class_folders_with_markup_reach_a_page_as_text(tmp_path):
    name = "<img src=x onerror=alert(1)>"
    (tmp_path / name).mkdir()
    Image.fromarray(IMAGE[0]).save(tmp_path / name / "a.png")
    found = load_sprites(tmp_path)
    assert found.class_names == (name,)
    page = show_sprites(found.images, found.class_names)._repr_mimebundle_()["text/html"]
    assert "&lt;img" in page and page.count("<") == 1


def test_results_of_checks_and_predictions_are_plain_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = [checks.predict("01-evil", EVIL, "a"), checks.reveal("01-evil", "a"), checks.ledger()]
    assert told == [None, None, None]  # they print

    def perturb(x, i, noise, *, schedule):
        raise ValueError(EVIL)

    result = checks.perturb_input(perturb)
    assert not result.passed and EVIL in result.message
    for way in ("_repr_html_", "_repr_mimebundle_", "_repr_markdown_", "_repr_javascript_"):
        assert not hasattr(result, way)
    assert result._ipython_display_() is None  # says nothing


def test_the_script_of_a_player_holds_no_tag():
    page = play(IMAGE[None], [EVIL], title=EVIL).html
    script = re.search("<script>(.*)</script>$", page, re.DOTALL).group(1)
    assert "<" not in script.split('("player-')[1]
