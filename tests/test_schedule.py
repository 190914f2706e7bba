"""Schedules against their definitions and against diffusers."""

import math

import pytest
import torch
from torch.testing import assert_close

from diffutils import (
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
    rescale_zero_terminal_snr,
)

SCHEDULES = {
    "linear": linear_schedule(),
    "cosine": cosine_schedule(),
    "rescaled": rescale_zero_terminal_snr(linear_schedule()),
    "one level": linear_schedule(1),
}
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


@every_schedule
def test_level_0_is_clean_and_alpha_bar_is_the_running_product(schedule):
    assert schedule.beta[0] == 0 and schedule.alpha_bar[0] == 1
    product = 1.0
    for i in range(1, schedule.timesteps + 1):
        product *= 1 - float(schedule.beta[i])
        assert math.isclose(schedule.alpha_bar[i], product, rel_tol=1e-12, abs_tol=1e-15)
        assert schedule.alpha[i] == 1 - schedule.beta[i]


@every_schedule
def test_every_level_holds_less_signal_than_the_one_before(schedule):
    assert schedule.alpha_bar.isfinite().all()
    assert (schedule.alpha_bar.diff() < 0).all()
    assert len(schedule.alpha_bar) == len(schedule.beta) == schedule.timesteps + 1


def test_linear_schedule_runs_from_beta_start_to_beta_end():
    schedule = linear_schedule()
    assert schedule.timesteps == 500
    assert_close(schedule.beta[[1, 500]], torch.tensor([1e-4, 0.02]).double())
    assert_close(schedule.beta[1:].diff(), torch.full((499,), (0.02 - 1e-4) / 499).double())
    assert math.isclose(schedule.terminal_signal, 0.0797, abs_tol=5e-5)


def test_linear_schedule_is_that_of_diffusers():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(500, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    assert_close(linear_schedule().alpha_bar[1:].float(), theirs.alphas_cumprod, rtol=2e-6, atol=0)


def test_cosine_schedule_is_that_of_diffusers():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(500, beta_schedule="squaredcos_cap_v2")
    assert_close(cosine_schedule().beta[1:].float(), theirs.betas, rtol=1e-4, atol=1e-7)


def test_rescaled_schedule_ends_without_signal_and_starts_as_before():
    before, after = linear_schedule(), rescale_zero_terminal_snr(linear_schedule())
    assert before.terminal_signal > 0.05
    assert after.terminal_signal == 0
    assert_close(after.alpha_bar[1], before.alpha_bar[1])


def test_rescaled_schedule_is_that_of_diffusers():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(
        500, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", rescale_betas_zero_snr=True
    )
    ours = rescale_zero_terminal_snr(linear_schedule()).alpha_bar[1:500]
    assert_close(ours.float(), theirs.alphas_cumprod[:499], rtol=1e-4, atol=1e-6)


def test_repr_tells_the_terminal_signal():
    assert repr(linear_schedule()) == "NoiseSchedule(timesteps=500, terminal_signal=0.0797)"


@pytest.mark.parametrize("beta", [[], [[0.1]], [0.0], [-0.1], [1.1], [float("nan")]])
def test_betas_that_are_not_variances_are_refused(beta):
    with pytest.raises(ValueError, match="NoiseSchedule: beta"):
        NoiseSchedule(beta)


@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
@pytest.mark.parametrize(
    ("timesteps", "error"), [(0, ValueError), (2.5, TypeError), (True, TypeError)]
)
def test_a_count_of_levels_that_is_none_is_refused(make, timesteps, error):
    with pytest.raises(error, match="timesteps"):
        make(timesteps)


def test_rescaling_needs_a_schedule_of_two_levels():
    with pytest.raises(ValueError, match="2 or more"):
        rescale_zero_terminal_snr(linear_schedule(1))
    with pytest.raises(TypeError, match="schedule is a list"):
        rescale_zero_terminal_snr([0.1, 0.2])
