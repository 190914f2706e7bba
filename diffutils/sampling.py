"""Drawing sprites: from pure noise at level T down to a clean sprite at level 0.

A step function takes the network's guess of the noise and goes down; a sampler calls the network
and the step in a loop. DDPM (arXiv 2006.11239, algorithm 2) goes one level at a time and puts
fresh noise back in; DDIM (arXiv 2010.02502, eq. 12) skips levels and adds none, or with eta some.
What all samplers share, the loop's levels, questions and trajectory, is in `descent.py`; samplers
that follow DDIM's path more closely are in `solvers.py`.
"""

from reprlib import repr as short

import torch

from diffutils.descent import Descent, even_levels
from diffutils.expect import check_count, check_kind, check_like, check_number
from diffutils.noising import check_arguments, check_signal, perturb_input, predict_x0, spread
from diffutils.schedule import NoiseSchedule


def denoise_add_noise(x, i, pred_noise, z, *, schedule, i_prev=None):
    """One DDPM step, from level i to i_prev: take out some of the guessed noise, put noise z back.

    x            (B, C, H, W) images at level i
    i            level, an integer 1..T, or (B,) integers, one an image
    pred_noise   like x, the guess of the unit noise in x
    z            like x, fresh N(0, 1), or 0 for none; it goes in with variance beta[i]
    i_prev       the level to go to, T >= i > i_prev >= 0; i - 1 if None
    returns      like x, at level i_prev; the last step, to level 0, wants z = 0
    The variance is beta (DDPM, sec. 3.2, the first choice), not the smaller one of the posterior;
    between distant levels the one that all steps between them add, 1 - alpha_bar[i] /
    alpha_bar[i_prev].
    """
    where = "denoise_add_noise"
    i = check_arguments(where, "x", x, i, "pred_noise", pred_noise, schedule, lowest=1)
    z = check_fresh(where, z, x)
    beta, alpha, alpha_bar = schedule.beta[i], schedule.alpha[i], schedule.alpha_bar[i]
    if i_prev is not None:
        check_below(where, i, i_prev)
        alpha = alpha_bar / schedule.alpha_bar[i_prev]
        beta = 1 - alpha
    check_signal(where, i, schedule, x)
    mean = (x - spread(beta / (1 - alpha_bar).sqrt(), x) * pred_noise) / spread(alpha.sqrt(), x)
    return mean + spread(beta.sqrt(), x) * z


def denoise_ddim(x, i, i_prev, pred_noise, *, schedule, eta=0, z=0):
    """One DDIM step, from level i straight to i_prev: guess the sprite, noise it again, less.

    x             (B, C, H, W) images at level i
    i, i_prev     levels, integers with T >= i > i_prev >= 0
    pred_noise    like x, the guess of the unit noise in x
    eta           how much of the noise that goes in again is fresh: 0 none, 1 as much as leaves a
                  step of DDPM with the variance of the posterior (eq. 16)
    z             like x, fresh N(0, 1), or 0 for none
    returns       like x, at level i_prev; at level 0 the guess of the sprite itself
    """
    where = "denoise_ddim"
    level = check_arguments(where, "x", x, i, "pred_noise", pred_noise, schedule, lowest=1)
    check_below(where, level, i_prev)
    check_number(where, "eta", eta, 0, 1)
    x0 = predict_x0(x, i, pred_noise, schedule=schedule)
    if eta == 0:
        return perturb_input(x0, i_prev, pred_noise, schedule=schedule)
    z = check_fresh(where, z, x)
    alpha_bar, below = schedule.alpha_bar[level], schedule.alpha_bar[i_prev]
    fresh = eta**2 * (1 - alpha_bar / below) / (1 - alpha_bar)  # this share of the new variance
    old, new = ((1 - below) * (1 - fresh)).sqrt(), ((1 - below) * fresh).sqrt()
    return spread(below.sqrt(), x) * x0 + spread(old, x) * pred_noise + spread(new, x) * z


def check_below(where, i, i_prev):
    """`i_prev` is one level, below each of i."""
    check_count(where, "i_prev", i_prev, lowest=0)
    if not all(i_prev < one for one in i.flatten().tolist()):
        raise ValueError(f"{where}: i_prev is {short(i_prev)}; expected a level below i = "
                         f"{short(i.tolist())}")


def check_fresh(where, z, x):
    """`z` is noise like x, or 0."""
    if isinstance(z, torch.Tensor):
        check_like(where, "z", z, "x", x)
        return z
    check_number(where, "z", z, 0, 0)
    return 0


@torch.no_grad()
def sample_ddpm(
    n_sample, device=None, save_rate=20, *, nn_model, schedule, height=16, start=None, levels=None,
    context=None, guidance=None, inject_noise=True, generator=None, progress=True,
):  # fmt: skip
    """Samples by DDPM (algorithm 2), one level at a time, and their trajectory.

    n_sample       how many sprites
    device         where to compute; None is where the start or the generator is, or the CPU
    save_rate      the trajectory keeps every save_rate-th level, the first and the last seven
    nn_model       called as nn_model(x, t) or, given a context, nn_model(x, t, c)
    schedule       the NoiseSchedule that the network was trained with
    height         pixels a side
    start          (n_sample, 3, height, height) images at the first level, in any floating point;
                   N(0, 1) in float32 if None
    levels         integers to visit, each below the one before; all T..0 if None
    context        (n_sample, n_context) floats, or one row for all; None for unconditional samples
    guidance       w in eps = eps_without + w (eps_with - eps_without): 0 ignores the context, 1 is
                   the conditional model, above 1 exaggerates (arXiv 2207.12598, eq. 6, with w - 1
                   in its place); None asks the conditional model alone. Or a function that gives
                   w, or None, for a level: guidance in some of the levels (2404.07724)
    inject_noise   how much of the noise z to put back: True or 1 all, False or 0 none, at most 10
    generator      a torch.Generator, or None for the global one
    progress       show a progress bar
    returns        (samples (n_sample, 3, height, height), Trajectory)
    """
    check_kind("sample_ddpm", "schedule", schedule, NoiseSchedule)
    check_number("sample_ddpm", "inject_noise", inject_noise, 0, 10)
    check_count("sample_ddpm", "save_rate", save_rate)
    levels = range(schedule.timesteps, -1, -1) if levels is None else levels
    run = Descent(
        "sample_ddpm", n_sample, device, levels, lambda i: i % save_rate == 0 or i < 8,
        nn_model=nn_model, schedule=schedule, height=height, start=start, context=context,
        guidance=guidance, generator=generator, progress=progress,
    )  # fmt: skip
    for i, j in run.steps():
        z = inject_noise * run.fresh_noise() if j > 0 else 0  # the last step adds no noise
        eps = run.guess(i)
        i_prev = None if j == i - 1 else j
        run.x = denoise_add_noise(run.x, i, eps, z, schedule=schedule, i_prev=i_prev)
    return run.finish()


@torch.no_grad()
def sample_ddim(
    n_sample, device=None, n=25, *, nn_model, schedule, height=16, start=None, levels=None,
    context=None, guidance=None, eta=0, generator=None, progress=True,
):  # fmt: skip
    """Samples by n steps of DDIM, and their trajectory, which keeps every level visited.

    n      how many steps, 1..T, even in the level, where no levels are given
    eta    how much of the noise is fresh at each step, 0..1, as in `denoise_ddim`
    The other arguments and the result are those of `sample_ddpm`. With eta = 0 the only randomness
    is the noise at level T: equal noise gives equal samples.
    """
    check_kind("sample_ddim", "schedule", schedule, NoiseSchedule)
    check_number("sample_ddim", "eta", eta, 0, 1)
    levels = even_levels("sample_ddim", n, schedule.timesteps) if levels is None else levels
    run = Descent(
        "sample_ddim", n_sample, device, levels, lambda i: True, nn_model=nn_model,
        schedule=schedule, height=height, start=start, context=context, guidance=guidance,
        generator=generator, progress=progress,
    )  # fmt: skip
    for i, j in run.steps():
        eps = run.guess(i)
        z = run.fresh_noise() if eta > 0 and j > 0 else 0
        run.x = denoise_ddim(run.x, i, j, eps, schedule=schedule, eta=eta, z=z)
    return run.finish()
