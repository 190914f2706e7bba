"""Noise schedules: how much of the sprite and how much noise there is at each level.

A schedule is three arrays over the noise levels 0..T, kept in float64 on the CPU. Level 0 is the
clean sprite by construction: beta[0] = 0, so alpha[0] = alpha_bar[0] = 1.

    beta[i]        variance of the noise that step i adds                      (DDPM, eq. 2)
    alpha[i]       1 - beta[i], the share of the variance that step i keeps
    alpha_bar[i]   alpha[1] * ... * alpha[i], the share still signal at i      (DDPM, eq. 4)

Ho et al., "Denoising Diffusion Probabilistic Models", arXiv 2006.11239.
Learned variances and continuous time are not here.
"""

import math

import torch

from diffutils.expect import check_count, check_kind, check_number, check_numbers, unwrap

MOST_LEVELS = 10**6


class NoiseSchedule:
    """The arrays `beta`, `alpha`, `alpha_bar`, each (T + 1,) float64, and `timesteps`, the count T.

    beta   the T variances of levels 1..T, each in (0, 1]; beta = 1 leaves no signal
    Raises ValueError where beta is not a one-dimensional, non-empty list of such numbers.
    """

    def __init__(self, beta):
        beta = torch.from_numpy(check_numbers("NoiseSchedule", "beta", beta))
        if beta.ndim != 1 or not 1 <= len(beta) <= MOST_LEVELS:
            raise ValueError(
                f"NoiseSchedule: beta has shape {tuple(beta.shape)}; "
                f"expected (T,) with 1 <= T <= {MOST_LEVELS}"
            )
        if not ((1 - beta < 1) & (beta <= 1)).all():  # 1 - 1e-17 is 1: no noise at all
            raise ValueError(
                f"NoiseSchedule: beta lies in {beta.min():.3g}..{beta.max():.3g}; "
                "expected variances above 0 and at most 1"
            )
        self.timesteps = len(beta)
        self.beta = torch.cat([torch.zeros(1, dtype=torch.float64), beta])  # (T + 1,)
        self.alpha = 1 - self.beta
        self.alpha_bar = self.alpha.cumprod(0)

    @property
    def terminal_signal(self):
        """sqrt(alpha_bar[T]): the share of the sprite's amplitude left at the last level."""
        return math.sqrt(self.alpha_bar[-1])

    def __repr__(self):
        signal = f"{self.terminal_signal:.4f}"
        return f"NoiseSchedule(timesteps={self.timesteps}, terminal_signal={signal})"


def check_schedule(where, nn_model, schedule):
    """`schedule` is the one that nn_model learned, by alpha_bar, where it says so itself."""
    check_kind(where, "schedule", schedule, NoiseSchedule)
    nn_model = unwrap(nn_model)
    own = getattr(nn_model, "schedule", None)
    if not isinstance(own, NoiseSchedule) or own is schedule:
        return
    if own.timesteps == schedule.timesteps:
        i = int((own.alpha_bar - schedule.alpha_bar).abs().argmax())
        ours, theirs = float(schedule.alpha_bar[i]), float(own.alpha_bar[i])
        if torch.allclose(own.alpha_bar, schedule.alpha_bar, rtol=1e-6, atol=1e-9):
            return
        which = f"alpha_bar[{i}] is {ours:.6g} in the first, {theirs:.6g} in the second"
    else:
        which = f"{schedule.timesteps} levels and {own.timesteps}"
    name = type(nn_model).__name__
    raise ValueError(f"{where}: schedule is {schedule!r}, but nn_model knows {own!r} ({which}); "
                     f"pass nn_model.schedule, or build the network with {name}(schedule=...)")


def linear_schedule(timesteps=500, beta_start=1e-4, beta_end=0.02):
    """Variances that grow evenly from beta_start at level 1 to beta_end at level T (DDPM, sec. 4).

    timesteps              the count T, an integer >= 1
    beta_start, beta_end   variances, above 0 and at most 1
    """
    check_count("linear_schedule", "timesteps", timesteps, highest=MOST_LEVELS)
    check_number("linear_schedule", "beta_start", beta_start, 1e-15, 1)
    check_number("linear_schedule", "beta_end", beta_end, 1e-15, 1)
    betas = torch.linspace(float(beta_start), float(beta_end), timesteps, dtype=torch.float64)
    return NoiseSchedule(betas)


def cosine_schedule(timesteps=500, offset=0.008, beta_max=0.999):
    """alpha_bar falls like a squared cosine, gently at both ends (arXiv 2102.09672, eq. 17).

    timesteps   the count T, an integer >= 1
    offset      keeps the first steps from being too small to matter
    beta_max    the largest variance of a step, so that a trace of signal stays at level T
    """
    check_count("cosine_schedule", "timesteps", timesteps, highest=MOST_LEVELS)
    check_number("cosine_schedule", "offset", offset, 0, 1)
    check_number("cosine_schedule", "beta_max", beta_max, 1e-15, 1)
    part = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
    alpha_bar = torch.cos((part + offset) / (1 + offset) * math.pi / 2) ** 2
    return NoiseSchedule((1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=beta_max))


def rescale_zero_terminal_snr(schedule):
    """The same schedule with no signal at all at level T (arXiv 2305.08891, algorithm 1).

    sqrt(alpha_bar) is shifted by its last value, then scaled so that level 1 keeps its own.
    At level T no sprite can be read from x_T and its noise: `predict_x0` refuses it.
    Raises ValueError for a schedule of a single level.
    """
    check_kind("rescale_zero_terminal_snr", "schedule", schedule, NoiseSchedule)
    if schedule.timesteps < 2:
        raise ValueError("rescale_zero_terminal_snr: schedule has 1 level; expected 2 or more")
    signal = schedule.alpha_bar.sqrt()[1:]
    signal = (signal - signal[-1]) * signal[0] / (signal[0] - signal[-1])
    alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), signal**2])
    return NoiseSchedule(1 - alpha_bar[1:] / alpha_bar[:-1])
