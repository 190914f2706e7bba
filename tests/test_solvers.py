"""The solvers against closed forms, diffusers and each other; what all samplers share."""

import math

import pytest
import torch
from torch.testing import assert_close

from diffutils import (
    IdealDenoiser,
    NoiseSchedule,
    denoise_add_noise,
    denoise_ddim,
    guess_noise,
    linear_schedule,
    load_pretrained,
    sample_ddim,
    sample_ddpm,
    sample_dpm,
    sample_heun,
)

SCHEDULE = linear_schedule()
FINE = linear_schedule(4000, 1e-4 / 8, 0.02 / 8)
SAMPLERS = [sample_ddpm, sample_ddim, sample_heun, sample_dpm]
SOLVERS = SAMPLERS[1:]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian_model(schedule, mean=0.2, std=0.6):
    """The exact noise for data N(mean, std^2): x_t is Gaussian too, so the best guess is linear."""

    def nn_model(x, t, c=None):
        alpha_bar = float(schedule.alpha_bar[round(float(t.flatten()[0]) * schedule.timesteps)])
        variance = alpha_bar * std**2 + 1 - alpha_bar
        return math.sqrt(1 - alpha_bar) * (x - math.sqrt(alpha_bar) * mean) / variance

    return nn_model


def sprite_like(x, t, c=None):
    """A stand-in that keeps values near those of sprites."""
    return gaussian_model(SCHEDULE)(x, t) + 0.1 * torch.sin(3 * x)


def gaussian_end(start, first, last, schedule, mean=0.2, std=0.6):
    """Where the path of a Gaussian leads: (y - mean) grows like the std of y, exactly."""
    below, above = float(schedule.alpha_bar[last]), float(schedule.alpha_bar[first])
    spread = [math.sqrt(std**2 + (1 - a) / a) for a in (below, above)]
    y = mean + (start / math.sqrt(above) - mean) * spread[0] / spread[1]
    return y * math.sqrt(below)


def slope(sampler, steps, last=2400):
    """The order of convergence: how the error at a level falls with the number of steps."""
    start = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=seeded())
    errors = []
    for n in steps:
        levels = [round(4000 - (4000 - last) * k / n) for k in range(n + 1)]
        end, _ = sampler(2, nn_model=gaussian_model(FINE), schedule=FINE, height=4, start=start,
                         levels=levels, progress=False)
        errors.append((end - gaussian_end(start, 4000, last, FINE)).abs().mean())
    logs = torch.tensor([[math.log(n), math.log(e)] for n, e in zip(steps, errors, strict=True)])
    centred = logs - logs.mean(0)
    return -float((centred[:, 0] * centred[:, 1]).sum() / (centred[:, 0] ** 2).sum())


@pytest.mark.parametrize(("sampler", "order"), [
    (sample_ddim, 1), (sample_heun, 2), (sample_dpm, 2),
])
def test_each_solver_converges_with_its_order_on_a_gaussian(sampler, order):
    assert slope(sampler, (20, 40, 80)) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("sampler", SOLVERS)
def test_with_one_sprite_the_ideal_leads_every_solver_to_it(sampler):
    x0 = torch.rand(1, 3, 16, 16, generator=seeded()) * 2 - 1
    ideal = IdealDenoiser(x0, schedule=SCHEDULE)
    samples, _ = sampler(3, n=5, nn_model=ideal, schedule=SCHEDULE, generator=seeded(),
                         progress=False)
    assert_close(samples, x0.expand(3, -1, -1, -1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("sampler", "calls"), [
    (sample_ddim, 10), (sample_heun, 19), (sample_dpm, 10),
])
def test_calls_are_counted_guided_ones_twice(sampler, calls):
    asked = []

    def nn_model(x, t, c=None):
        asked.append(c)
        return 0 * x

    same = {"nn_model": nn_model, "schedule": SCHEDULE, "progress": False, "height": 4}
    _, run = sampler(2, n=10, **same)
    assert run.calls == len(asked) == calls
    _, run = sampler(2, n=10, context=torch.eye(5)[:2], guidance=2.0, **same)
    assert run.calls == len(asked) - calls == 2 * calls


class Ours:
    """A network that says how long its context is; `asked` holds the contexts of each question."""

    n_context = 5

    def __init__(self):
        self.asked = []

    def __call__(self, x, t, c=None):
        self.asked.append(c)
        c = torch.zeros(1, 5) if c is None else c
        return 0.1 * x + c.sum(1).view(-1, 1, 1, 1) + c[:, 2].view(-1, 1, 1, 1)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("sampler", [sample_ddim, sample_heun, sample_dpm])
def test_a_network_of_ours_is_asked_both_guided_questions_in_one_batch(sampler, rows):
    ours, context = Ours(), torch.eye(5)[1:4][:rows]
    same = {"schedule": SCHEDULE, "progress": False, "height": 4, "n": 4, "context": context,
            "guidance": 2.5}  # fmt: skip
    once, run = sampler(3, nn_model=ours, generator=seeded(), **same)
    assert run.calls == 2 * len(ours.asked)
    for c in ours.asked:
        assert torch.equal(c, torch.cat([context.expand(3, -1), torch.zeros(3, 5)]))
    twice, run = sampler(3, nn_model=lambda *given: ours(*given), generator=seeded(), **same)
    assert run.calls == len(ours.asked) - run.calls // 2
    assert_close(once, twice, atol=1e-6, rtol=0)


def test_guidance_of_scale_0_asks_once_and_of_no_context():
    ours, same = Ours(), {"schedule": SCHEDULE, "progress": False, "height": 4, "n": 4}
    drawn, run = sample_ddim(2, nn_model=ours, generator=seeded(), context=torch.eye(5)[:2],
                             guidance=0, **same)  # fmt: skip
    assert run.calls == len(ours.asked) == 4 and ours.asked == [None] * 4
    assert torch.equal(drawn, sample_ddim(2, nn_model=ours, generator=seeded(), **same)[0])


@pytest.mark.parametrize("name", ["palette", "plain", "small"])
def test_the_shipped_networks_answer_both_questions_in_one_batch_as_in_two(name):
    nn_model, schedule = load_pretrained(name)
    x, c = torch.randn(3, 3, 16, 16, generator=seeded()), torch.eye(5)[2:3]
    t = torch.tensor([0.6])[:, None, None, None]
    with torch.no_grad():
        guided = guess_noise(nn_model, x, 300, schedule=schedule, context=c, guidance=3.0)
        assert_close(guided, 3 * nn_model(x, t, c) - 2 * nn_model(x, t), atol=1e-4, rtol=0)


def test_guidance_in_some_of_the_levels_asks_once_outside_them():
    scales = []

    def scale(i):
        scales.append(i)
        return 3.0 if 100 <= i <= 300 else None

    def nn_model(x, t, c=None):
        return x * 0 + (0 if c is None else 1)

    _, run = sample_ddim(1, n=5, nn_model=nn_model, schedule=SCHEDULE, height=4, progress=False,
                         context=torch.eye(5)[:1], guidance=scale)
    assert scales == [500, 400, 300, 200, 100] and run.calls == 8
    assert run.eps[:, 0, 0, 0, 0].tolist() == [1, 1, 3, 3, 3, 0]


def test_a_scale_that_is_no_number_is_named():
    with pytest.raises(TypeError, match="sample_ddim: guidance is"):
        sample_ddim(1, nn_model=sprite_like, schedule=SCHEDULE, context=torch.eye(5)[:1],
                    guidance=lambda i: "strong", progress=False)


# Against diffusers


def diffusers_run(scheduler, n, start, **more):
    """A loop of theirs from the same start, over their own levels (0 there is 1 here)."""
    scheduler.set_timesteps(n)
    x = start * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t)
        eps = sprite_like(scaled, torch.tensor([(float(t) + 1) / 500]))
        x = scheduler.step(eps, t, x, **more).prev_sample
    return x


LINEAR = {"num_train_timesteps": 500, "beta_start": 1e-4, "beta_end": 0.02,
          "beta_schedule": "linear", "timestep_spacing": "trailing"}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of numpy, within diffusers
@pytest.mark.parametrize("n", [10, 25, 50])
def test_heun_equals_diffusers(n):
    from diffusers import HeunDiscreteScheduler

    theirs = HeunDiscreteScheduler(**LINEAR)
    theirs.set_timesteps(n)
    start = torch.randn(2, 3, 16, 16, generator=seeded())
    above = start / float(SCHEDULE.alpha_bar[500].sqrt()) / theirs.init_noise_sigma
    ours, _ = sample_heun(2, n=n, nn_model=sprite_like, schedule=SCHEDULE, start=start,
                          progress=False)
    assert_close(ours, diffusers_run(theirs, n, above), atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of numpy, within diffusers
@pytest.mark.parametrize("n", [10, 25, 50])
def test_dpm_solver_equals_diffusers(n):
    from diffusers import DPMSolverMultistepScheduler

    theirs = DPMSolverMultistepScheduler(**LINEAR, algorithm_type="dpmsolver++", solver_order=2)
    start = torch.randn(2, 3, 16, 16, generator=seeded())
    ours, _ = sample_dpm(2, n=n, nn_model=sprite_like, schedule=SCHEDULE, start=start,
                         progress=False)
    assert_close(ours, diffusers_run(theirs, n, start), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("eta", [0.3, 1.0])
@pytest.mark.parametrize(("i", "j"), [(500, 480), (260, 240), (40, 20)])
def test_a_step_with_eta_equals_diffusers(eta, i, j):
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(**LINEAR, clip_sample=False)
    theirs.set_timesteps(25)
    x, eps, z = torch.randn(3, 2, 3, 16, 16, generator=seeded())
    step = theirs.step(eps, i - 1, x, eta=eta, variance_noise=z).prev_sample
    ours = denoise_ddim(x, i, j, eps, schedule=SCHEDULE, eta=eta, z=z)
    assert_close(ours, step, atol=1e-4, rtol=1e-4)


def test_with_eta_1_the_fresh_noise_has_the_variance_of_the_posterior():
    x, eps = torch.zeros(2, 1, 3, 4, 4)
    for i in (2, 100, 500):
        added = denoise_ddim(x, i, i - 1, eps, schedule=SCHEDULE, eta=1, z=torch.ones_like(x))
        alpha_bar, below = SCHEDULE.alpha_bar[i], SCHEDULE.alpha_bar[i - 1]
        wanted = float(SCHEDULE.beta[i] * (1 - below) / (1 - alpha_bar)) ** 0.5
        assert added.mean().item() == pytest.approx(wanted, rel=1e-5)


# Between distant levels


def test_a_ddpm_step_between_distant_levels_keeps_the_variance_of_the_schedule():
    """Noise alone, all of it known: what is left of it and what is put in make 1 - alpha_bar."""
    for i, j in ((500, 400), (300, 20), (7, 6)):
        noise = torch.ones(1, 3, 4, 4, dtype=torch.float64)
        x = (1 - SCHEDULE.alpha_bar[i]).sqrt() * noise
        old = denoise_add_noise(x, i, noise, 0, schedule=SCHEDULE, i_prev=j).mean()
        fresh = denoise_add_noise(0 * x, i, 0 * x, noise, schedule=SCHEDULE, i_prev=j).mean()
        alpha = SCHEDULE.alpha_bar[i] / SCHEDULE.alpha_bar[j]
        assert fresh**2 == pytest.approx(float(1 - alpha))
        wanted = (1 - SCHEDULE.alpha_bar[j]) * alpha.sqrt() / (1 - SCHEDULE.alpha_bar[i]).sqrt()
        assert old == pytest.approx(float(wanted))


def test_to_the_next_level_it_is_the_step_of_always():
    x, eps, z = torch.randn(3, 2, 3, 4, 4, generator=seeded())
    for i in (500, 100, 2):
        far = denoise_add_noise(x, i, eps, z, schedule=SCHEDULE, i_prev=i - 1)
        assert_close(far, denoise_add_noise(x, i, eps, z, schedule=SCHEDULE))


# Starts and levels


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_may_begin_below_t_and_end_above_0_in_the_dtype_of_its_start(sampler):
    start = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=seeded())
    kept = start.clone()
    samples, run = sampler(2, nn_model=sprite_like, schedule=SCHEDULE, height=4, start=start,
                           levels=[300, 250, 100], progress=False)
    assert samples.dtype == run.x.dtype == torch.float64
    assert run.levels[0] == 300 and run.levels[-1] == 100
    assert torch.equal(run.x[0], start) and torch.equal(start, kept)
    assert torch.equal(run.x[-1], samples)
    assert run.eps[:-1].isfinite().all() and run.eps[-1].isnan().all()
    assert run.x0[:-1].isfinite().all() and run.x0[-1].isnan().all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_in_two_parts_is_the_run_in_one(sampler):
    if sampler is sample_dpm:
        pytest.skip("it remembers the last guess")
    same = {"nn_model": sprite_like, "schedule": SCHEDULE, "height": 4, "progress": False,
            "generator": seeded()}  # fmt: skip
    start = torch.randn(2, 3, 4, 4, generator=seeded(1))
    once, _ = sampler(2, start=start, levels=[500, 400, 200, 50, 0], **same)
    same["generator"] = seeded()
    half, _ = sampler(2, start=start, levels=[500, 400, 200], **same)
    twice, _ = sampler(2, start=half, levels=[200, 50, 0], **same)
    assert torch.equal(once, twice)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("changed", "error", "words"), [
    ({"levels": [5]}, ValueError, "levels is .*two or more"),
    ({"levels": [5, 5, 0]}, ValueError, "levels is .*below the one before"),
    ({"levels": [0, 5]}, ValueError, "levels is .*below the one before"),
    ({"levels": [2.5, 0]}, ValueError, "levels is .*expected integers"),
    ({"levels": [501, 0]}, ValueError, "levels go from 501 to 0; this schedule has levels 0..500"),
    ({"levels": [5, -1]}, ValueError, "levels go from 5 to -1"),
    ({"start": torch.zeros(3, 3, 4, 4)}, ValueError, r"start has shape \(3, 3, 4, 4\)"),
    ({"start": "noise"}, TypeError, "start is a str"),
    ({"start": torch.zeros(2, 3, 4, 4).long()}, TypeError, "start holds torch.int64"),
    ({"schedule": "linear"}, TypeError, "schedule is a str"),
])
def test_bad_starts_and_levels_are_named(sampler, changed, error, words):
    arguments = {"nn_model": sprite_like, "schedule": SCHEDULE, "height": 4, "progress": False}
    with pytest.raises(error, match=f"{sampler.__name__}: {words}"):
        sampler(2, **(arguments | changed))


def test_a_level_without_signal_is_named():
    dark = NoiseSchedule([0.1, 0.5, 1.0])
    with pytest.raises(ValueError, match="level 3, which has no signal"):
        sample_dpm(1, n=3, nn_model=lambda x, t: x, schedule=dark, progress=False)
