"""The deeper notebooks of lesson 09: what they claim, against sums and closed forms."""

import math

import pytest
import torch

from diffutils.stage.cases import Case
from diffutils.stage.exhibits import EXHIBITS
from diffutils.stage.lines import SCHEDULE, Lines, ddpm
from diffutils.stage.museum import pair


def test_noise_on_the_last_step_is_the_noise_of_its_level():
    """With one sprite in the world the end is off by dice of the lowest level's variance."""
    case = Case(EXHIBITS["last-dice"].lines(), "palette", ddpm, 25, False)
    std = float(1 - SCHEDULE.alpha_bar[20]) ** 0.5
    most = case.one_sprite() / 127.5 / std
    assert 3.3 < most < 5.5  # of 8 * 768 normal numbers the largest is about 4


def test_even_dice_add_up_to_normal_ones():
    dice = EXHIBITS["even-dice"].lines().dice((100_000, 12), torch.Generator().manual_seed(0))
    total = dice.double().sum(1) / 12**0.5
    assert abs(float(total.mean())) < 0.02 and abs(float(total.std()) - 1) < 0.01
    normal = math.erfc(2 / 2**0.5)
    assert abs(float((total.abs() > 2).double().mean()) - normal) < 0.004
    assert float((dice[:, 0].abs() > 2).double().mean()) == 0


def test_strides_end_below_zero():
    levels = EXHIBITS["wraps"].lines().levels(30)
    assert levels[-1] == -12 and len(levels) == 33
    assert EXHIBITS["wraps"].lines().levels(25)[-1] == 0  # where they fit nothing happens
    assert list(Lines().levels(30))[-1] == 0


@pytest.mark.parametrize("name", ["buffers", "train-mode", "t-raw"])
def test_what_is_between_training_and_sampling_shows_in_the_loss_that_is_asked_there(name):
    row, twin = pair(name)
    assert max(a / b for a, b in zip(row["loss"], twin["loss"], strict=True)) > 1.5


@pytest.mark.parametrize("name", ["told-low", "zero-based", "first-factor", "last-dice"])
def test_silent_bugs_are_silent_and_the_oracle_hears_them(name):
    row, twin = pair(name)
    assert abs(row["flawless"][0] - twin["flawless"][0]) <= 12
    assert abs(row["variety"][0] - twin["variety"][0]) < 4 * (
        row["variety"][1] ** 2 + twin["variety"][1] ** 2) ** 0.5  # fmt: skip
    assert row["one sprite"] > 1 > twin["one sprite"]
