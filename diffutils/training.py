"""Training a network, and keeping what it learned.

    run = fit(nn_model, x0, schedule=schedule, steps=2000)
    for record in run:          one record a step; the caller owns progress and plots
        ...
    run.model                   at any moment the network to sample from

A step is `Run.train_step`: draw sprites, draw levels, draw noise, `perturb_input`, ask the network,
mean squared error, step (DDPM, arXiv 2006.11239, algorithm 1). What `fit` adds to it:
- a weight for each level, the one it has in the bound on the likelihood (eq. 12);
- contexts replaced by zeros, one in ten, so that the network also learns sprites without one
  (classifier-free guidance, arXiv 2207.12598, algorithm 1);
- the palette: the 127 most frequent colours of 4,096 of the sprites, which the network votes on;
- a learning rate that climbs for the first steps and then falls to zero at the end;
- gradients no longer than 1, so that one odd batch cannot throw the network off;
- an average of the weights over the last tenth of the steps, which is what one samples from.
"""

import math
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.optim.adamw import adamw
from torch.optim.swa_utils import AveragedModel

from diffutils.checkpoints import resume, save_checkpoint, settings_of
from diffutils.expect import (
    check_budget,
    check_count,
    check_data,
    check_kind,
    check_number,
    check_surroundings,
    place_of,
    unwrap,
)
from diffutils.interrupts import before_termination, interrupts_held
from diffutils.noising import perturb_input
from diffutils.pixels import to_float, to_uint8
from diffutils.schedule import check_schedule

BANDS = 5
WARMUP_STEPS = 100
CONTEXT_DROPOUT = 0.1
CHECKPOINT_EVERY = 500


@dataclass
class Record:
    """What one step of training tells.

    step                counts from 1
    loss                mean squared error of the guessed noise, unweighted, over the batch
    loss_by_band        the same over the images in each fifth of the levels, lowest levels first;
                        nan where the batch had none
    images_per_second   over the whole run so far
    seconds             spent training so far
    """

    step: int
    loss: float
    loss_by_band: list
    images_per_second: float
    seconds: float


def bound_weights(schedule):
    """How much the error at each level counts, (T + 1,): beta / (1 - alpha_bar), as in the bound.

    The sum of these times the squared errors bounds how far the samples are from the data (DDPM,
    eq. 12, with alpha near 1). Scaled to 1 at level T and cut at 4, since below level 25 a pixel
    is rarely wrong, but then by far.
    """
    weight = schedule.beta / (1 - schedule.alpha_bar).clamp(min=1e-9)
    return (weight / weight[-1]).clamp(max=4).float()


def min_snr_weights(schedule):
    """The same, min(SNR, 5) / SNR: little where there is little noise (arXiv 2303.09556, sec. 3.4).

    SNR = alpha_bar / (1 - alpha_bar). A network that does not know its colours by heart would
    spend most of its steps on noise that nobody sees.
    """
    noise = 1 - schedule.alpha_bar
    return (5 * noise / schedule.alpha_bar.clamp(min=1e-9)).clamp(max=1).float()


def fit(
    nn_model, x0, *, schedule, contexts=None, steps=None, seconds=None, batch_size=128, seed=0,
    learning_rate=3e-3, level_weights=bound_weights, context_dropout=CONTEXT_DROPOUT,
    checkpoint=None, accelerator=None, bfloat16=False,
):  # fmt: skip
    """A training run, ready to be iterated over: each turn is one step and gives one `Record`.

    nn_model        the network to train, in place; called as nn_model(x, t, c)
    x0              (N, 3, H, W) float32 sprites in [-1, 1]; or a function draw(n, generator) that
                    returns fresh sprites and their contexts (or None), for an endless supply
    schedule        the NoiseSchedule whose levels 1..T are drawn
    contexts        (N, n_context) floats, or None to train without
    steps, seconds  the budget: the run ends, its learning rate at zero, when the first of them is
                    spent; with neither it goes on at a steady rate until the caller stops it
    batch_size      sprites a step
    seed            of every random draw: with `steps`, the same seed gives the same run
    learning_rate   the highest of the run (AdamW)
    level_weights   how much the error at each level counts: bound_weights, min_snr_weights, or
                    another function of the schedule that returns (T + 1,) floats
    context_dropout the share of contexts that are replaced by zeros, 0..1
    checkpoint      a file: written at once, every 500 steps and when the loop is left, and gone on
                    from if it is there and of the same run; with `steps`, a run gone on with ends
                    bit-equal to one that was never stopped
    accelerator     accelerate.Accelerator for several devices: each takes its share of the batch
    bfloat16        multiply in bfloat16, weights and the network's last sums in float32: half as
                    fast again on a processor made for it, slower on any other
    Raises ValueError or TypeError naming the argument before any work is done, OSError where the
    checkpoint cannot be written; later, as when the disk fills up, a warning says so instead.
    """
    return Run(nn_model, x0, schedule, contexts, steps, seconds, batch_size, seed,
               learning_rate, level_weights, context_dropout, checkpoint, accelerator, bfloat16)


class Run:
    """The iterable that `fit` returns. It can be left and taken up again at any step."""

    def __init__(self, nn_model, x0, schedule, contexts, steps, seconds, batch_size, seed,
                 learning_rate, level_weights, context_dropout, checkpoint, accelerator,
                 bfloat16):
        check_kind("fit", "nn_model", nn_model, torch.nn.Module)
        check_schedule("fit", nn_model, schedule)
        check_budget("fit", steps, seconds)
        check_count("fit", "batch_size", batch_size, highest=2**20)
        check_count("fit", "seed", seed, lowest=0, highest=2**63 - 1)
        check_number("fit", "learning_rate", learning_rate, 0, 100)
        check_number("fit", "context_dropout", context_dropout, 0, 1)
        check_kind("fit", "bfloat16", bfloat16, bool)
        check_surroundings("fit", checkpoint, accelerator, batch_size)
        plain = unwrap(nn_model)
        self.draw = sprite_drawer(x0, contexts, getattr(plain, "n_context", None))
        self.schedule, self.steps, self.budget = schedule, steps, seconds
        self.batch_size, self.seed, self.learning_rate = batch_size, seed, learning_rate
        self.step, self.seconds, self.accelerator = 0, 0.0, accelerator
        self.context_dropout = context_dropout
        self.bfloat16, self.process, self.processes = bfloat16, 0, 1
        self.generator = torch.Generator().manual_seed(seed)
        self.weight = level_weights(schedule)
        self.nn_model, (self.device, self.dtype) = nn_model, place_of("fit", plain)
        if hasattr(plain, "learn_palette"):
            some, _ = self.draw(4096, torch.Generator().manual_seed(seed))
            plain.learn_palette(frequent_colours(some))
        if accelerator is not None:
            self.nn_model = accelerator.prepare(nn_model)
            self.device, self.processes = accelerator.device, accelerator.num_processes
            self.process = accelerator.process_index
        self.optimizer = AdamW(plain)
        self.averaged = AveragedModel(plain, multi_avg_fn=average_last_tenth)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        if self.checkpoint is not None:
            self.settings = settings_of(self, x0, contexts)
            resume(self.checkpoint, self)
            self.save()
        self.saved = self.step

    @property
    def model(self):
        """The averaged network: what to sample from, at any moment."""
        return self.averaged.module

    def __iter__(self):
        with before_termination(self.keep if self.checkpoint else None):
            try:
                while not self.finished():
                    with interrupts_held() as signals:
                        record = self.advance(signals)
                    yield record
            finally:  # however the loop is left, the checkpoint is of that moment
                self.keep()
        self.let_go()

    def advance(self, signals=()):
        """One step, its clock and its record; a step that fails leaves the run as it was."""
        start, before = time.perf_counter(), self.generator.get_state()
        try:
            error, levels = self.train_step()
        except BaseException:
            self.generator.set_state(before)
            raise
        self.step += 1
        seconds, stop = self.agree(time.perf_counter() - start, len(signals))
        self.seconds += seconds
        if stop or self.step % CHECKPOINT_EVERY == 0 or self.finished():
            self.keep()
        return self.record(error, levels)

    def train_step(self):
        """One step of algorithm 1; returns the error (B,) of each image and its level (B,)."""
        x0, c = self.draw_batch()
        i = torch.randint(1, self.schedule.timesteps + 1, (len(x0),), generator=self.generator)
        noise = torch.randn(x0.shape, generator=self.generator, dtype=torch.float32)
        x0, c, i, noise = self.share(x0, c, i, noise)

        x_t = perturb_input(x0, i, noise, schedule=self.schedule)
        t = (i / self.schedule.timesteps).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            pred_noise = self.nn_model(x_t, t, c)
        error = ((pred_noise - noise) ** 2).mean(dim=(1, 2, 3))
        loss = (self.weight[i].to(error) * error).mean()

        self.nn_model.zero_grad()
        self.backward(loss, len(i))
        torch.nn.utils.clip_grad_norm_(self.nn_model.parameters(), 1.0)
        self.optimizer.step(self.rate())
        self.averaged.update_parameters(unwrap(self.nn_model))
        return error.detach(), i

    def draw_batch(self):
        """Sprites (B, 3, H, W) and their contexts, of which a share is replaced by zeros."""
        x0, c = self.draw(self.batch_size, self.generator)
        if c is not None:
            drawn = torch.rand(len(c), 1, dtype=torch.float32, generator=self.generator)
            c = c * (drawn >= self.context_dropout)
        return x0, c

    def share(self, *batch):
        """This process's part of the batch, on its device; levels stay on the CPU, as tables do."""
        part = [None if b is None else b[self.process :: self.processes] for b in batch]
        return [b if b is None or not b.is_floating_point() else b.to(self.device, self.dtype)
                for b in part]

    def agree(self, *numbers):
        """Their means over the processes, so that all end, and stop, at the same step."""
        if self.accelerator is None:
            return numbers
        numbers = torch.tensor(numbers, dtype=torch.float32, device=self.device)
        return self.accelerator.reduce(numbers, reduction="mean").tolist()

    def backward(self, loss, n):
        """The gradients of the mean over the batch, of which this process had n."""
        if self.accelerator is None:
            loss.backward()
        else:  # it takes the mean of the processes' gradients: a larger share counts for more
            self.accelerator.backward(loss * (n * self.processes / self.batch_size))

    def progress(self):
        """How much of the budget is spent, 0 to 1; 0 forever where there is none."""
        by_step = 0 if self.steps is None else self.step / self.steps
        by_time = 0 if self.budget is None else self.seconds / self.budget
        return min(1.0, max(by_step, by_time))

    def finished(self):
        return self.progress() >= 1

    def rate(self):
        """The learning rate: climbs for 100 steps, or a tenth of a short run; falls to zero."""
        climb = min(1.0, max((self.step + 1) / WARMUP_STEPS, 10 * self.progress()))
        fall = 0.5 + 0.5 * math.cos(math.pi * self.progress())
        return self.learning_rate * climb * fall

    def record(self, error, levels):
        if self.accelerator is not None:
            error, levels = self.gather(error, levels)
        band = (levels - 1) * BANDS // self.schedule.timesteps
        bands = [error[band == b].mean().item() for b in range(BANDS)]
        rate = self.step * self.batch_size / self.seconds
        return Record(self.step, error.mean().item(), bands, rate, self.seconds)

    def gather(self, error, levels):
        """Those of all processes; a share that is short by one is filled up with level 0."""
        pairs = torch.stack([error, levels.to(error)], dim=1)  # (b, 2)
        largest = -(-self.batch_size // self.processes)
        pairs = torch.nn.functional.pad(pairs, (0, 0, 0, largest - len(pairs)))
        error, levels = self.accelerator.gather(pairs).cpu().T
        return error[levels > 0], levels[levels > 0].long()

    def keep(self):
        """Writes the checkpoint, if a step was made since; training goes on if it cannot be."""
        try:
            if self.step != self.saved:
                self.save()
        except (OSError, ValueError) as error:
            warnings.warn(f"fit: no checkpoint of step {self.step}: {error}", stacklevel=3)

    def let_go(self):
        """Frees what a next step would have needed: one gradient and two moments a weight."""
        self.nn_model.zero_grad()
        self.optimizer, self.saved = None, self.step

    def save(self):
        if self.checkpoint is not None and self.process == 0:
            save_checkpoint(self.checkpoint, self)
        self.saved = self.step


class AdamW:
    """AdamW (arXiv 1711.05101, algorithm 2) through the function of that name in torch.optim: the
    class there imports torch's compiler first, a second and 70 MB in every student's kernel."""

    def __init__(self, nn_model):
        self.parameters = dict(nn_model.named_parameters())
        self.moments = {name: {"step": torch.zeros((), device=p.device),
                               "exp_avg": torch.zeros_like(p, requires_grad=False),
                               "exp_avg_sq": torch.zeros_like(p, requires_grad=False)}
                        for name, p in self.parameters.items()}

    @torch.no_grad()
    def step(self, learning_rate):
        """One step along the gradients of the parameters that have one."""
        moved = {name: p for name, p in self.parameters.items() if p.grad is not None}
        step, mean, square = ([self.moments[name][kind] for name in moved]
                              for kind in ("step", "exp_avg", "exp_avg_sq"))
        adamw([*moved.values()], [p.grad for p in moved.values()], mean, square, [], step,
              lr=learning_rate, beta1=0.9, beta2=0.99, weight_decay=0.01, eps=1e-8,
              amsgrad=False, maximize=False, fused=True)


def sprite_drawer(x0, contexts, n_context):
    """The function draw(n, generator) for a fixed set of sprites: n of them, with replacement.

    x0 itself where it is such a function; n_context is what the network wants, None if anything.
    """
    if callable(x0):
        if contexts is not None:
            raise ValueError("fit: contexts is given, but x0 is a function that returns its own")
        return x0
    check_data("fit", x0, contexts, n_context)

    def draw(n, generator):
        rows = torch.randint(len(x0), (n,), generator=generator)
        return x0[rows], None if contexts is None else contexts[rows]

    return draw


def frequent_colours(x0):
    """The colours (n, 3) in [-1, 1] of sprites x0 (N, 3, H, W), the most frequent first."""
    grey = np.concatenate([to_uint8(some) for some in x0.split(256)]).reshape(-1, 3)
    packed = sum(grey[:, k] * np.uint32(256 ** (2 - k)) for k in range(3))
    packed, counts = np.unique(packed, return_counts=True)
    packed = packed[np.argsort(-counts, kind="stable")]
    colours = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8)
    return to_float(colours[:, None, None])[:, :, 0, 0]


def average_last_tenth(averaged, current, count):
    """The running mean of the weights, the newest counting 10 / (n + 10) (arXiv 2312.02696)."""
    torch._foreach_lerp_(averaged, current, 10 / (float(count) + 10))
