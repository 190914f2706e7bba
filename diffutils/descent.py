"""A sampling run on its way down: the levels it visits, what it asks the network, what it keeps.

A sampler is a loop over `Descent.steps()`; what it does between two levels is its own, what all of
them share is here. The network is anything called as nn_model(x, t, c=None) that returns its guess
of the unit noise, with t = i / timesteps of shape (1, 1, 1, 1).
"""

from dataclasses import dataclass
from itertools import pairwise
from reprlib import repr as short

import torch

from diffutils.expect import (
    MOST_NUMBERS,
    as_array,
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
from diffutils.noising import predict_x0
from diffutils.schedule import NoiseSchedule, check_schedule


@dataclass
class Trajectory:
    """What a sampling run looked like on its way, at the levels that were kept.

    levels     the K levels, from the highest down
    x          (K, B, C, H, W) the images at each of them
    eps        like x, the network's guess of the noise; zero at level 0, where none is left, and
               nan at a last level above 0, where nobody was asked
    schedule   the NoiseSchedule of the run
    calls      how often the network was asked; guidance asks twice a step, of scale 0 once
    x0         like x, the sprites that x and eps point at; at level 0 the samples, and nan where
               eps is
    """

    levels: list
    x: torch.Tensor
    eps: torch.Tensor
    schedule: NoiseSchedule
    calls: int = 0

    @property
    def x0(self):
        """Worked out each time it is asked for, since it would take as much memory as x."""
        kept = zip(self.levels, self.x, self.eps, strict=True)
        return torch.stack([eps if eps.isnan().all() else
                            predict_x0(x, i, eps, schedule=self.schedule)
                            for i, x, eps in kept])  # fmt: skip


class Descent:
    """One run of the sampler `where`; its other arguments are those of `sample_ddpm`.

    kept   says of a level whether the trajectory keeps it, besides the first and the last
    x      (n_sample, 3, H, W) the images where the run is now, at first `start` or N(0, 1)
    """

    def __init__(self, where, n_sample, device, levels, kept, *, nn_model, schedule, height, start,
                 context, guidance, generator, progress):  # fmt: skip
        check_count(where, "n_sample", n_sample)
        check_count(where, "height", height)
        if n_sample * 3 * height**2 > MOST_NUMBERS:
            raise ValueError(
                f"{where}: n_sample and height ask for more than {MOST_NUMBERS} numbers"
            )
        check_callable(where, "nn_model", nn_model)
        check_schedule(where, nn_model, schedule)
        check_kind(where, "progress", progress, bool)
        if generator is not None:
            check_kind(where, "generator", generator, torch.Generator)
        device = check_device(where, home_of(start, generator) if device is None else device)
        self.where, self.nn_model, self.schedule, self.progress = (
            where, nn_model, schedule, progress)  # fmt: skip
        self.levels = check_way(where, levels, schedule.timesteps)
        self.context = check_context(where, "n_sample", n_sample, context, guidance, device)
        self.guidance, self.generator = guidance, generator
        shape = (n_sample, 3, height, height)
        if start is None:
            start = draw_noise(shape, generator).to(device)
            parameters = getattr(unwrap(nn_model), "parameters", list)()
            if any(p.dtype == torch.float64 for p in parameters):
                start = start.double()
        self.x = check_start(where, start, shape).to(device)
        if self.context is not None and self.x.dtype == torch.float64:
            self.context = self.context.double()
        last = len(self.levels) - 1
        levels = [i for k, i in enumerate(self.levels) if k in (0, last) or kept(i)]
        shape = (len(levels), *self.x.shape)
        self.trajectory = Trajectory(levels, self.x.new_empty(shape), self.x.new_empty(shape),
                                     schedule)

    def steps(self):
        """The pairs (i, j): from level i down to level j."""
        steps = list(pairwise(self.levels))
        if not self.progress:
            return steps
        from tqdm.auto import tqdm

        return tqdm(steps, desc="sampling", unit="step", leave=False)

    def guess(self, i):
        """The guess of the noise in the images at level i, where the run is now; it is kept."""
        eps = self.ask(self.x, i)
        if i in self.trajectory.levels:
            self.keep(i, eps)
        return eps

    def ask(self, x, i):
        """The guess of the noise in any images at level i."""
        scale = scale_at(self.where, self.guidance, i)
        self.trajectory.calls += 1 if scale is None or scale == 0 else 2
        return ask(self.where, self.nn_model, x, i, self.schedule, self.context, scale)

    def fresh_noise(self):
        """N(0, 1) like the images, in the order of draws of the course's snippet."""
        return normal_like(self.x, self.generator)

    def keep(self, i, eps):
        """Writes the images at level i and the guess eps into the trajectory."""
        k = self.trajectory.levels.index(i)
        self.trajectory.x[k], self.trajectory.eps[k] = self.x, eps

    def finish(self):
        """(samples, Trajectory)"""
        last = self.levels[-1]
        self.keep(last, 0 if last == 0 else torch.nan)
        return self.x, self.trajectory


def home_of(start, generator):
    """Where to compute: where the start is, or the generator, or the CPU."""
    for given in (start, generator):
        if hasattr(given, "device"):
            return given.device
    return "cpu"


def even_levels(where, n, timesteps):
    """The n + 1 levels that n steps visit, as even as integers can be: T first, 0 last."""
    check_count(where, "n", n, highest=timesteps)
    return [timesteps * k // n for k in range(n, -1, -1)]


def check_way(where, levels, timesteps):
    """The levels to visit as a list: two or more integers, each below the one before."""
    levels = as_array(where, "levels", levels)
    falling = levels.ndim == 1 and len(levels) > 1 and levels.dtype.kind in "iu"
    if not falling or not (levels[1:] < levels[:-1]).all():
        raise ValueError(f"{where}: levels is {short(levels.tolist())}; expected integers, two or "
                         "more, each below the one before")
    if levels[0] > timesteps or levels[-1] < 0:
        raise ValueError(f"{where}: levels go from {levels[0]} to {levels[-1]}; this schedule has "
                         f"levels 0..{timesteps}")
    return levels.tolist()


def check_start(where, start, shape):
    """`start` is images of this shape, in any floating point."""
    check_images(where, "start", start)
    if start.shape != shape:
        raise ValueError(f"{where}: start has shape {tuple(start.shape)}; expected {shape}, "
                         "(n_sample, 3, height, height)")
    return start


def guess_noise(nn_model, x, i, *, schedule, context=None, guidance=None):
    """The network's guess at level i, guided by a context as `sample_ddpm` describes; like x."""
    where = "guess_noise"
    check_callable(where, "nn_model", nn_model)
    check_schedule(where, nn_model, schedule)
    check_images(where, "x", x)
    check_count(where, "i", i, lowest=0, highest=schedule.timesteps)
    context = check_context(where, "x", len(x), context, guidance, x.device)
    return ask(where, nn_model, x, i, schedule, context, scale_at(where, guidance, i))


def scale_at(where, guidance, i):
    """The scale of guidance at level i; None where the conditional model is asked alone."""
    scale = guidance(i) if callable(guidance) else guidance
    if scale is not None:
        check_number(where, "guidance", scale, -1000, 1000)
    return scale


def ask(where, nn_model, x, i, schedule, context=None, guidance=None):
    """What `guess_noise` returns, from arguments that were checked; the answer is checked here."""
    exact = torch.promote_types(x.dtype, torch.float32)
    t = torch.tensor([i / schedule.timesteps], dtype=exact, device=x.device)[:, None, None, None]
    nn_model = unwrap(nn_model, compiled=False)

    def guess(x, *c):
        eps = nn_model(x, t, *c)
        check_like(where, "what nn_model returns", eps, "x", x)
        return eps

    if context is None or guidance == 0:
        return guess(x)
    if guidance is None:
        return guess(x, context)
    if hasattr(nn_model, "n_context"):  # a network of ours: zeros are no context, to all of them
        context = context.expand(len(x), -1)
        both = torch.cat([context, torch.zeros_like(context)])
        eps_with, eps_without = guess(torch.cat([x, x]), both).chunk(2)
    else:
        eps_with, eps_without = guess(x, context), guess(x)
    return eps_without + guidance * (eps_with - eps_without)


def check_context(where, name, count, context, guidance, device):
    """The context as floats on the device, or None; guidance without a context is an error.

    It has one row for each of the `count` images that the argument `name` asks for, or one for all.
    """
    if guidance is not None:
        if not callable(guidance):
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
