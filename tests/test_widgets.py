"""Controls: they start where the function does, draw at each move, and say what goes wrong.

What they do in a browser is tested in tests/browser.
"""

import asyncio
import copy
import subprocess
import sys
import time
from html.parser import HTMLParser

import ipywidgets
import nbformat
import pytest
import torch
from build_notebooks import normal_form
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook

from diffutils import IdealDenoiser, linear_schedule, perturb_input
from diffutils.stage import widgets
from diffutils.stage.figures import show_rows, show_sprites
from diffutils.stage.look import Figure
from diffutils.stage.widgets import scrub


def look(level=250, schedule="linear", noise=True):
    grey = torch.full((1, 3, 16, 16), level / 500)
    return show_sprites(grey, text=f"level {level}, {schedule}, noise {noise}")


def make():
    return scrub(look, level=(0, 500), schedule=["linear", "cosine"], noise=True)


def test_controls_start_at_the_functions_defaults():
    box = make()
    assert {name: c.value for name, c in box.controls.items()} == {
        "level": 250, "schedule": "linear", "noise": True,
    }  # fmt: skip
    assert box.figure.text == "level 250, linear, noise True"
    assert box.drawn == 1


def test_a_move_draws_the_picture_and_its_text():
    box = make()
    before = box.picture.value
    box.controls["level"].value = 400
    assert box.picture.value != before
    assert box.picture.value == look(400).png
    assert "level 400, linear, noise True" in box.words.value
    box.controls["schedule"].value = "cosine"
    assert "level 400, cosine" in box.words.value


def test_nothing_is_drawn_twice_for_the_same_values():
    box = make()
    box.draw()
    box.controls["level"].value = 250
    assert box.drawn == 1


def test_of_moves_that_come_quickly_only_the_last_is_drawn():
    box = make()

    async def drag():
        for level in range(100, 200):
            box.controls["level"].value = level
        await asyncio.sleep(0.2)
        assert "level 199" in box.words.value
        box.controls["level"].value = 7
        await asyncio.sleep(0.2)

    asyncio.run(drag())
    assert box.drawn == 3
    assert "level 7," in box.words.value


def test_nothing_changes_height_as_the_control_moves():
    box = make()
    sizes = (box.picture.layout.height, box.words.layout.height)
    box.controls["level"].value = 1
    assert (box.picture.layout.height, box.words.layout.height) == sizes
    assert box.picture.layout.height == f"{look().size[1]}px"


def test_kinds_of_control():
    box = scrub(
        lambda **values: look(), level=(0, 10), amount=(0.0, 1.0), share=(0, 1, 0.25),
        seed={"one": 1, "two": 2}, noise=False,
    )  # fmt: skip
    kinds = [type(control) for control in box.controls.values()]
    assert kinds == [
        ipywidgets.IntSlider, ipywidgets.FloatSlider, ipywidgets.FloatSlider,
        ipywidgets.Dropdown, ipywidgets.Checkbox,
    ]  # fmt: skip
    assert box.controls["share"].step == 0.25
    assert box.controls["seed"].value == 1


def test_slow_functions_draw_when_the_slider_is_let_go():
    assert not scrub(look, live=False, level=(0, 500)).controls["level"].continuous_update


def test_every_control_has_a_label():
    box = scrub(lambda noise_seed=3: look(), noise_seed=(0, 9))
    assert box.controls["noise_seed"].description == "noise seed"


def test_what_goes_wrong_is_said_and_the_last_picture_stays():
    def wrong(level=1):
        if level == 7:
            raise RuntimeError("level 7 is <cursed>")
        return look(level)

    box = scrub(wrong, level=(0, 9))
    before = box.picture.value
    box.controls["level"].value = 7
    assert "RuntimeError: level 7 is &lt;cursed&gt;" in box.words.value
    assert box.picture.value == before
    box.controls["level"].value = 8
    assert "RuntimeError" not in box.words.value


def test_a_function_that_returns_no_figure_is_told_so():
    box = scrub(lambda level=0: None, level=(0, 9))
    assert "returns is a NoneType; expected a Figure" in box.words.value


WORDS = (
    "Controls: level 0 to 500, schedule linear, cosine, noise yes or no. "
    "They move the picture while this notebook is running."
)
VIEW = "application/vnd.jupyter.widget-view+json"


def shown(box, monkeypatch):
    """What the box displays of itself, a list of bundles."""
    bundles = []
    monkeypatch.setattr(widgets, "display", lambda bundle, raw: bundles.append(bundle))
    box._ipython_display_()
    return bundles


def test_a_still_and_its_words_stand_before_the_controls(monkeypatch):
    (still, view), (again, _) = (shown(make(), monkeypatch) for _ in range(2))
    assert still == again and still["text/plain"] == WORDS
    assert f"<em>{WORDS}</em>" in still["text/html"]
    assert look()._repr_mimebundle_()["text/html"] in still["text/html"]
    assert set(view) == {VIEW, "text/html"} and view["text/html"] == ""


def test_the_still_is_the_picture_as_it_is_when_it_is_shown(monkeypatch):
    box = make()
    box.controls["level"].value = 400
    assert look(400)._repr_mimebundle_()["text/html"] in shown(box, monkeypatch)[0]["text/html"]


def test_where_there_is_no_picture_the_still_says_what_went_wrong(monkeypatch):
    box = scrub(lambda level=0: 1 / level, level=(0, 9))
    assert "ZeroDivisionError: division by zero" in shown(box, monkeypatch)[0]["text/html"]


class Text(HTMLParser):
    """The words, pictures and widget views of a page, outside its scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.words, self.pictures, self.muted = "", [], 0
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.muted += tag in ("script", "style")
        if tag == "img":
            self.pictures.append(dict(attributes))

    def handle_endtag(self, tag):
        self.muted -= tag in ("script", "style")

    def handle_data(self, data):
        self.words += "" if self.muted else data


@pytest.fixture(scope="module")
def executed():
    """A small notebook with a control, as nbclient leaves it."""
    sources = [
        "import torch\nfrom diffutils.stage.figures import show_sprites\n"
        "from diffutils.stage.widgets import scrub",
        "def look(level=5):\n"
        "    return show_sprites(torch.full((1, 3, 16, 16), level / 9), text=f'level {level}')",
        "scrub(look, level=(0, 9))",
    ]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


@pytest.mark.parametrize("state", ["kept", "not kept"])
def test_an_exported_page_has_a_still_and_a_sentence_where_the_slider_is(executed, state):
    notebook = copy.deepcopy(executed)
    if state == "not kept":
        del notebook.metadata["widgets"]
    page = Text(HTMLExporter().from_notebook_node(notebook)[0])
    assert "Controls: level 0 to 9. They move the picture" in page.words
    assert [(p["alt"], p["src"][:15]) for p in page.pictures] == [("level 5", "data:image/png;")]


def test_the_normal_form_keeps_the_still_alone(executed):
    form = nbformat.reads(normal_form(copy.deepcopy(executed)), as_version=4)
    still, nothing = form.cells[2].outputs
    assert set(still.data) == {"text/html", "text/plain"} and "<img" in still.data["text/html"]
    assert nothing.data == {"text/html": ""}


def test_nbval_finds_the_normal_form_as_it_was(executed, tmp_path):
    path = tmp_path / "small.ipynb"
    path.write_text(normal_form(copy.deepcopy(executed)), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", "-c"]
    (tmp_path / "empty.ini").write_text("[pytest]\n")
    done = subprocess.run([*command, tmp_path / "empty.ini", path], capture_output=True, text=True)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout


def test_a_move_takes_under_150_ms(generator):
    x0 = torch.rand(5000, 3, 16, 16, generator=generator) * 2 - 1
    schedule = linear_schedule()
    ideal = IdealDenoiser(x0, schedule=schedule)
    noise = torch.randn(1, 3, 16, 16, generator=generator)

    def think(level=250):
        x_t = perturb_input(x0[:1], level, noise, schedule=schedule)
        return show_rows([[x_t[0], ideal.guess_x0(x_t, level)[0], *x0[:4]]])

    box = scrub(think, level=(1, 500))
    times = []
    for level in range(10, 500, 50):
        start = time.perf_counter()
        box.controls["level"].value = level
        times.append(time.perf_counter() - start)
    assert box.drawn == 11
    assert min(times) < 0.15  # the fastest: what a busy machine does not disturb


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ({}, "controls is empty"),
        ({"level": 5}, "level is 5; expected"),
        ({"level": (5, 5)}, r"level is \(5, 5\); expected"),
        ({"level": (0, 100)}, "level starts at 250; expected 0..100"),
        ({"schedule": []}, "schedule is empty"),
        ({"schedule": ["cosine"]}, "schedule starts at 'linear'; expected one of"),
    ],
)
def test_bad_controls_are_named(controls, said):
    with pytest.raises(ValueError, match=said):
        scrub(look, **controls)


def test_the_function_must_be_callable():
    with pytest.raises(TypeError, match="scrub: function is a Figure"):
        scrub(Figure(b"", ""), level=(0, 1))
