"""The ideal denoiser: the best answer that any network could give, in closed form, no training.

If the world held only the N sprites x0, a noisy picture x at level i came from sprite n with
probability

    share[n] ~ exp(-|x - sqrt(alpha_bar) x0[n]|^2 / (2 (1 - alpha_bar)))       (Bayes)

and the guess with the least squared error is the average of the sprites with those shares. The
noise is what is left. See Karras et al., arXiv 2206.00364, appendix B.3. Computed in float64 on the
CPU, wherever x lives, since not every accelerator has float64, and ROWS sprites at a time: a copy
of all of them in float64 would take twice the memory of the data set.
With contexts, p(class | sprite), it answers for a mixture of classes too: before x was seen, sprite
n then had the share sum over k of c[k] p(sprite n | class k), by which its own is multiplied.
It can only remember: sampled from, it returns the N sprites and nothing new.
"""

import torch

from diffutils.expect import (
    check_finite,
    check_floats,
    check_images,
    check_kind,
    check_levels,
    check_mixture,
    check_times,
)
from diffutils.noising import noise_in
from diffutils.schedule import NoiseSchedule

ROWS = 512


class IdealDenoiser:
    """Called like the network: `ideal(x, t)` is the best possible guess of the unit noise in x.

    x0         (N, C, H, W) the whole data set, in [-1, 1]; it is not copied, so leave it as it is
    schedule   a NoiseSchedule; t = i / timesteps is read back to the level i, 1..T
    contexts   (N, k) the probability of each class for each sprite, rows that add up to 1; or None
    `c` is a row of weights of the k classes, at least 0, (B, k) or (1, k): the law of that mixture
    of classes, one-hot that of one class; None is all sprites. Any other row is a ValueError.
    """

    def __init__(self, x0, *, schedule, contexts=None):
        check_kind("IdealDenoiser", "schedule", schedule, NoiseSchedule)
        check_images("IdealDenoiser", "x0", x0)
        if len(x0) == 0:
            raise ValueError("IdealDenoiser: x0 holds no sprites; expected (N, C, H, W), N >= 1")
        self.x0, self.schedule = x0, schedule
        self.points = x0.cpu().flatten(1).split(ROWS)  # of (ROWS, D) each, the last one of fewer
        self.squares = torch.cat([(part.double() ** 2).sum(1) for part in self.points])  # (N,)
        self.of_class = None if contexts is None else shares_of_classes(contexts, len(x0))  # (k, N)

    def __call__(self, x, t, c=None):
        """The guess of the noise, like x. t: (B,), () or (1, 1, 1, 1), the level i / timesteps."""
        self.check_images("IdealDenoiser", x)
        i = check_times("IdealDenoiser", t, x).cpu().double() * self.schedule.timesteps
        i = i.round().long() if len(i) > 1 else i.round().long().squeeze(0)
        i = check_levels("IdealDenoiser", "t", i, x, self.schedule.timesteps, lowest=1)
        x0 = self.average("IdealDenoiser", x, i, c).cpu().double()
        return noise_in(x.cpu().double(), i, x0, schedule=self.schedule).to(x)

    def guess_x0(self, x, i, c=None):
        """The average of the sprites weighted by their shares, like x."""
        return self.average("guess_x0", x, i, c)

    def average(self, where, x, i, c):
        """`guess_x0`, asked for by the function `where`."""
        shares = self.shares_for(where, x, i, c).split(ROWS, dim=1)
        pairs = zip(shares, self.points, strict=True)
        average = sum(share @ part.double() for share, part in pairs)  # (B, D)
        return average.reshape(x.shape).to(x)

    def shares(self, x, i, c=None):
        """The probability of each sprite given the noisy picture: (B, N) float64, rows sum to 1.

        x   (B, C, H, W) noisy images
        i   level, an integer 1..T, or (B,) integers; ValueError names any other
        """
        return self.shares_for("shares", x, i, c)

    def shares_for(self, where, x, i, c):
        """`shares`, asked for by the function `where`."""
        self.check_images(where, x)
        i = check_levels(where, "i", i, x, self.schedule.timesteps, lowest=1)
        alpha_bar = self.schedule.alpha_bar[i].reshape(-1, 1)
        x = x.cpu().double().flatten(1)
        products = torch.cat([x @ part.double().T for part in self.points], dim=1)
        agreement = alpha_bar.sqrt() * products  # (B, N)
        length = alpha_bar / 2 * self.squares
        belief = (agreement - length) / (1 - alpha_bar)
        return torch.softmax(belief + self.prior(where, x, c), dim=1)

    def prior(self, where, x, c):
        """The logarithm of each sprite's share before x was seen, up to a constant: (1 or B, N)."""
        if c is None:
            return 0
        if self.of_class is None:
            raise ValueError(f"{where}: c is given; this ideal was made without contexts")
        c = check_mixture(where, c, len(x), len(self.of_class))
        if (c @ self.of_class).sum(1).min() < 1 - 1e-6:
            raise ValueError(f"{where}: c asks for a class that no sprite has")
        return (c @ self.of_class).log()

    def effective_number(self, x, i, c=None):
        """How many sprites are still in the running: 1 / sum(share^2), (B,), from 1 to N."""
        return 1 / (self.shares_for("effective_number", x, i, c) ** 2).sum(1)

    def check_images(self, where, x):
        """x is a batch of images like those of x0."""
        check_images(where, "x", x)
        if x.shape[1:] != self.x0.shape[1:]:
            expected = ", ".join(str(size) for size in self.x0.shape[1:])
            raise ValueError(f"{where}: x has shape {tuple(x.shape)}; expected (B, {expected})")


def shares_of_classes(contexts, count):
    """p(sprite | class), (k, N) float64, from p(class | sprite), (N, k), of `count` sprites."""
    where = "IdealDenoiser"
    check_kind(where, "contexts", contexts, torch.Tensor)
    check_floats(where, "contexts", contexts)
    check_finite(where, "contexts", contexts)
    if contexts.ndim != 2 or len(contexts) != count or contexts.shape[1] == 0:
        raise ValueError(f"{where}: contexts has shape {tuple(contexts.shape)}; expected "
                         f"({count}, n_context), a row for each of x0")
    contexts = contexts.detach().double().cpu()
    if (contexts < 0).any() or ((contexts.sum(1) - 1).abs() > 1e-3).any():
        raise ValueError(f"{where}: contexts holds rows that are no probabilities of classes; "
                         "expected numbers of at least 0 that add up to 1")
    return (contexts / contexts.sum(0).clamp(min=1e-300)).T
