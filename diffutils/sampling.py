"""Drawing sprites: from pure noise at level T down to a clean sprite at level 0.

A step function takes the network's guess of the noise and goes down; a sampler calls the network
and the step in a loop. DDPM (arXiv 2006.11239, algorithm 2) goes one level at a time and puts
fresh noise back in; DDIM (arXiv 2010.02502, eq. 12 with sigma = 0) skips levels and adds none.
The network is anything called as nn_model(x, t, c=None) that returns its guess of the unit noise,
with t = i / timesteps of shape (1, 1, 1, 1).
"""

from dataclasses import dataclass
from reprlib import repr as short

import torch

from diffutils.expect import (
    MOST_NUMBERS,
    check_callable,
    check_count,
    check_device,
    check_finite,
    check_floats,
    check_images,
    check_kind,
    check_like,
    check_number,
    unwrap,
)
from diffutils.noising import check_arguments, check_signal, perturb_input, predict_x0, spread
from diffutils.schedule import NoiseSchedule, check_schedule


def denoise_add_noise(x, i, pred_noise, z, *, schedule):
    """One DDPM step, from level i to i - 1: take out some of the guessed noise, put noise z back.

    x            (B, C, H, W) images at level i
    i            level, an integer 1..T, or (B,) integers, one an image
    pred_noise   like x, the guess of the unit noise in x
    z            like x, fresh N(0, 1), or 0 for none; it goes in with variance beta[i]
    returns      like x, at level i - 1; the last step, from level 1, wants z = 0
    The variance is beta (DDPM, sec. 3.2, the first choice), not the smaller one of the posterior.
    """
    where = "denoise_add_noise"
    i = check_arguments(where, "x", x, i, "pred_noise", pred_noise, schedule, lowest=1)
    if isinstance(z, torch.Tensor):
        check_like(where, "z", z, "x", x)
    else:
        check_number(where, "z", z, 0, 0)
        z = 0
    beta, alpha, alpha_bar = schedule.beta[i], schedule.alpha[i], schedule.alpha_bar[i]
    check_signal(where, i, schedule, x)
    mean = (x - spread(beta / (1 - alpha_bar).sqrt(), x) * pred_noise) / spread(alpha.sqrt(), x)
    return mean + spread(beta.sqrt(), x) * z


def denoise_ddim(x, i, i_prev, pred_noise, *, schedule):
    """One DDIM step, from level i straight to i_prev: guess the sprite, noise it again, less.

    x             (B, C, H, W) images at level i
    i, i_prev     levels, integers with T >= i > i_prev >= 0
    pred_noise    like x, the guess of the unit noise in x
    returns       like x, at level i_prev; at level 0 the guess of the sprite itself
    """
    where = "denoise_ddim"
    level = check_arguments(where, "x", x, i, "pred_noise", pred_noise, schedule, lowest=1)
    check_count(where, "i_prev", i_prev, lowest=0)
    if not all(i_prev < one for one in level.flatten().tolist()):
        raise ValueError(f"denoise_ddim: i_prev is {short(i_prev)}; expected a level below i = {i}")
    x0 = predict_x0(x, i, pred_noise, schedule=schedule)
    return perturb_input(x0, i_prev, pred_noise, schedule=schedule)


@dataclass
class Trajectory:
    """What a sampling run looked like on its way, at the levels that were kept.

    levels     the K levels, from T down to 0
    x          (K, B, C, H, W) the images at each of them
    eps        like x, the network's guess of the noise; zero at level 0, where none is left
    schedule   the NoiseSchedule of the run
    x0         like x, the sprites that x and eps point at; at level 0 the samples
    """

    levels: list
    x: torch.Tensor
    eps: torch.Tensor
    schedule: NoiseSchedule

    @property
    def x0(self):
        """Worked out each time it is asked for, since it would take as much memory as x."""
        kept = zip(self.levels, self.x, self.eps, strict=True)
        return torch.stack([predict_x0(x, i, eps, schedule=self.schedule) for i, x, eps in kept])


@torch.no_grad()
def sample_ddpm(
    n_sample, device=None, save_rate=20, *, nn_model, schedule, height=16, context=None,
    guidance=None, inject_noise=True, generator=None, progress=True,
):  # fmt: skip
    """Samples by all T steps of DDPM (algorithm 2), and their trajectory.

    n_sample       how many sprites
    device         where to compute; None is where the generator is, or the CPU
    save_rate      the trajectory keeps every save_rate-th level, the first and the last seven
    nn_model       called as nn_model(x, t) or, given a context, nn_model(x, t, c)
    schedule       the NoiseSchedule that the network was trained with
    height         pixels a side
    context        (n_sample, n_context) floats, or one row for all; None for unconditional samples
    guidance       w in eps = eps_without + w (eps_with - eps_without): 0 ignores the context, 1 is
                   the conditional model, above 1 exaggerates (arXiv 2207.12598, eq. 6, with w - 1
                   in its place); None asks the conditional model alone
    inject_noise   how much of the noise z to put back: True or 1 all, False or 0 none, at most 10
    generator      a torch.Generator, or None for the global one
    progress       show a progress bar
    returns        (samples (n_sample, 3, height, height), Trajectory)
    """
    check_number("sample_ddpm", "inject_noise", inject_noise, 0, 10)
    check_count("sample_ddpm", "save_rate", save_rate)
    predict_noise, x = start(
        "sample_ddpm", n_sample, device, nn_model, schedule, height, context, guidance, generator,
        progress,
    )  # fmt: skip
    down = range(schedule.timesteps, 0, -1)
    levels = [i for i in down if i % save_rate == 0 or i == schedule.timesteps or i < 8]
    run = empty_trajectory([*levels, 0], x, schedule)
    for i in with_progress(down, progress):
        z = normal_like(x, generator) if i > 1 else 0  # the last step adds no noise
        eps = predict_noise(x, i)
        if i in levels:
            keep(run, i, x, eps)
        x = denoise_add_noise(x, i, eps, inject_noise * z, schedule=schedule)
    return x, finished(run, x)


@torch.no_grad()
def sample_ddim(
    n_sample, device=None, n=25, *, nn_model, schedule, height=16, context=None,
    guidance=None, generator=None, progress=True,
):  # fmt: skip
    """Samples by n steps of DDIM, and their trajectory, which keeps every level visited.

    n   how many steps, 1..T; the other arguments and the result are those of `sample_ddpm`
    The only randomness is the noise at level T: equal noise gives equal samples.
    """
    check_kind("sample_ddim", "schedule", schedule, NoiseSchedule)
    levels = ddim_levels(n, schedule.timesteps)
    predict_noise, x = start(
        "sample_ddim", n_sample, device, nn_model, schedule, height, context, guidance, generator,
        progress,
    )  # fmt: skip
    run = empty_trajectory(levels, x, schedule)
    for i, i_prev in with_progress(list(zip(levels[:-1], levels[1:], strict=True)), progress):
        eps = predict_noise(x, i)
        keep(run, i, x, eps)
        x0 = predict_x0(x, i, eps, schedule=schedule)
        x = perturb_input(x0, i_prev, eps, schedule=schedule)  # as `denoise_ddim` does it
    return x, finished(run, x)


def ddim_levels(n, timesteps):
    """The n + 1 levels that n steps visit, as even as integers can be: T first, 0 last."""
    check_count("sample_ddim", "n", n, highest=timesteps)
    return [timesteps * k // n for k in range(n, -1, -1)]


def guess_noise(nn_model, x, i, *, schedule, context=None, guidance=None):
    """The network's guess at level i, guided by a context as `sample_ddpm` describes; like x."""
    where = "guess_noise"
    check_callable(where, "nn_model", nn_model)
    check_schedule(where, nn_model, schedule)
    check_images(where, "x", x)
    check_count(where, "i", i, lowest=0, highest=schedule.timesteps)
    context = check_context(where, "x", len(x), context, guidance, x.device)
    return ask(where, nn_model, x, i, schedule, context, guidance)


def ask(where, nn_model, x, i, schedule, context=None, guidance=None):
    """What `guess_noise` returns, from arguments that were checked; the answer is checked here."""
    exact = torch.promote_types(x.dtype, torch.float32)
    t = torch.tensor([i / schedule.timesteps], dtype=exact, device=x.device)[:, None, None, None]
    nn_model = unwrap(nn_model, compiled=False)

    def guess(*c):
        eps = nn_model(x, t, *c)
        check_like(where, "what nn_model returns", eps, "x", x)
        return eps

    if context is None:
        return guess()
    if guidance is None:
        return guess(context)
    eps_with, eps_without = guess(context), guess()
    return eps_without + guidance * (eps_with - eps_without)


def start(where, n_sample, device, nn_model, schedule, height, context, guidance, generator,
          progress):  # fmt: skip
    """The arguments of a sampler checked; returns predict_noise(x, i) and x_T ~ N(0, 1)."""
    check_count(where, "n_sample", n_sample)
    check_count(where, "height", height)
    if n_sample * 3 * height**2 > MOST_NUMBERS:
        raise ValueError(f"{where}: n_sample and height ask for more than {MOST_NUMBERS} numbers")
    check_callable(where, "nn_model", nn_model)
    check_schedule(where, nn_model, schedule)
    check_kind(where, "progress", progress, bool)
    if generator is not None:
        check_kind(where, "generator", generator, torch.Generator)
    if device is None:
        device = generator.device if generator is not None else "cpu"
    device = check_device(where, device)
    context = check_context(where, "n_sample", n_sample, context, guidance, device)
    x = draw_noise((n_sample, 3, height, height), generator).to(device)
    if any(p.dtype == torch.float64 for p in getattr(unwrap(nn_model), "parameters", list)()):
        x, context = x.double(), None if context is None else context.double()

    def predict_noise(x, i):
        return ask(where, nn_model, x, i, schedule, context, guidance)

    return predict_noise, x


def check_context(where, name, count, context, guidance, device):
    """The context as floats on the device, or None; guidance without a context is an error.

    It has one row for each of the `count` images that the argument `name` asks for, or one for all.
    """
    if guidance is not None:
        check_number(where, "guidance", guidance, -1000, 1000)
        if context is None:
            raise ValueError(f"{where}: guidance is {guidance} but there is no context to guide to")
    if context is None:
        return None
    check_kind(where, "context", context, torch.Tensor)
    if context.ndim != 2 or len(context) not in (1, count) or 0 in context.shape:
        raise ValueError(
            f"{where}: context has shape {tuple(context.shape)}; expected ({count}, n_context), "
            f"a row for each of {name}"
        )
    check_floats(where, "context", context)
    check_finite(where, "context", context)
    return context.float().to(device)


def draw_noise(shape, generator):
    """N(0, 1) of this shape, on the generator's device or, without one, on the CPU."""
    device = generator.device if generator is not None else None
    return torch.randn(shape, generator=generator, device=device, dtype=torch.float32)


def normal_like(x, generator):
    """N(0, 1) like x: fresh noise in the order of draws of the course's snippet."""
    if generator is None:
        return torch.randn_like(x, dtype=torch.float32).to(x)
    return draw_noise(x.shape, generator).to(x)


def empty_trajectory(levels, x, schedule):
    """A Trajectory of images like x, made whole at once: many small pieces would take it twice."""
    shape = (len(levels), *x.shape)
    return Trajectory(levels, x.new_empty(shape), x.new_empty(shape), schedule)


def keep(run, i, x, eps):
    """Writes images x at level i and the guess eps into the trajectory."""
    k = run.levels.index(i)
    run.x[k], run.eps[k] = x, eps


def finished(run, samples):
    """The trajectory with the samples as level 0."""
    keep(run, 0, samples, 0)
    return run


def with_progress(levels, progress):
    """The levels, with a bar that leaves nothing behind where `progress` is true."""
    if not progress:
        return levels
    from tqdm.auto import tqdm

    return tqdm(levels, desc="sampling", unit="step", leave=False)
