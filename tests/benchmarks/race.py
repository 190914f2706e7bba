"""The race: how long until most samples are flawless. `python tests/benchmarks/race.py palette`

From fresh weights, with two threads, the units of training until 50, 80 and 90 % of 25-step samples
with contexts are flawless sprites to the judge. A unit is the time in which the course's network
trains 1,000 images (batch 100, Adam), taken in the same run before and after every stretch of
training: seconds mean nothing on shared machines. Neither that nor sampling nor judging is on the
clock; building the network and drawing the first sprites are not either.

    python tests/benchmarks/race.py palette --units 600
    python tests/benchmarks/race.py plain --units 20 --every 5 --samples 100

To enter: a function entry(draw, seconds) in ENTRIES that returns a run, such as `fit` gives: it is
iterated over, a step a turn, and its `model` is what is judged. `draw(n, generator)` gives forged
sprites of the split "train" and their contexts; `seconds` is about how long --units are here, for
an entry whose rates fall towards an end. A run that ends by itself ends the race.
"""

import argparse
import time

import torch
from reference_network import ReferenceUnet

from diffutils import fit, linear_schedule, perturb_input, sample_ddim
from diffutils.sprites import judge
from diffutils.train import WEIGHTS, forged
from diffutils.weights import KINDS

SCHEDULE = linear_schedule()
BARS = (0.5, 0.8, 0.9)
CONVICTION = 20.0  # of networks that vote, as `diffutils.train` writes them


def as_the_command_does(kind, **changed):
    """An entry: what `python -m diffutils.train --network kind` does."""

    def entry(draw, seconds):
        return fit(KINDS[kind](schedule=SCHEDULE), draw, schedule=SCHEDULE, seconds=seconds,
                   level_weights=WEIGHTS[kind], **changed)

    return entry


ENTRIES = {
    "palette": as_the_command_does("palette"),
    "palette in bfloat16": as_the_command_does("palette", bfloat16=True),
    "palette, batch 48": as_the_command_does("palette", batch_size=48),
    "plain": as_the_command_does("plain"),
}


class Clock:
    """Tells seconds of training in units of the course's network, timed before and after them."""

    def __init__(self, batches=3):
        self.nn_model, self.batches, self.units = ReferenceUnet(), batches, 0.0
        self.optimizer = torch.optim.Adam(self.nn_model.parameters(), lr=1e-3)
        self.generator = torch.Generator().manual_seed(0)
        self.train(1)
        self.unit = self.measure()

    def train(self, batches):
        for _ in range(batches):
            x0 = torch.rand(100, 3, 16, 16, generator=self.generator) * 2 - 1
            noise = torch.randn(x0.shape, generator=self.generator)
            i = torch.randint(1, 501, (100,), generator=self.generator)
            x_t = perturb_input(x0, i, noise, schedule=SCHEDULE)
            guess = self.nn_model(x_t, i / 500, torch.eye(5).repeat(20, 1))
            self.optimizer.zero_grad()
            (guess - noise).square().mean().backward()
            self.optimizer.step()

    def measure(self):
        """Seconds of 1,000 images now, from a few batches of 100."""
        start = time.perf_counter()
        self.train(self.batches)
        return 10 * (time.perf_counter() - start) / self.batches

    def add(self, seconds):
        """Counts training that has just taken so long."""
        before, self.unit = self.unit, self.measure()
        self.units += seconds / ((before + self.unit) / 2)


def train_for(steps, seconds):
    """Takes steps until that many seconds have gone; returns the seconds, and whether it ended."""
    start = time.perf_counter()
    for _ in steps:
        if time.perf_counter() - start >= seconds:
            return time.perf_counter() - start, False
    return time.perf_counter() - start, True


def flawless(nn_model, n):
    """Shares of pixels right and of flawless sprites in n, 25 steps, classes by turns."""
    training, before = nn_model.training, getattr(nn_model, "conviction", None)
    if before is not None:
        nn_model.conviction = CONVICTION
    samples, _ = sample_ddim(n, n=25, nn_model=nn_model.eval(), schedule=SCHEDULE, progress=False,
                             context=torch.eye(5).repeat(n // 5 + 1, 1)[:n],
                             generator=torch.Generator().manual_seed(1))
    if before is not None:
        nn_model.conviction = before
    nn_model.train(training)
    verdict = judge(samples)
    return verdict.correct.mean(), verdict.flawless.mean()


def race(run, clock, units, every, n, show=print):
    """Trains and judges by turns; returns the units at which each of BARS was first reached."""
    steps, reached, ended = iter(run), {}, False
    while not ended and clock.units < units and len(reached) < len(BARS):
        stretch = min(every, units - clock.units)
        seconds, ended = train_for(steps, stretch * clock.unit)
        clock.add(seconds)
        correct, share = flawless(run.model, n)
        reached |= {bar: clock.units for bar in BARS if share >= bar and bar not in reached}
        show(f"{clock.units:8.1f} units ({clock.unit:.2f} s each): {correct:.1%} of pixels, "
             f"{share:.1%} flawless")
    return reached, correct, share


def row(name, reached, clock, correct, share):
    cells = [f"{reached[bar]:.0f}" if bar in reached else "–" for bar in BARS]
    return (f"| {name} | {' | '.join(cells)} | {correct:.1%} of pixels, {share:.1%} flawless after "
            f"{clock.units:.0f} |")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("entry", choices=ENTRIES)
    add("--units", type=float, default=600, help="the race ends after so many")
    add("--every", type=float, default=10, help="units between two judgements")
    add("--samples", type=int, default=150, help="for each judgement")
    add("--threads", type=int, default=2)
    add("--seed", type=int, default=0, help="of the sprites and the first weights")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    draw, clock = forged(given.seed), Clock()
    torch.manual_seed(given.seed)
    run = ENTRIES[given.entry](draw, given.units * clock.unit)
    reached, correct, share = race(run, clock, given.units, given.every, given.samples,
                                   lambda line: print(line, flush=True))
    print("\n| entry | 50 % | 80 % | 90 % | at the end |\n|---|---|---|---|---|")
    print(row(given.entry, reached, clock, correct, share))


if __name__ == "__main__":
    main()
