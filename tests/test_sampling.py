"""The samplers against closed forms, the course's snippet and diffusers."""

import math

import pytest
import torch
from torch.testing import assert_close

import diffutils
from diffutils import (
    IdealDenoiser,
    denoise_add_noise,
    denoise_ddim,
    linear_schedule,
    rescale_zero_terminal_snr,
    sample_ddim,
    sample_ddpm,
)
from diffutils.descent import even_levels

SCHEDULE = linear_schedule()
DIVISORS = [n for n in range(1, 501) if 500 % n == 0]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def two_faced(x, t, c=None):
    """A stand-in network: smooth, level-dependent, context-dependent, and cheap."""
    shift = 0 if c is None else c.sum(1)[:, None, None, None]
    return torch.tanh(x * (0.5 + t)) + 0.1 * t + 0.1 * shift


def sprite_like(x, t, c=None):
    """A stand-in that keeps values near those of sprites, so that 1e-5 is far above rounding."""
    return gaussian_model(0.2, 0.6)(x, t) + 0.1 * torch.sin(3 * x)


def gaussian_model(mean, std):
    """The exact noise for data N(mean, std^2): x_t is Gaussian too, so the best guess is linear."""

    def nn_model(x, t, c=None):
        i = round(float(t.flatten()[0]) * 500)
        alpha_bar = float(SCHEDULE.alpha_bar[i])
        variance = alpha_bar * std**2 + 1 - alpha_bar
        return math.sqrt(1 - alpha_bar) * (x - math.sqrt(alpha_bar) * mean) / variance

    return nn_model


# One step


def test_ddpm_mean_equals_diffusers_at_every_level(generator):
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(
        500, beta_start=1e-4, beta_end=0.02, beta_schedule="linear",
        variance_type="fixed_large", clip_sample=False,
    )  # fmt: skip
    theirs.betas, theirs.alphas = SCHEDULE.beta[1:], SCHEDULE.alpha[1:]
    theirs.alphas_cumprod, theirs.one = SCHEDULE.alpha_bar[1:], torch.tensor(1.0).double()
    x, eps = torch.randn(2, 1, 3, 8, 8, generator=generator).double()
    for i in range(1, 501):
        ours = denoise_add_noise(x, i, eps, 0, schedule=SCHEDULE)
        with_noise = theirs.step(eps, i - 1, x, generator=seeded(i)).prev_sample
        z = torch.randn(x.shape, generator=seeded(i), dtype=torch.float64)
        noise = theirs._get_variance(i - 1).sqrt() * z if i > 1 else 0
        assert_close(ours, with_noise - noise, rtol=0, atol=1e-6)


def test_ddpm_noise_has_the_variance_fixed_large_at_every_level(generator):
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(
        500, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", variance_type="fixed_large"
    )
    theirs.alphas_cumprod, theirs.one = SCHEDULE.alpha_bar[1:], torch.tensor(1.0).double()
    x, eps = torch.randn(2, 1, 3, 8, 8, generator=generator).double()
    z = torch.ones_like(x)
    for i in range(2, 501):
        put_back = denoise_add_noise(x, i, eps, z, schedule=SCHEDULE)
        put_back = put_back - denoise_add_noise(x, i, eps, 0, schedule=SCHEDULE)
        assert_close(put_back**2, theirs._get_variance(i - 1).expand_as(x), rtol=1e-9, atol=0)


def test_the_step_mean_is_the_posterior_mean_of_the_true_noise(generator):
    """DDPM eq. 7: given x0, the mean of x_(i-1) mixes x0 and x_i; at level 1 it is x0 itself."""
    x0, noise = torch.randn(2, 1, 3, 8, 8, generator=generator).double()
    for i in range(1, 501):
        beta, alpha = SCHEDULE.beta[i], SCHEDULE.alpha[i]
        ab, ab_prev = SCHEDULE.alpha_bar[i], SCHEDULE.alpha_bar[i - 1]
        x = ab.sqrt() * x0 + (1 - ab).sqrt() * noise
        of_x0, of_x = ab_prev.sqrt() * beta, alpha.sqrt() * (1 - ab_prev)
        posterior = (of_x0 * x0 + of_x * x) / (1 - ab)
        ours = denoise_add_noise(x, i, noise, 0, schedule=SCHEDULE)
        assert_close(ours, posterior, rtol=0, atol=1e-10)


def test_a_ddim_step_with_the_true_noise_lands_on_the_noising_path(generator):
    x0, noise = torch.randn(2, 2, 3, 8, 8, generator=generator).double()
    x = diffutils.perturb_input(x0, 400, noise, schedule=SCHEDULE)
    for i_prev in (399, 123, 1, 0):
        step = denoise_ddim(x, 400, i_prev, noise, schedule=SCHEDULE)
        expected = diffutils.perturb_input(x0, i_prev, noise, schedule=SCHEDULE)
        assert_close(step, expected, rtol=0, atol=1e-12)


# Whole runs


@pytest.mark.parametrize("n", DIVISORS)
def test_ddim_equals_diffusers_over_the_whole_run(n):
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(
        500, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", clip_sample=False,
        set_alpha_to_one=True, timestep_spacing="trailing",
    )  # fmt: skip
    theirs.alphas_cumprod = SCHEDULE.alpha_bar[1:]
    theirs.final_alpha_cumprod = SCHEDULE.alpha_bar[0]
    theirs.set_timesteps(n)
    ours, trajectory = sample_ddim(
        1,
        n=n,
        nn_model=sprite_like,
        schedule=SCHEDULE,
        height=8,
        generator=seeded(),
        progress=False,
    )
    x = torch.randn(1, 3, 8, 8, generator=seeded()).double()
    for k, step in enumerate(theirs.timesteps):
        assert_close(trajectory.x[k].double(), x, rtol=0, atol=1e-5)
        eps = sprite_like(x.float(), (step + 1) / 500).double()
        x = theirs.step(eps, step, x).prev_sample
    assert_close(ours.double(), x, rtol=0, atol=1e-5)


def test_the_sampler_takes_the_steps_of_denoise_ddim(generator):
    def nn_model(x, t):
        return (x * t).sin()

    _, run = sample_ddim(2, n=7, nn_model=nn_model, schedule=SCHEDULE, generator=generator,
                         progress=False)
    for k, (i, i_prev) in enumerate(zip(run.levels, run.levels[1:], strict=False)):
        step = denoise_ddim(run.x[k], i, i_prev, run.eps[k], schedule=SCHEDULE)
        assert torch.equal(step, run.x[k + 1])


def test_any_n_visits_decreasing_levels_once_each_and_ends_at_0():
    for n in range(1, 501):
        levels = even_levels("sample_ddim", n, 500)
        assert levels[0] == 500 and levels[-1] == 0
        assert len(set(levels)) == n + 1 and levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("inject_noise", [True, 0.5, False])
def test_one_sprite_oracle_ddpm_returns_that_sprite(inject_noise, generator):
    """The closed form that separates right from wrong."""
    sprite = torch.rand(1, 3, 16, 16, generator=generator) * 2 - 1
    ideal = IdealDenoiser(sprite, schedule=SCHEDULE)
    samples, _ = sample_ddpm(
        3, nn_model=ideal, schedule=SCHEDULE, inject_noise=inject_noise, generator=generator,
        progress=False,
    )  # fmt: skip
    assert_close(samples, sprite.expand(3, -1, -1, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [1, 7, 25, 500])
def test_one_sprite_oracle_ddim_returns_that_sprite(n, generator):
    sprite = torch.rand(1, 3, 16, 16, generator=generator) * 2 - 1
    ideal = IdealDenoiser(sprite, schedule=SCHEDULE)
    samples, _ = sample_ddim(
        3, n=n, nn_model=ideal, schedule=SCHEDULE, generator=generator, progress=False
    )
    assert_close(samples, sprite.expand(3, -1, -1, -1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sampler", [sample_ddpm, sample_ddim])
def test_gaussian_oracle_comes_back_with_its_mean_and_variance(sampler):
    """Data N(0.4, 0.5^2) a pixel. Each sampler is affine in Gaussians here, so its exact output
    variance is known; the sample moments of 20,000 agree with it within 3 standard errors, and it
    is the data's own up to the size of the steps."""
    mean, std, n = 0.4, 0.5, 20_000
    extra = {"n": 500} if sampler is sample_ddim else {}
    samples, _ = sampler(
        n, nn_model=gaussian_model(mean, std), schedule=SCHEDULE, height=1,
        generator=seeded(3), progress=False, **extra,
    )  # fmt: skip
    values = samples[:, 0].double().flatten()
    exact_mean, exact_variance = gaussian_moments(sampler, mean, std)
    assert abs(exact_mean - mean) < 0.02 and abs(exact_variance / std**2 - 1) < 0.02
    assert abs(values.mean() - exact_mean) < 3 * math.sqrt(exact_variance / n)
    assert abs(values.var() - exact_variance) < 3 * exact_variance * math.sqrt(2 / n)


def gaussian_moments(sampler, mean, std):
    """Mean and variance after the run, from N(0, 1), step by step: x -> a x + b, plus beta z."""
    model, m, v = gaussian_model(mean, std), 0.0, 1.0
    for i in range(500, 0, -1):
        t = torch.tensor([i / 500])
        ab, ab_prev, beta = (
            float(a) for a in (SCHEDULE.alpha_bar[i], SCHEDULE.alpha_bar[i - 1], SCHEDULE.beta[i])
        )
        at_0, at_1 = model(0.0, t), model(1.0, t)

        def step(x, eps, ab=ab, ab_prev=ab_prev, beta=beta):
            if sampler is sample_ddpm:
                return (x - beta / math.sqrt(1 - ab) * eps) / math.sqrt(1 - beta)
            x0 = (x - math.sqrt(1 - ab) * eps) / math.sqrt(ab)
            return math.sqrt(ab_prev) * x0 + math.sqrt(1 - ab_prev) * eps

        b = step(0.0, at_0)
        a = step(1.0, at_1) - b
        m, v = a * m + b, a * a * v + (beta if sampler is sample_ddpm and i > 1 else 0)
    return m, v


# The course's snippet


def test_the_original_snippet_returns_what_the_library_returns():
    timesteps, height, nn_model = 500, 16, two_faced

    def denoise_add_noise(x, i, pred_noise, z):
        return diffutils.denoise_add_noise(x, i, pred_noise, z, schedule=SCHEDULE)

    @torch.no_grad()
    def sample_ddpm(n_sample, device, save_rate=20):
        samples = torch.randn(n_sample, 3, height, height).to(device)
        for i in range(timesteps, 0, -1):
            t = torch.tensor([i / timesteps])[:, None, None, None].to(device)
            z = torch.randn_like(samples) if i > 1 else 0
            eps = nn_model(samples, t)
            samples = denoise_add_noise(samples, i, eps, z)
        return samples

    torch.manual_seed(11)
    original = sample_ddpm(2, "cpu")
    torch.manual_seed(11)
    ours, _ = diffutils.sample_ddpm(2, "cpu", nn_model=nn_model, schedule=SCHEDULE, progress=False)
    assert torch.equal(original, ours)


# Trajectories, noise, contexts


def test_the_trajectory_holds_x_eps_and_x0_at_its_levels():
    samples, kept = sample_ddpm(
        2, nn_model=two_faced, schedule=SCHEDULE, height=4, generator=seeded(), progress=False
    )
    assert kept.levels == [*range(500, 7, -20), 7, 6, 5, 4, 3, 2, 1, 0]
    assert kept.x.shape == kept.eps.shape == kept.x0.shape == (len(kept.levels), 2, 3, 4, 4)
    assert torch.equal(kept.x[-1], samples) and torch.equal(kept.x0[-1], samples)
    held = [part for part in vars(kept).values() if isinstance(part, torch.Tensor)]
    assert sum(part.nbytes for part in held) == 2 * kept.x.nbytes  # x0 is worked out when asked for
    for i, x, eps, x0 in zip(kept.levels[:-1], kept.x, kept.eps, kept.x0, strict=False):
        assert torch.equal(eps, two_faced(x, torch.tensor([i / 500])[:, None, None, None]))
        assert_close(diffutils.perturb_input(x0, i, eps, schedule=SCHEDULE), x, rtol=0, atol=1e-4)


@pytest.mark.parametrize("sampler", [sample_ddpm, sample_ddim])
def test_the_same_seed_gives_the_same_samples_and_another_other_ones(sampler):
    def draw(seed):
        return sampler(
            2,
            nn_model=two_faced,
            schedule=SCHEDULE,
            height=4,
            generator=seeded(seed),
            progress=False,
        )[0]

    assert torch.equal(draw(1), draw(1))
    assert not torch.allclose(draw(1), draw(2))


def test_injected_noise_runs_from_all_over_half_to_none():
    def draw(inject_noise):
        return sample_ddpm(
            64, nn_model=gaussian_model(0.0, 1.0), schedule=SCHEDULE, height=4,
            inject_noise=inject_noise, generator=seeded(), progress=False,
        )[0]  # fmt: skip

    whole, half, none = (float(draw(amount).std()) for amount in (True, 0.5, False))
    assert whole == pytest.approx(1, abs=0.03) and whole > half > none
    assert torch.equal(draw(True), draw(1.0)) and torch.equal(draw(False), draw(0))


@pytest.mark.parametrize("sampler", [sample_ddpm, sample_ddim])
def test_guidance_0_is_unconditional_and_1_is_conditional(sampler):
    context = torch.tensor([[1.0, 0, 0.6, 0, 0], [0, 0, 0, 0, 1]])

    def draw(**kwargs):
        return sampler(
            2, nn_model=two_faced, schedule=SCHEDULE, height=4, generator=seeded(), progress=False,
            **kwargs,
        )[0]  # fmt: skip

    conditional, unconditional = draw(context=context), draw()
    assert not torch.allclose(conditional, unconditional)
    assert_close(draw(context=context, guidance=1), conditional, rtol=0, atol=1e-5)
    assert torch.equal(draw(context=context, guidance=0), unconditional)


@pytest.mark.parametrize("sampler", [sample_ddpm, sample_ddim])
def test_a_context_reaches_the_network_with_its_fractions(sampler):  # known faults 7
    context, heard = torch.tensor([[0.6, 0.4, 0, 0, 0]]), []

    def nn_model(x, t, c):
        heard.append(c)
        return x

    arguments = {"nn_model": nn_model, "schedule": SCHEDULE, "height": 1, "progress": False}
    sampler(1, context=context, **arguments)
    assert all(torch.equal(c, context) for c in heard)


def test_guidance_extrapolates_from_without_to_with(generator):
    x, c = torch.randn(2, 3, 4, 4, generator=generator), torch.ones(2, 5)
    t = torch.tensor([0.5])[:, None, None, None]
    with_c, without = two_faced(x, t, c), two_faced(x, t)
    guided = diffutils.guess_noise(two_faced, x, 250, schedule=SCHEDULE, context=c, guidance=3.0)
    assert_close(guided, 3 * with_c - 2 * without)


def test_a_progress_bar_is_shown_when_asked_for(capsys):
    arguments = {"nn_model": two_faced, "schedule": SCHEDULE, "height": 2}
    sample_ddim(1, n=2, progress=False, **arguments)
    assert capsys.readouterr().err == ""
    sample_ddim(1, n=2, **arguments)
    assert "sampling" in capsys.readouterr().err


# Bad input


@pytest.mark.parametrize("sampler", [sample_ddpm, sample_ddim])
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_sample": 0}, ValueError, "n_sample is 0"),
        ({"n_sample": 2.0}, TypeError, "n_sample is 2.0"),
        ({"height": 0}, ValueError, "height is 0"),
        ({"nn_model": None}, TypeError, "nn_model is a NoneType"),
        ({"schedule": 500}, TypeError, "schedule is a int"),
        (
            {"context": torch.zeros(3, 5)},
            ValueError,
            r"context has shape \(3, 5\); expected \(2, n_",
        ),
        ({"context": [1, 0, 0, 0, 0]}, TypeError, "context is a list"),
        ({"guidance": 2.0}, ValueError, "guidance is 2.0 but there is no context"),
        ({"guidance": "2", "context": torch.zeros(2, 5)}, TypeError, "guidance is a str"),
    ],
)
def test_bad_arguments_are_named(sampler, change, error, message):
    arguments = {"n_sample": 2, "nn_model": two_faced, "schedule": SCHEDULE, **change}
    with pytest.raises(error, match=f"{sampler.__name__}: {message}"):
        sampler(progress=False, **arguments)


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (501, ValueError), (2.5, TypeError)])
def test_a_number_of_steps_that_cannot_be_is_refused(n, error):
    with pytest.raises(error, match=f"sample_ddim: n is {n}"):
        sample_ddim(1, n=n, nn_model=two_faced, schedule=SCHEDULE)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"save_rate": 0}, ValueError, "save_rate is 0"),
        ({"inject_noise": "half"}, TypeError, "inject_noise is a str"),
        ({"inject_noise": float("nan")}, ValueError, "inject_noise is nan"),
    ],
)
def test_ddpm_names_its_own_bad_arguments(arguments, error, message):
    with pytest.raises(error, match="sample_ddpm: " + message):
        sample_ddpm(1, nn_model=two_faced, schedule=SCHEDULE, **arguments)


def test_bad_steps_are_named():
    x = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match="denoise_add_noise: i has level 0; .* levels 1..500"):
        denoise_add_noise(x, 0, x, 0, schedule=SCHEDULE)
    with pytest.raises(ValueError, match=r"z has shape \(1, 3, 4, 4\)"):
        denoise_add_noise(x, 1, x, x[:1], schedule=SCHEDULE)
    with pytest.raises(ValueError, match="denoise_add_noise: i names level 500, which has"):
        denoise_add_noise(x, 500, x, 0, schedule=rescale_zero_terminal_snr(SCHEDULE))
    with pytest.raises(ValueError, match="i_prev is 7; expected a level below i = 7"):
        denoise_ddim(x, 7, 7, x, schedule=SCHEDULE)
    with pytest.raises(ValueError, match="i_prev is -1"):
        denoise_ddim(x, 7, -1, x, schedule=SCHEDULE)
