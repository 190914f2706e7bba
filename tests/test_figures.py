"""Figures: crisp pictures, true text twins, the same bytes each time."""

import gc
import io
import subprocess
import sys
import weakref

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from PIL import Image

from diffutils import cosine_schedule, linear_schedule
from diffutils.pixels import to_float
from diffutils.stage.axes import colour_values, count_in_tens, darker, spread_apart
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
from diffutils.stage.look import CYCLE, IDEAL, NETWORK, NOISE, SHARP, SIGNAL, STYLE, Figure, style
from diffutils.stage.sheet import wrap
from diffutils.stage.words import amount, number


def pixels(figure):
    return np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB"))


def enlarged(image, scale):
    """Each pixel a square of this many pixels of the page."""
    return image.repeat(SHARP * scale, 0).repeat(SHARP * scale, 1)


def sprites(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)


def contains(picture, patch):
    """Whether a patch lies somewhere in a picture, exactly."""
    high, wide = patch.shape[:2]
    corners = np.argwhere((picture == patch[0, 0]).all(-1))
    return any(
        picture[y : y + high, x : x + wide].shape == patch.shape
        and (picture[y : y + high, x : x + wide] == patch).all()
        for y, x in corners
    )


# Pictures of sprites


def test_sprites_are_crisp_at_an_integer_scale():
    image = sprites(1)
    assert contains(pixels(show_sprites(image, scale=5)), enlarged(image[0], 5))


def test_floats_and_bytes_give_the_same_picture():
    images = sprites(3)
    assert show_sprites(images).png == show_sprites(to_float(images)).png


@pytest.mark.parametrize("count", [1, 5, 8, 9, 32, 33, 100])
def test_any_number_of_sprites_fits_the_page(count):
    width, height = show_sprites(sprites(count), title="Sprites").size
    assert width <= 1000 and height <= 1200


def test_the_twin_of_sprites_names_them():
    figure = show_sprites(sprites(2), labels=["hero", "food"], title="Two sprites")
    assert figure.text == "Two sprites. 2 pictures of 16x16 pixels: hero, food."


def test_the_twin_can_be_given():
    assert show_sprites(sprites(1), text="Bob.").text == "Bob."


def test_rows_show_every_cell_and_leave_gaps_white():
    a, b = sprites(2)
    figure = show_rows([[a, None, b]], ["both"], ["first", "", "second"], scale=4)
    picture = pixels(figure)
    for image in (a, b):
        assert contains(picture, enlarged(image, 4))
    assert figure.text == "both: first, second."


def test_the_twin_of_rows_reads_captions_with_their_columns():
    figure = show_rows(
        [sprites(2), sprites(2, 1)], ["level 60", "level 250"], ["noisy", "likely"],
        captions=[None, ["", "62 %"]], title="Thoughts",
    )  # fmt: skip
    assert figure.text == "Thoughts. level 60: noisy, likely. level 250: noisy, likely 62 %."


def test_the_twin_of_a_single_row_does_not_count_it():
    assert show_rows([sprites(2)], None, ["noisy", "guess"]).text == "noisy, guess."


def test_pictures_of_other_sizes_share_one_box():
    figure = show_rows([[sprites(1)[0], np.zeros((4, 4, 3), np.uint8)]], scale=3)
    assert contains(pixels(figure), np.zeros((48, 48, 3), np.uint8))


def test_a_long_row_label_does_not_run_into_the_pictures():
    short = show_rows([sprites(1)], ["a"], scale=4).size[0]
    long = show_rows([sprites(1)], ["many words " * 8], scale=4).size[0]
    assert short < long < short + 300


def test_maps_are_white_at_zero_and_share_one_scale():
    maps = np.zeros((2, 4, 4))
    maps[0, 0, 0], maps[1, 0, 0] = 2.0, -1.0
    picture = pixels(show_maps(maps, scale=4))
    full = np.array([int(NETWORK[k : k + 2], 16) for k in (1, 3, 5)], np.uint8)
    assert contains(picture, np.broadcast_to(full, (4, 4, 3)))
    assert contains(picture, np.full((4, 4, 3), round(255 - (255 - 0x33) / 2), np.uint8))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: show_sprites(np.zeros((2, 16, 16, 3))), "show_sprites: images has shape"),
        (lambda: show_sprites(sprites(2), labels=["one"]), "labels has 1; expected 2"),
        (lambda: show_sprites(sprites(2)[:0]), "images holds no images"),
        (lambda: show_rows([sprites(1)], ["a", "b"]), "row_labels has 2; expected 1"),
        (lambda: show_maps(torch.zeros(1, 2, 3, 4)), r"maps has shape \(1, 2, 3, 4\)"),
        (lambda: plot_schedules({}), "schedules holds 0; expected 1..3"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# Plots


def test_the_twin_of_a_curve_tells_ends_and_extremes():
    twin = plot_lines({"loss": ([1, 2, 3], [4.0, 0.123, 1.0])}, x_label="step", y_label="loss").text
    assert twin == "loss by step. loss: from 4 at step 1 to 1 at step 3, lowest 0.12 at 2."


def test_the_colour_of_a_curve_is_the_one_given():
    x = np.arange(50)
    figure = plot_lines({"a": (x, x)}, x_label="x", y_label="y", colours={"a": IDEAL})
    wanted = [int(IDEAL[k : k + 2], 16) for k in (1, 3, 5)]
    assert (np.abs(pixels(figure).astype(int) - wanted).max(-1) <= 3).sum() > 300


def test_a_plot_keeps_its_colours_exactly_and_stays_small():
    x = np.linspace(0, 9, 300)
    curves = {name: (x, np.sin(x + k)) for k, name in enumerate("abc")}
    colours = dict(zip("abc", (SIGNAL, NOISE, IDEAL), strict=True))
    figure = plot_lines(curves, x_label="x", y_label="y", colours=colours)
    picture = pixels(figure)
    for colour in (*colours.values(), "#FFFFFF"):
        wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert (picture == wanted).all(-1).sum() > 300
    assert len(figure.png) < 40_000


def drawn_in(figure, colour):
    """bool (height, width): the pixels that have this colour."""
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return (np.abs(pixels(figure).astype(int) - wanted) <= 2).all(-1)


def rows_of(figure, colour):
    """(columns, mean row in each) of the pixels that have this colour."""
    rows, columns = np.nonzero(drawn_in(figure, colour))
    found = np.unique(columns)
    return found, np.array([rows[columns == x].mean() for x in found])


def plain_curve(x, y, **options):
    """A green curve without a name."""
    return plot_lines({"": (x, y)}, x_label="x", y_label="y", colours={"": IDEAL}, **options)


def bend(figure):
    """How far, in pixels, the middle of a curve lies from the line through its ends."""
    x, y = rows_of(figure, IDEAL)
    return abs(y[len(x) // 2] - np.interp(x[len(x) // 2], x[[5, -5]], y[[5, -5]]))


def test_pictures_are_twice_as_fine_as_the_page():
    for figure in (plain_curve([0, 1], [0, 1]), show_sprites(sprites(3), scale=3)):
        height, width = pixels(figure).shape[:2]
        assert figure.size == (width // 2, height // 2)
        assert f'width="{width // 2}"' in figure._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(("high", "wanted"), [
    (1000, ["0.1", "1", "10", "100", "1000"]),
    (4, ["0.1", "0.2", "0.5", "1", "2", "5"]),
])
def test_a_logarithmic_axis_has_plain_numbers(high, wanted):
    axes = Canvas().subplots()
    axes.set(yscale="log", ylim=(0.1, high))
    count_in_tens(axes.yaxis)
    told = [label.get_text() for label in axes.yaxis.get_ticklabels(which="both")]
    assert [text for text in told if text in wanted] == wanted
    assert not any("10^" in text for text in told)


def test_a_power_law_is_a_straight_line_on_logarithmic_axes_alone():
    x = np.linspace(1, 100, 200)
    assert bend(plain_curve(x, x**2, x_log=True, y_log=True)) < 2
    assert bend(plain_curve(x, np.exp(x), y_log=True)) < 2
    assert bend(plain_curve(x, x**2)) > 20


def test_the_limits_of_an_axis_are_those_given():
    """1 of 2, of 4 and of 8, each with a number at its top: at 1/2, 1/4 and 1/8 of the height."""
    high, middle, low = (
        np.median(rows_of(plain_curve([0, 1], [1, 1], y_limits=(0, top)), IDEAL)[1])
        for top in (2, 4, 8)
    )
    assert (low - middle) / (middle - high) == pytest.approx(0.125 / 0.25, rel=0.05)


def test_a_band_is_shaded_round_its_curve():
    x = np.arange(50.0)
    pale = "#" + "".join(
        f"{round(255 - 0.2 * (255 - int(IDEAL[k : k + 2], 16))):02x}" for k in (1, 3, 5)
    )
    figure = plain_curve(x, x, bands={"": (x - 10, x + 10)}, y_limits=(-1, 51))
    columns, middle = rows_of(figure, pale)
    away = np.abs(middle - np.interp(columns, *rows_of(figure, IDEAL)))
    assert len(columns) > 300 and np.median(away[len(columns) // 4 : 3 * len(columns) // 4]) < 1
    edges = drawn_in(plain_curve(x, x, y_limits=(-1, 51)), pale)  # of the curve itself
    assert edges.sum() < 0.05 * drawn_in(figure, pale).sum()


def grey_columns(figure):
    """How many pixels of each column are about the grey of marks."""
    return (np.abs(pixels(figure).astype(int) - 0x76).max(-1) < 40).sum(0)


@pytest.mark.parametrize(("at", "place"), [(25, 0.5), (10, 0.2)])
def test_a_mark_stands_at_its_place(at, place):
    bare, marked = (
        plain_curve([0, 50], [3, 3], y_limits=(0, 4), marks=marks) for marks in ({}, {"here": at})
    )
    more = grey_columns(marked) - grey_columns(bare)
    curve, _ = rows_of(marked, IDEAL)
    assert more.max() > 60
    assert (more.argmax() - curve[0]) / (curve[-1] - curve[0]) == pytest.approx(place, abs=0.03)


def test_marks_of_schedules_stand_on_both_panels():
    bare, marked = (
        plot_schedules({"linear": linear_schedule()}, marks=marks) for marks in (None, {"Bob": 250})
    )
    found = np.flatnonzero(grey_columns(marked) - grey_columns(bare) > 60)
    assert len(np.flatnonzero(np.diff(found) > 100)) == 1


def test_names_of_curves_that_end_together_stay_apart():
    places = spread_apart([10.0, 11.0, 12.0, 200.0], 20)
    assert np.diff(places).min() >= 20
    assert places[1] == pytest.approx(11) and places[3] == 200


def names_at(curves, **more):
    """{name: (x, y)} of where plot_lines writes the names, in fractions of the axes."""
    seen, annotate = {}, Axes.annotate

    def note(axes, text, xy, **how):
        seen[text] = xy
        return annotate(axes, text, xy, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Axes, "annotate", note)
        plot_lines(curves, x_label="level", y_label="std", **more)
    return seen


def test_a_curve_whose_end_meets_others_is_named_where_it_runs_by_itself():
    x = list(range(101))
    curves = {"low": (x, [(k / 100) ** 6 for k in x]), "high": (x, [(k / 100) ** 0.5 for k in x]),
              "beside": (x, [(k / 100) ** 0.47 for k in x])}  # fmt: skip
    places = names_at(curves)
    assert places["high"][0] > 1 and places["beside"][0] > 1 and 0.15 < places["low"][0] < 0.85
    k = round(100 * places["low"][0])
    assert 0 < places["low"][1] - curves["low"][1][k] < 0.3
    curves["low"] = x, [0.8 * y for y in curves["low"][1]]
    assert names_at(curves)["low"][0] > 1  # its end is its own


def test_a_curve_drawn_from_right_to_left_is_named_at_its_right_end_too():
    x = list(range(11))
    curves = {"up": (x, [10 * k for k in x]), "flat": (x, [40 for _ in x])}
    back = {name: (x[::-1], y[::-1]) for name, (_, y) in curves.items()}
    assert names_at(curves) == names_at(back) and names_at(back)["up"][1] > 0.9


def test_no_name_leaves_the_axes_where_its_curve_does():
    x = list(range(11))
    curves = {"left": (x, [min(100, 20 * k + 50) for k in x]),
              "middle": (x, [min(100, 20 * k) for k in x]),
              "right": (x, [min(100, 19 * k - 70) for k in x])}  # fmt: skip
    for lowest in (20, 40, 60, 80):
        for place in names_at(curves, y_limits=(lowest, 125)).values():
            assert 0.02 < place[1] < 0.98


def test_the_twin_of_schedules_says_where_noise_takes_over():
    twin = plot_schedules({"linear": linear_schedule(), "cosine": cosine_schedule()}).text
    assert "linear: signal from 1 at level 0 to 0.080 at level 500" in twin
    assert "noise is more than signal from level 185" in twin


def test_the_twin_of_a_histogram_counts_against_the_normal_curve(generator):
    twin = plot_histogram({"noise": torch.randn(100_000, generator=generator)}).text
    assert "100000 numbers, mean 0.00, std 1.00, 68 % within 1 of zero and 95 % within 2" in twin


def test_the_twin_of_bars_rounds_as_the_error_does():
    twin = plot_bars({"with": (14.123, 0.2), "without": 3.0}, x_label="distance").text
    assert twin == "distance: with 14.1 ± 0.2, without 3."


def test_bars_stand_in_panels():
    bars = {"distance": {"with": (4, 1), "without": 2}, "variety": {"with": 1, "without": 0.5}}
    assert plot_bars(bars).text == "distance: with 4 ± 1, without 2. variety: with 1, without 0.50."


def dots(**rows):
    return plot_dots(rows, x_label="percent", limits=(80, 110), colours={"with": IDEAL})


def test_dots_are_told_row_by_row_and_keep_their_colours():
    row = {"with": (98.4, 1.23), "without": (90.0, 1.0)}
    figure = dots(variety=row, colour={"with": (95.0, 2.0), "without": (88.0, 2.0)})
    assert figure.text == (
        "percent. variety: with 98 ± 1.2, without 90 ± 1.0. colour: with 95 ± 2.0, without 88 ± 2.0"
        "."
    )
    full = np.array([int(IDEAL[k : k + 2], 16) for k in (1, 3, 5)], np.uint8)
    assert contains(pixels(figure), np.broadcast_to(full, (6, 6, 3)))


def test_rows_of_dots_with_other_names_are_refused():
    with pytest.raises(ValueError, match="dots holds rows without names, or with different ones"):
        dots(variety={"with": (98, 1)}, colour={"without": (88, 1)})
    with pytest.raises(ValueError, match="dots holds rows without names"):
        dots()
    with pytest.raises(ValueError, match=r"plot_dots: limits is \(3, 1\)"):
        plot_dots({"r": {"a": (2, 1)}}, x_label="x", limits=(3, 1))


@pytest.mark.parametrize(
    ("value", "said"),
    [(1234.5, "1200"), (0.012345, "0.012"), (250, "250"), (0, "0"), (-0.5, "-0.50"),
     (1e-9, "1.0e-09"), (float("inf"), "inf")],
)  # fmt: skip
def test_numbers_are_told_in_two_digits(value, said):
    assert number(value) == said


def test_an_amount_without_error_stands_alone():
    assert amount(4.123, 0, 2) == "4.1"


# The look


def test_the_same_arrays_give_the_same_bytes():
    def draw():
        x = np.linspace(0, 1, 40)
        return [
            show_rows([sprites(3)], ["a"], captions=[["x", "y", "z"]]).png,
            plot_lines({"a": (x, x**2)}, x_label="x", y_label="y").png,
            plot_bars({"a": (1, 0.1)}).png,
        ]

    assert draw() == draw()


def test_a_plot_looks_the_same_whatever_the_student_has_set():
    def draw():
        return plot_lines({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y").png

    before = draw()
    with matplotlib.rc_context({"font.size": 4, "axes.facecolor": "black"}):
        assert draw() == before


def test_style_gives_a_students_plot_the_look_of_the_lessons():
    with matplotlib.rc_context():
        style()
        assert matplotlib.rcParams["font.size"] >= 12
        assert matplotlib.rcParams["image.interpolation"] == "nearest"
        assert matplotlib.rcParams["figure.dpi"] == 100


def test_every_letter_is_at_least_12_points():
    sizes = [value for key, value in STYLE.items() if key.endswith("size") and "fig" not in key]
    assert min(sizes) >= 12


def test_colours_differ_for_the_colour_blind():
    """Simulated red-green blindness (Vienot, Brettel, Mollon 1999), linear RGB, no two close."""
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    named = [SIGNAL, NOISE, IDEAL, NETWORK]
    rgb = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in named]) / 255
    for matrix in (protan, deutan):
        seen = np.clip(rgb**2.2 @ matrix.T, 0, 1) ** (1 / 2.2)
        apart = np.abs(seen[:, None] - seen[None]).max(-1)[np.triu_indices(4, 1)]
        assert apart.min() > 0.2


def test_names_in_any_colour_can_be_read_on_white():
    for colour in (SIGNAL, NOISE, IDEAL, NETWORK, *CYCLE):
        levels = np.array([int(darker(colour)[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) > 4


def test_text_wraps_at_words():
    assert wrap("one two three", 60) == ["one", "two", "three"]
    assert wrap("one\ntwo", 500) == ["one", "two"]
    assert wrap(None, 100) == []


# How a Figure shows itself


def test_a_figure_is_a_picture_with_its_twin_as_alternative_text():
    bundle = Figure(show_sprites(sprites(1)).png, 'Bob & "friends".')._repr_mimebundle_()
    assert bundle["text/plain"] == 'Bob & "friends".'
    assert 'alt="Bob &amp; &quot;friends&quot;."' in bundle["text/html"]
    assert 'src="data:image/png;base64,' in bundle["text/html"]
    assert set(bundle) == {"text/plain", "text/html"}


def test_a_figure_saves_its_png(tmp_path):
    show_sprites(sprites(1)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_importing_diffutils_loads_no_plotting():
    found = "import sys, diffutils; print([m for m in ('matplotlib', 'ipywidgets', 'PIL') "
    found += "if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", found], capture_output=True, text=True, check=True
    ).stdout
    assert told.strip() == "[]"


def test_the_image_that_a_plot_was_drawn_on_is_let_go(monkeypatch):
    """It takes 2 MB, and a slider draws a plot for each of its places."""
    drawn_on = []

    class Noted(FigureCanvasAgg):
        def __init__(self, canvas):
            super().__init__(canvas)
            drawn_on.append(weakref.ref(self))

    monkeypatch.setattr("diffutils.stage.axes.FigureCanvasAgg", Noted)
    gc.disable()
    try:
        plot_lines({"a": ([0, 1], [0, 1])}, x_label="x", y_label="y")
        assert len(drawn_on) == 1 and drawn_on[0]() is None
    finally:
        gc.enable()


def coloured(figure, colour):
    """How many pixels of a picture have very nearly this colour."""
    pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
    return (np.abs(pixels - colour_values(colour)).max(2) < 12).sum()


def test_error_bars_and_fits_are_drawn_where_they_belong():
    x, y, red = [1, 10, 100], [100.0, 10.0, 1.0], "#D55E00"
    same = {"x_label": "x", "y_label": "y", "colours": {"a": red}, "x_log": True, "y_log": True,
            "y_limits": (0.1, 1000)}  # fmt: skip
    plain = coloured(plot_lines({"a": (x, y)}, **same), red)
    dots = coloured(plot_lines({"a": (x, y)}, fits={"a": [1e6, 1e6, 1e6]}, **same), red)
    fitted = coloured(plot_lines({"a": (x, y)}, fits={"a": y}, **same), red)
    assert dots < 0.7 * plain and dots < fitted < plain  # dots alone; and a thin dashed line
    low, high = ([v / 3 for v in y], [v * 3 for v in y])
    same["fits"] = {"a": [1e6] * 3}
    tall = plot_lines({"a": (x, y)}, bars={"a": (low, high)}, **same)
    short = plot_lines({"a": (x, y)}, bars={"a": (y, y)}, **same)
    assert coloured(tall, "#DD7E33") > coloured(short, "#DD7E33")  # bars are a little lighter


@pytest.mark.parametrize("extra", [{"bars": {"b": ([1], [2])}}, {"fits": {"a": [1.0, 2.0]}}])
def test_bars_and_fits_have_as_many_numbers_as_their_curve(extra):
    with pytest.raises(ValueError, match="as many of both, as its curve in curves has"):
        plot_lines({"a": ([1, 2, 3], [1, 2, 3])}, x_label="x", y_label="y", **extra)
