"""What samples and networks are like, in numbers: each function gives one number a sprite.

Give the numbers to `mean_and_error` for a mean with its standard error. Images are (B, C, H, W)
floats in [-1, 1]. Whether a sprite is a legal one is the judge's business, not this module's.
"""

import torch

from diffutils.expect import check_callable, check_images, check_kind, check_levels
from diffutils.noising import perturb_input
from diffutils.schedule import NoiseSchedule


@torch.no_grad()
def loss_by_level(nn_model, x0, levels, *, schedule, context=None, seed=0):
    """The mean squared error of the guessed noise at each level, (K,) float64, unweighted.

    nn_model   called as nn_model(x, t, c): a network, or the ideal denoiser for its floor
    x0         (B, C, H, W) clean sprites, the same at every level
    levels     K integers 1..T
    context    (B, n_context) floats, or None
    seed       of the noise, which is the same at every level and for every model compared
    """
    check_callable("loss_by_level", "nn_model", nn_model)
    check_kind("loss_by_level", "schedule", schedule, NoiseSchedule)
    check_images("loss_by_level", "x0", x0)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed)).to(x0)
    losses = []
    for i in levels:
        check_levels("loss_by_level", "levels", i, x0, schedule.timesteps, lowest=1)
        x_t = perturb_input(x0, i, noise, schedule=schedule)
        t = torch.tensor([i / schedule.timesteps], device=x0.device)[:, None, None, None]
        eps = nn_model(x_t, t) if context is None else nn_model(x_t, t, context)
        losses.append(((eps - noise) ** 2).double().mean())
    return torch.stack(losses).cpu()


def distance_to_average(samples, x0):
    """How far each sample is from the average of the data set x0: (B,), root mean square a pixel.

    An average of many sprites is a fog; a sample that moved towards it has collapsed.
    """
    check_images("distance_to_average", "samples", samples)
    check_images("distance_to_average", "x0", x0)
    return ((samples - x0.mean(0)) ** 2).flatten(1).mean(1).sqrt()


def variety(samples):
    """How far each sample is from the others, on average: (B,), root mean square a pixel."""
    check_images("variety", "samples", samples)
    if len(samples) < 2:
        raise ValueError(f"variety: samples holds {len(samples)}; expected 2 or more")
    points = samples.flatten(1)
    apart = torch.cdist(points, points) / points.shape[1] ** 0.5  # (B, B)
    return apart.sum(1) / (len(samples) - 1)


def sharpness(samples):
    """How much neighbouring pixels differ: (B,), mean absolute difference, right and below."""
    check_images("sharpness", "samples", samples)
    right = samples.diff(dim=3).abs().flatten(1)
    below = samples.diff(dim=2).abs().flatten(1)
    return torch.cat([right, below], dim=1).mean(1)


def mean_and_error(values):
    """The mean of one number a sprite, and its standard error, std / sqrt(B), as floats."""
    values = torch.as_tensor(values).double()
    if values.ndim != 1 or len(values) < 2:
        shape = tuple(values.shape)
        raise ValueError(f"mean_and_error: values has shape {shape}; expected (B,), B >= 2")
    return values.mean().item(), (values.std() / len(values) ** 0.5).item()
