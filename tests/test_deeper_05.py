"""What lesson 05 and its deeper notebooks claim and write by hand, against the library."""

import pytest
import torch
from cells import code_of, functions_of
from torch.testing import assert_close

from diffutils import IdealDenoiser, NoiseSchedule, denoise_add_noise, linear_schedule
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites
from diffutils.stage.checks.descent import right_left
from diffutils.stage.compared import colourfulness, compare, lost, plot_compared

SCHEDULE = linear_schedule(500)


def some_sprites(n):
    return to_float(forge_sprites(n, seed=3)[0])


def test_the_belief_before_a_fog_is_that_of_bayes():
    sprites = some_sprites(30)
    ideal = IdealDenoiser(sprites, schedule=SCHEDULE)
    given = {"sprites": sprites, "schedule": SCHEDULE, "ideal": ideal, "device": "cpu"}
    names = functions_of("deeper/05_echo.ipynb", "fog = sprites.mean", **given)
    signal, variance = SCHEDULE.alpha_bar[400].sqrt(), 1 - SCHEDULE.alpha_bar[400]
    distance = ((signal * (names["fog"] - sprites).double()) ** 2).sum((1, 2, 3))
    shares = torch.softmax(-distance / (2 * variance), dim=0)
    assert names["believed"][0] == pytest.approx(float(shares @ names["away"]), abs=1e-6)


def test_what_the_echo_foretells_is_the_right_answer_of_its_exercise():
    source = next(c.source for c in code_of("deeper/05_echo.ipynb") if "foretold = [" in c.source)
    loop = "foretold = [" + source.split("foretold = [", 1)[1]
    names = {"schedule": SCHEDULE}
    exec(loop, names)
    wanted = [right_left(i, schedule=SCHEDULE).item() for i in range(500)]
    assert names["foretold"][:500] == pytest.approx(wanted, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("steps", [1, 25, 100, 500])
def test_the_levels_of_long_steps_are_even_and_the_last_one_adds_most(steps):
    names = functions_of("deeper/05_long_steps.ipynb", "def levels_of")
    assert names["levels_of"](steps) == list(range(500, -1, -500 // steps))


def test_the_noise_of_a_long_last_step_is_what_one_step_of_that_length_adds():
    names = functions_of("deeper/05_long_steps.ipynb", "def levels_of")
    cell = next(c.source for c in code_of("deeper/05_long_steps.ipynb") if "last =" in c.source)
    exec(cell, names)
    zero = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    for steps, low in ((500, 1), (100, 5), (25, 20), (10, 50)):
        added = denoise_add_noise(zero, low, zero, zero + 1, schedule=SCHEDULE, i_prev=0)
        assert names["last"][steps] == pytest.approx(added.mean().item(), rel=1e-6)


def test_the_parts_of_a_sprite_add_up_and_an_outline_is_all_of_a_block():
    names = functions_of("deeper/05_order.ipynb", "def parts_of")
    blocks = torch.rand(2, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    blocks = blocks.expand(2, 3, 16, 16)
    parts = names["parts_of"](blocks)
    assert_close(parts["outline"].expand_as(blocks), blocks)
    assert parts["detail"].abs().max() < 1e-6 and parts["colour"].abs().max() < 1e-6
    x = some_sprites(5)
    assert_close(sum(names["parts_of"](x).values()), x)


def test_how_much_the_guess_counts_is_what_the_step_does():
    source = next(c.source for c in code_of("deeper/05_order.ipynb") if "counts = " in c.source)
    line = next(part for part in source.splitlines() if "counts = " in part).strip()
    for i in (500, 250, 10, 2, 1):
        bar, beta = SCHEDULE.alpha_bar, SCHEDULE.beta
        names = {"bar": bar, "beta": beta, "i": i}
        exec(line, names)
        part = beta[i] / (1 - bar[i]).sqrt() / SCHEDULE.alpha[i].sqrt()  # of eps, taken out
        assert names["counts"] == pytest.approx((part * bar[i].sqrt() / (1 - bar[i]).sqrt()).item())


# --- the claims of the lesson --------------------------------------------------------------------


def too_much(i, schedule):
    """The noise variance that a step takes out without putting back, by what the schedule wants."""
    here, below = 1 - schedule.alpha_bar[i], 1 - schedule.alpha_bar[i - 1]
    kept = here * (1 - schedule.beta[i] / here) ** 2 / schedule.alpha[i]
    return ((here - kept) / (here - below)).item()


@pytest.mark.parametrize(
    ("i", "told"), [(50, 2.0), (200, 3.2), (250, 4.5), (300, 7.1), (400, 26), (500, 155)]
)
def test_without_the_noise_a_step_removes_as_many_times_too_much_as_the_lesson_says(i, told):
    assert too_much(i, SCHEDULE) == pytest.approx(told, rel=0.02)
    said = next(c.source for c in code_of("05_sampling.ipynb") if "times[i] / claim" in c.source)
    assert f"{i}: {told:g}" in said.replace(": 2.0", ": 2")


def test_the_variance_that_is_missing_is_measured_on_noise_itself():
    generator = torch.Generator().manual_seed(0)
    here, below = 1 - SCHEDULE.alpha_bar[250], 1 - SCHEDULE.alpha_bar[249]
    noise = here.sqrt() * torch.randn(1_000_000, generator=generator).double()
    beta, alpha = SCHEDULE.beta[250], SCHEDULE.alpha[250]
    eps = noise / here.sqrt()
    after = (noise - beta / here.sqrt() * eps) / alpha.sqrt()
    missing = (noise.var() - after.var()) / noise.var() * here
    assert missing / (here - below) == pytest.approx(4.5, rel=0.01)


def test_colour_is_nothing_in_grey_and_grows_with_what_differs():
    grey = torch.rand(2, 1, 4, 4).expand(2, 3, 4, 4)
    assert colourfulness(grey).abs().max() < 1e-6
    red = torch.cat([torch.ones(1, 1, 4, 4), -torch.ones(1, 2, 4, 4)], dim=1)
    assert colourfulness(red).item() == pytest.approx((4 / 3 + 2 * 2 / 3) / 3)
    assert_close(colourfulness(0.5 * red), 0.5 * colourfulness(red))


def test_real_sprites_are_a_hundred_percent_and_what_is_lost_has_its_error():
    real = some_sprites(200)
    table = compare({"real": real, "half": 0.5 * real, "shifted": real + 5}, real)
    assert set(table) == {"distance to the average", "variety", "sharpness", "colour"}
    for name, kinds in table.items():
        assert kinds["real"][0] == pytest.approx(100, abs=1e-3)
        percent, errors = lost(table, name)
        (_, error), (other, other_error) = kinds["real"], kinds["half"]
        assert percent == pytest.approx(100 - other)
        assert errors == pytest.approx(percent / (error**2 + other_error**2) ** 0.5)
    assert table["variety"]["half"][0] == pytest.approx(50, abs=1e-3)
    assert table["colour"]["shifted"][0] == 0  # as it is shown: white


def test_the_errors_are_those_that_many_draws_show():
    crowd, generator = some_sprites(4000), torch.Generator().manual_seed(0)
    draws = [crowd[torch.randint(4000, (48,), generator=generator)] for _ in range(80)]
    tables = [compare({"draw": draw}, crowd[:500]) for draw in draws]
    for name in tables[0]:
        means, errors = zip(*(table[name]["draw"] for table in tables), strict=True)
        spread = torch.tensor(means).std().item()
        assert spread / (sum(errors) / 80) == pytest.approx(1, abs=0.25), name


def test_a_list_in_place_of_kinds_is_refused():
    with pytest.raises(TypeError, match="compare: kinds is a list; expected a dict"):
        compare([some_sprites(3)], some_sprites(3))


def test_the_plot_of_a_table_tells_it_in_words():
    table = {"variety": {"with": (98.2, 1.1), "without": (90.4, 0.9)}}
    figure = plot_compared(table, title="A network")
    assert repr(figure) == (
        "A network. percent of training sprites. variety: with 98 ± 1.1, without 90 ± 0.9."
    )


def test_a_schedule_of_long_steps_ends_where_the_long_one_does():
    kept = SCHEDULE.alpha_bar[[0, 20, 100, 500]]
    short = NoiseSchedule(1 - kept[1:] / kept[:-1])
    assert short.terminal_signal == pytest.approx(SCHEDULE.terminal_signal)
