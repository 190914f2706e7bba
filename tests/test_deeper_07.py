"""The deeper notebooks of lesson 07: their checks, what they write by hand, and what they claim.

The wrong answers of WRONG were written as students write them; at least four of five are named.
"""

# ruff: noqa: E501  (formulas, one a line)

import math

import numpy as np
import pytest
import torch
from banks import bank_tests, written
from cells import functions_of
from torch.testing import assert_close

from diffutils import IdealDenoiser, denoise_ddim, linear_schedule, sample_ddim
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites
from diffutils.stage import checks
from diffutils.stage.checks import asked_of_sampling, dice

SCHEDULE = linear_schedule()
EXERCISES = {dice.fresh_std: dice.FRESH_STD, dice.karras_sigmas: dice.KARRAS}
SIGNATURES = {dice.fresh_std: "i, j, eta, *, schedule", dice.karras_sigmas: "n, first, last, rho"}


def build(check, body):
    return written(SIGNATURES[check], body, math=math, np=np)


SPACE = "torch.linspace({a}, {b}, n, dtype=torch.float64)"
RIGHT = {
    dice.fresh_std: [
        "eta * ((1 - ab[j]) / (1 - ab[i]) * (1 - ab[i] / ab[j])).sqrt()",
        "eta * math.sqrt((1 - ab[j]) / (1 - ab[i])) * math.sqrt(1 - ab[i] / ab[j])",
        "eta * ((1 - ab[j]) / (1 - ab[i])).sqrt() * (1 - a[j + 1 : i + 1].prod()).sqrt()",
        "(eta**2 * (1 - ab[j]) * (1 - ab[i] / ab[j]) / (1 - ab[i])) ** 0.5",
        "eta * np.sqrt(float((1 - ab[j]) * (ab[j] - ab[i]) / (ab[j] * (1 - ab[i]))))",
    ],
    dice.karras_sigmas: [
        SPACE.format(a="first ** (1 / rho)", b="last ** (1 / rho)") + " ** rho",
        "np.linspace(first ** (1 / rho), last ** (1 / rho), n) ** rho",
        "[(first ** (1 / rho) + k / (n - 1) * (last ** (1 / rho) - first ** (1 / rho))) ** rho for k in range(n)]",
        "torch.lerp(torch.tensor(first ** (1 / rho)), torch.tensor(last ** (1 / rho)), torch.linspace(0, 1, n)) ** rho",
        SPACE.format(a="last ** (1 / rho)", b="first ** (1 / rho)") + ".flip(0) ** rho",
    ],
}  # fmt: skip
WRONG = {
    dice.fresh_std: [
        "eta", "eta * (1 - ab[j])", "eta * (1 - ab[i])", "eta * (1 - ab[i] / ab[j])", "eta * (1 - ab[j]).sqrt()",
        "eta * (1 - ab[i]).sqrt()", "eta * b[i].sqrt()", "eta * b[j].sqrt()", "eta * b[i]",
        "eta * (1 - ab[i] / ab[j]).sqrt()", "eta * (1 - ab[j] / ab[i]).abs().sqrt()",
        "eta * (1 - ab[j]) / (1 - ab[i]) * (1 - ab[i] / ab[j])", "eta * ((1 - ab[j]) / (1 - ab[i])).sqrt()",
        "eta * (1 - ab[j]) / (1 - ab[i]) * (1 - ab[i] / ab[j]).sqrt()",
        "eta * ((1 - ab[i]) / (1 - ab[i - 1]) * b[i]).sqrt()", "((1 - ab[j]) / (1 - ab[i]) * (1 - ab[i] / ab[j])).sqrt()",
        "(eta * (1 - ab[j]) / (1 - ab[i]) * (1 - ab[i] / ab[j])).sqrt()",
        "eta**2 * ((1 - ab[j]) / (1 - ab[i]) * (1 - ab[i] / ab[j])).sqrt()",
        "(1 - eta) * ((1 - ab[j]) / (1 - ab[i]) * (1 - ab[i] / ab[j])).sqrt()",
        "eta * (1 - ab[j]).sqrt() - (1 - ab[i]).sqrt()", "eta * (b[j + 1 : i + 1].sum()).sqrt()",
        "eta * ((1 - ab[j]) / (1 - ab[i]) * b[j + 1 : i + 1].sum()).sqrt()",
        "eta * torch.randn(())", "0.0", "eta * ((1 - ab[j]) * (1 - ab[i] / ab[j])).sqrt()",
    ],
    dice.karras_sigmas: [
        SPACE.format(a="first", b="last"), SPACE.format(a="last", b="first"),
        SPACE.format(a="first**rho", b="last**rho") + " ** (1 / rho)",
        SPACE.format(a="first ** (1 / rho)", b="last ** (1 / rho)"),
        SPACE.format(a="first ** (1 / rho)", b="last ** (1 / rho)") + ".flip(0) ** rho",
        SPACE.format(a="first ** (1 / rho)", b="last ** (1 / rho)") + "[1:] ** rho",
        SPACE.format(a="first ** (1 / rho)", b="last ** (1 / rho)").replace("n,", "n + 1,") + " ** rho",
        SPACE.format(a="first ** (1 / rho)", b="0") + " ** rho",
        SPACE.format(a="math.log(first)", b="math.log(last)") + ".exp()",
        SPACE.format(a="math.log(first)", b="math.log(last)"),
        SPACE.format(a="first ** (1 / 7)", b="last ** (1 / 7)") + " ** 7",
        SPACE.format(a="first ** (1 / rho)", b="last ** (1 / rho)") + " ** 2",
        SPACE.format(a="first / rho", b="last / rho") + " ** rho",
        SPACE.format(a="first", b="last") + " ** rho", SPACE.format(a="first", b="last") + " ** (1 / rho)",
        "[(first ** (1 / rho) + k / n * (last ** (1 / rho) - first ** (1 / rho))) ** rho for k in range(n)]",
        "[(first ** (1 / rho) + k / n * (last ** (1 / rho) - first ** (1 / rho))) ** rho for k in range(n + 1)]",
        "[(first ** (1 / rho) + k * (last ** (1 / rho) - first ** (1 / rho))) ** rho for k in range(n)]",
        "[first * (last / first) ** (k / (n - 1)) for k in range(n)]", "[first, last]",
        "[first - (first - last) * (k / (n - 1)) ** rho for k in range(n)]",
        "[first ** (1 / rho) + (k / (n - 1)) * (last - first) ** (1 / rho) if False else first for k in range(n)]",
    ],
}  # fmt: skip


globals().update(bank_tests(EXERCISES, RIGHT, WRONG, build))


@pytest.mark.parametrize(("i", "j"), [(500, 480), (300, 250), (40, 0), (2, 1)])
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_the_fresh_noise_is_what_the_librarys_step_adds(i, j, eta):
    zero, one = torch.zeros(2, 1, 3, 2, 2, dtype=torch.float64)
    added = denoise_ddim(zero, i, j, zero, schedule=SCHEDULE, eta=eta, z=one + 1)
    found = dice.right_fresh(i, j, eta, schedule=SCHEDULE).item()
    assert found == pytest.approx(added.mean().item(), abs=1e-12)


def test_the_sigmas_are_those_of_diffusers():
    from diffusers import EulerDiscreteScheduler

    theirs = EulerDiscreteScheduler()._convert_to_karras(np.array([12.4, 0.1]), 9)
    assert dice.right_karras(9, 12.4, 0.1, 7.0).numpy() == pytest.approx(theirs)


def test_the_spacings_of_the_notebook_are_those_of_the_exercise():
    names = functions_of("deeper/07_levels", "def nearest(values)")
    sigma = ((1 - SCHEDULE.alpha_bar) / SCHEDULE.alpha_bar).sqrt()
    for n, last, rho in ((5, 1, 7.0), (10, 20, 3.0)):
        wanted = dice.right_karras(n, float(sigma[500]), float(sigma[last]), rho)
        levels = names["bent"](n, last, rho)
        assert levels[0] == 500 and levels[-2:] == [last, 0]
        for level, value in zip(levels, wanted, strict=False):
            assert (sigma - value).abs().argmin() == level
    middle = names["even_in_log"](3, 1)[1]
    assert sigma[middle] == pytest.approx(float((sigma[500] * sigma[1]).sqrt()), rel=0.02)


def test_the_walk_up_is_the_walk_down_backwards():
    sprites = to_float(forge_sprites(5, seed=3)[0]).double()
    ideal = IdealDenoiser(sprites, schedule=SCHEDULE)
    levels, start = list(range(20, 501, 4)), sprites + 0.1 * torch.randn(5, 3, 16, 16)
    top = asked_of_sampling.walk_up(ideal, start, levels, SCHEDULE)
    down, _ = sample_ddim(5, levels=levels[::-1], start=top, nn_model=ideal, schedule=SCHEDULE,
                          progress=False)  # fmt: skip
    assert_close(down, start, atol=0.01, rtol=0)


def test_the_notebook_walks_up_like_the_check():
    names = functions_of("deeper/07_inversion", "def upwards(x, levels")
    x, schedule = names["sprites"][:2], names["schedule"]
    one = names["upwards"](x, [0, 100, 500])
    assert torch.equal(one, asked_of_sampling.walk_up(names["nn_model"], x, [0, 100, 500], schedule))


def test_the_four_reasons_for_no_noise_are_answered_by_what_was_measured():
    replies = {letter: checks.choice("why-no-noise", letter) for letter in "abcd"}
    assert [letter for letter, result in replies.items() if result.passed] == ["d"]
    found = asked_of_sampling.measure_way_up()
    assert max(found[name] for name in ("few", "many", "trained")) < 0.3
    assert abs(found["noisy"] - 1) < 0.05 and found["guess"] < 0.01
    assert found["alike"] > 0.4 and found["jumped"] < 0.15
