"""Samplers of higher order: the path that DDIM follows, followed more closely.

In y = x / sqrt(alpha_bar) and sigma = sqrt((1 - alpha_bar) / alpha_bar), where a noisy picture is
y = x0 + sigma noise, the path from noise to sprite obeys dy / dsigma = eps(y, sigma). A step of
DDIM is a step of Euler's method along it: y moves by (sigma[j] - sigma[i]) eps. So a better guess
of the noise *between* two levels makes a better step, and each solver here is such a guess, handed
to `denoise_ddim`. Halve the steps' length, and Euler's error is halved, theirs divided by four.
The last step, to level 0, is Euler's in both.
"""

import torch

from diffutils.descent import Descent, even_levels
from diffutils.expect import check_kind
from diffutils.noising import noise_in, predict_x0, spread
from diffutils.sampling import denoise_ddim
from diffutils.schedule import NoiseSchedule


@torch.no_grad()
def sample_heun(
    n_sample, device=None, n=25, *, nn_model, schedule, height=16, start=None, levels=None,
    context=None, guidance=None, generator=None, progress=True,
):  # fmt: skip
    """Samples by n steps of Heun's method, 2 n - 1 calls of the network (arXiv 2206.00364, alg. 1).

    Each step is tried, the network asked where it leads, and taken again along the mean of the two
    guesses. The arguments and the result are those of `sample_ddim`.
    """
    run = descent("sample_heun", n_sample, device, n, levels, nn_model=nn_model, schedule=schedule,
                  height=height, start=start, context=context, guidance=guidance,
                  generator=generator, progress=progress)  # fmt: skip
    for i, j in run.steps():
        eps = run.guess(i)
        tried = denoise_ddim(run.x, i, j, eps, schedule=schedule)
        if j > 0:
            eps = (eps + run.ask(tried, j)) / 2
            tried = denoise_ddim(run.x, i, j, eps, schedule=schedule)
        run.x = tried
    return run.finish()


@torch.no_grad()
def sample_dpm(
    n_sample, device=None, n=25, *, nn_model, schedule, height=16, start=None, levels=None,
    context=None, guidance=None, generator=None, progress=True,
):  # fmt: skip
    """Samples by n steps and n calls of DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2).

    The guess of the sprite changes on the way down about evenly in lambda = -log sigma: what it
    will be half way through the step is told from this guess and the last one. The arguments and
    the result are those of `sample_ddim`.
    """
    run = descent("sample_dpm", n_sample, device, n, levels, nn_model=nn_model, schedule=schedule,
                  height=height, start=start, context=context, guidance=guidance,
                  generator=generator, progress=progress)  # fmt: skip
    noise_to_signal = (1 - schedule.alpha_bar) / schedule.alpha_bar
    log_snr = -noise_to_signal.log() / 2  # lambda
    x0_last = step_last = None
    for i, j in run.steps():
        eps = run.guess(i)
        x0 = predict_x0(run.x, i, eps, schedule=schedule)
        step = log_snr[j] - log_snr[i]
        if x0_last is not None and j > 0:
            ahead = x0 + spread(step / (2 * step_last), x0) * (x0 - x0_last)
            eps = noise_in(run.x, i, ahead, schedule=schedule)
        run.x = denoise_ddim(run.x, i, j, eps, schedule=schedule)
        x0_last, step_last = x0, step
    return run.finish()


def descent(where, n_sample, device, n, levels, *, schedule, **arguments):
    """The run of a sampler that keeps every level: n even steps, or the levels given."""
    check_kind(where, "schedule", schedule, NoiseSchedule)
    levels = even_levels(where, n, schedule.timesteps) if levels is None else levels
    return Descent(where, n_sample, device, levels, lambda i: True, schedule=schedule, **arguments)
