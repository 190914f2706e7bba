"""What samples and networks are like, in numbers: each function gives one number a sprite.

Give the numbers to `mean_and_error` for a mean with its standard error; `variety`, whose numbers
depend on each other, has a function of its own for that. Images are (B, C, H, W) floats in [-1, 1].
Whether a sprite is a legal one is the judge's business, not this module's.
"""

import math

import torch

from diffutils.descent import ask, check_context
from diffutils.expect import (
    as_array,
    check_callable,
    check_count,
    check_finite,
    check_images,
    check_levels,
    check_numbers,
    check_same_place,
)
from diffutils.noising import perturb_input
from diffutils.schedule import check_schedule


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
    check_schedule("loss_by_level", nn_model, schedule)
    check_some("loss_by_level", "x0", x0)
    check_count("loss_by_level", "seed", seed, lowest=0, highest=2**63 - 1)
    levels = as_array("loss_by_level", "levels", levels)
    if levels.ndim != 1 or len(levels) == 0:
        raise ValueError(f"loss_by_level: levels has shape {levels.shape}; expected one or more")
    levels = levels.tolist()
    for i in levels:
        check_levels("loss_by_level", "levels", i, x0, schedule.timesteps, lowest=1)
    context = check_context("loss_by_level", "x0", len(x0), context, None, x0.device)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(x0.shape, generator=generator, dtype=torch.float32).to(x0)
    losses = []
    for i in levels:
        x_t = perturb_input(x0, i, noise, schedule=schedule)
        eps = ask("loss_by_level", nn_model, x_t, i, schedule, context)
        losses.append(((eps - noise) ** 2).double().mean())
    return torch.stack(losses).cpu()


def bits_told(errors, ratios):
    """What noisy pictures have told of their sprites, in bits, up to each ratio: (K,) float64.

    errors   (K,) mean squared errors of the guessed sprite, each summed over all numbers of it
    ratios   (K,) of signal to noise, alpha_bar / (1 - alpha_bar), above 0 and rising

    Half the integral of the error over the ratio, from 0 on, in nats (I-MMSE: Guo, Shamai and
    Verdú, 2005, arXiv cs/0412108, theorem 2; of diffusion: Kong et al., arXiv 2302.03792), here by
    trapezoids over the logarithm of the ratio. Of the best denoiser it is the information, in the
    end the entropy of the sprite. Below the first ratio the error counts as it is there.
    """
    errors, ratios = (torch.from_numpy(check_numbers("bits_told", name, values)) for name, values
                      in (("errors", errors), ("ratios", ratios)))  # fmt: skip
    if errors.ndim != 1 or errors.shape != ratios.shape or len(errors) == 0:
        shapes = f"{tuple(errors.shape)} and ratios {tuple(ratios.shape)}"
        raise ValueError(f"bits_told: errors has shape {shapes}; expected (K,) of both, K >= 1")
    check_finite("bits_told", "errors", errors)
    check_finite("bits_told", "ratios", ratios)
    if ratios[0] <= 0 or (ratios.diff() <= 0).any():
        raise ValueError("bits_told: ratios do not rise from above 0; expected the noisiest first")
    heights = errors * ratios  # since d ratio = ratio d log(ratio)
    pieces = (heights[1:] + heights[:-1]) / 2 * ratios.log().diff()
    return torch.cat([heights[:1], pieces]).cumsum(0) / 2 / math.log(2)


def distance_to_average(samples, x0):
    """How far each sample is from the average of the data set x0: (B,), root mean square a pixel.

    An average of many sprites is a fog; a sample that moved towards it has collapsed.
    """
    check_images("distance_to_average", "samples", samples)
    check_some("distance_to_average", "x0", x0)
    check_alike("distance_to_average", samples, x0)
    return ((samples - x0.mean(0)) ** 2).flatten(1).mean(1).sqrt()


def variety(samples):
    """How far each sample is from the others, on average: (B,), root mean square a pixel."""
    return mean_distances("variety", samples)


def mean_distances(where, samples):
    """`variety`, asked for by the function `where`."""
    check_images(where, "samples", samples)
    if len(samples) < 2:
        raise ValueError(f"{where}: samples holds {len(samples)}; expected 2 or more")
    points = samples.flatten(1).float()
    distances = torch.cdist(points, points) / points.shape[1] ** 0.5  # (B, B)
    return distances.sum(1) / (len(samples) - 1)


def variety_and_error(samples):
    """The mean of `variety`, and its standard error, as floats.

    It is a mean over pairs, and each pair has two ends: the error is twice what `mean_and_error`
    would make of the numbers (Hoeffding, "A class of statistics with asymptotically normal
    distribution", 1948, section 5).
    """
    mean, error = mean_and_error(mean_distances("variety_and_error", samples))
    return mean, 2 * error


def sharpness(samples):
    """How much neighbouring pixels differ: (B,), mean absolute difference, right and below."""
    check_images("sharpness", "samples", samples)
    if samples.shape[2:] == (1, 1):
        raise ValueError("sharpness: samples has images of 1x1; expected pixels with neighbours")
    right = samples.diff(dim=3).flatten(1)
    below = samples.diff(dim=2).flatten(1)
    return torch.cat([right, below], dim=1).abs_().mean(1)


def kernel_distance(samples, x0):
    """The kernel distance of two sets of pictures, a float: about 0 if one law drew both.

    samples    (M, C, H, W), M >= 2
    x0         (N, C, H, W), N >= 2, of other pictures: one that stands in both sets pulls it down

    The squared maximum mean discrepancy, unbiased (Bińkowski et al., 2018, arXiv 1801.01401,
    section 4), on the d pixels themselves, in float64:
        mean of k(x, x') + mean of k(y, y') - 2 mean of k(x, y),  k(x, y) = (x . y / d + 1)^3
    where a picture is never compared with itself. It may be below 0; `distance_floor` says how
    far it strays from 0 by chance.
    """
    x, y = check_two_sets("kernel_distance", samples, x0)

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def with_others(a):
        k = kernel(a, a)
        return (k.sum() - k.trace()) / (len(a) * (len(a) - 1))

    return float(with_others(x) + with_others(y) - 2 * kernel(x, y).mean())


def frechet_distance(samples, x0):
    """The Fréchet distance of two sets of pictures, a float: 0 for one mean and covariance.

    samples    (M, C, H, W), M >= 2
    x0         (N, C, H, W), N >= 2

    The squared distance between the two normal distributions that have the means m and the
    covariances C of both sets (Heusel et al., 2017, arXiv 1706.08500, equation 6), here of the
    pixels themselves, in float64:
        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))
    It sees nothing but means and covariances, and few pictures make it too large: see
    `distance_floor`.
    """
    x, y = check_two_sets("frechet_distance", samples, x0)
    c1, c2 = torch.cov(x.T).reshape(x.shape[1], -1), torch.cov(y.T).reshape(x.shape[1], -1)
    values, vectors = torch.linalg.eigh(c1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    both = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0)  # the eigenvalues of C1 C2
    apart = (x.mean(0) - y.mean(0)).square().sum()
    return float(apart + c1.trace() + c2.trace() - 2 * both.sqrt().sum())


def distance_floor(distance, x0, n, *, repeats=20, seed=0):
    """What a distance says of n pictures of a law and other pictures of the same law.

    distance   called as distance(samples, others), returns a number
    x0         (N, C, H, W) pictures of one law, N >= n + 2
    n          pictures that are compared with the N - n others
    repeats    times, each with other pictures
    seed       of the choice

    Returns (repeats,) float64. A set whose distance is within their range cannot be told from
    data by this distance and this many pictures. Data are drawn over and over from the same N,
    so that the numbers are a little closer to each other than fresh ones would be.
    """
    check_some("distance_floor", "x0", x0)
    check_count("distance_floor", "n", n, lowest=2, highest=max(2, len(x0) - 2))
    check_count("distance_floor", "repeats", repeats)
    check_count("distance_floor", "seed", seed, lowest=0, highest=2**63 - 1)
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(repeats):
        order = torch.randperm(len(x0), generator=generator).to(x0.device)
        found.append(float(distance(x0[order[:n]], x0[order[n:]])))
    return torch.tensor(found, dtype=torch.float64)


def check_two_sets(where, samples, x0):
    """Two sets of at least two pictures each, of one size, as (M, d) and (N, d) float64."""
    for name, x in (("samples", samples), ("x0", x0)):
        check_images(where, name, x)
        if len(x) < 2:
            raise ValueError(f"{where}: {name} holds {len(x)}; expected 2 or more")
    check_alike(where, samples, x0)
    return samples.detach().flatten(1).double(), x0.detach().flatten(1).double()


def check_alike(where, samples, x0):
    """The pictures of both sets have one size, and lie on one device."""
    if samples.shape[1:] != x0.shape[1:]:
        raise ValueError(
            f"{where}: x0 has shape {tuple(x0.shape)}; expected images like samples, "
            f"{tuple(samples.shape)}"
        )
    check_same_place(where, "x0", x0, "samples", samples)


def check_some(where, name, x):
    """`x` is a batch of at least one image."""
    check_images(where, name, x)
    if len(x) == 0:
        raise ValueError(f"{where}: {name} holds no images; expected (B, C, H, W), B >= 1")


def mean_and_error(values):
    """The mean of one number a sprite, and its standard error, std / sqrt(B), as floats."""
    values = torch.from_numpy(check_numbers("mean_and_error", "values", values))
    if values.ndim != 1 or len(values) < 2:
        shape = tuple(values.shape)
        raise ValueError(f"mean_and_error: values has shape {shape}; expected (B,), B >= 2")
    check_finite("mean_and_error", "values", values)
    return values.mean().item(), (values.std() / len(values) ** 0.5).item()
