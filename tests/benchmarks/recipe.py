"""What was tried, each change alone: `python tests/benchmarks/recipe.py [name ...]`.

Every run sees the same 76,800 forged sprites (600 steps of 128) on one thread, then tells: steps,
CPU seconds of training, the error of the noise at six levels on 500 sprites that it has not seen,
above the floor of the ideal denoiser of the whole grammar at those levels, and the share of pixels
within the judge's tolerance in 64 samples by 100 steps of DDIM. Differences below a tenth of a gap
are within what another seed gives.

With `--seconds 300` each run lasts that long instead, at rate 4e-3 and in bfloat16, and the last
columns are the shares of flawless sprites in 1,000 by 25 steps of DDIM without and with a context.

With `--speed` nothing is trained, and only other networks are compared: medians of 20 rounds by
turns, on two threads, of the time that a forward of 32 sprites and a training step of 100 take.
"""

import argparse
import statistics
import time

import torch
from torch import nn

from diffutils import fit, linear_schedule, perturb_input, sample_ddim
from diffutils.grammar import GrammarDenoiser
from diffutils.sprites import forge_sprites, judge
from diffutils.train import forged
from diffutils.training import bound_weights, min_snr_weights
from diffutils.votes import GROUPS, ConvBlock, PaletteUnet, WholeBlock

IMAGES, BATCH = 76_800, 128
LONG, CONVICTION = {"learning_rate": 4e-3, "bfloat16": True}, 40.0
LEVELS = (25, 50, 100, 200, 300, 400)


class Attention(nn.Module):
    """Four heads over the places of the 4x4 maps, added to them; starts as identity."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.ask = nn.Conv2d(channels, 3 * channels, 1)
        self.answer = nn.Conv2d(channels, channels, 1)
        self.place = nn.Parameter(torch.zeros(channels, 4, 4))
        nn.init.zeros_(self.answer.weight)

    def forward(self, x, e):
        parts = self.ask(self.norm(x) + self.place).flatten(2).unflatten(1, (3, 4, -1))
        q, k, v = parts.transpose(-1, -2).unbind(1)  # (B, 4, 16, C / 4)
        h = nn.functional.scaled_dot_product_attention(q, k, v).transpose(-1, -2)
        return x + self.answer(h.reshape(x.shape))


class InTurn(nn.ModuleList):
    """Blocks one after another, each with the embedding."""

    def forward(self, x, e):
        for block in self:
            x = block(x, e)
        return x


class WithAttention(PaletteUnet):
    def __init__(self, **given):
        super().__init__(**given)
        self.middle = InTurn([Attention(self.shrink.out_channels), self.middle])


class WithoutWhole(PaletteUnet):
    """Four convolutions at 4x4 instead of the look at all places."""

    def __init__(self, **given):
        super().__init__(**given)
        narrow, size = self.shrink.out_channels, self.embed.mix.out_features
        self.middle = InTurn([ConvBlock(narrow, size) for _ in range(4)])


class WithConvolutions(PaletteUnet):
    """Two convolutions at 4x4 before the look at all places."""

    def __init__(self, **given):
        super().__init__(**given)
        narrow, size = self.shrink.out_channels, self.embed.mix.out_features
        self.middle = InTurn([ConvBlock(narrow, size), ConvBlock(narrow, size), self.middle])


class TwoLooks(PaletteUnet):
    """Two looks at all places, one after the other, each summed up in `hidden` numbers."""

    def __init__(self, hidden, **given):
        super().__init__(**given)
        narrow, size = self.shrink.out_channels, self.embed.mix.out_features
        self.middle = InTurn([WholeBlock(narrow, hidden, size) for _ in range(2)])


class Unchanged(nn.Module):
    def forward(self, x, e):
        return x


class WithoutConvolution(PaletteUnet):
    """No block on the way up: each place is left to itself there."""

    def __init__(self, **given):
        super().__init__(**given)
        self.up = Unchanged()


class Nothing(nn.Module):
    def forward(self, x):
        return 0.0


class WithoutGlance(PaletteUnet):
    """The embedding is told the level and the context alone."""

    def __init__(self, **given):
        super().__init__(**given)
        self.glance = Nothing()


class WithoutPalette(PaletteUnet):
    def learn_palette(self, colours):
        pass


class ChannelsFirst(PaletteUnet):
    def __init__(self, **given):
        super().__init__(**given)
        self.to(memory_format=torch.contiguous_format)


def plain(schedule):
    return torch.ones(schedule.timesteps + 1)


def like_v(schedule):
    return (1 / schedule.alpha_bar).clamp(max=100).float()


VARIANTS = {
    "as shipped": {},
    "another seed": {"seed": 1},
    "no palette (v alone)": {"network": WithoutPalette},
    "plain loss": {"level_weights": plain},
    "loss of v": {"level_weights": like_v},
    "min-SNR-5": {"level_weights": min_snr_weights},
    "attention at 4x4": {"network": WithAttention},
    "no look at all places": {"network": WithoutWhole},
    "two looks, hidden 160": {"network": TwoLooks, "hidden": 160},
    "no glance": {"network": WithoutGlance},
    "convolutions at 4x4": {"network": WithConvolutions},
    "no convolution at 8x8": {"network": WithoutConvolution},
    "hidden 64": {"hidden": 64},
    "hidden 512": {"hidden": 512},
    "32 channels": {"channels": 32},
    "64 channels": {"channels": 64},
    "96 channels": {"channels": 96},
    "rate 1e-3": {"learning_rate": 1e-3},
    "rate 6e-3": {"learning_rate": 6e-3},
    "batch 64": {"batch_size": 64},
    "batch 256": {"batch_size": 256},
    "no averaging": {"averaged": False},
    "bfloat16": {"bfloat16": True},
    "channels first": {"network": ChannelsFirst},
}


NETWORKS = [name for name, changed in VARIANTS.items()
            if changed.keys() <= {"network", "channels", "hidden"}]


def build(network=PaletteUnet, **sizes):
    return network(**sizes)


def train(sprites, *, level_weights=bound_weights, seed=0, learning_rate=3e-3, batch_size=BATCH,
          averaged=True, bfloat16=False, seconds=None, **network):
    """A trained network, the steps that it was trained, and the CPU seconds that they took."""
    torch.manual_seed(seed)
    nn_model = build(**network)
    length = {"seconds": seconds} if seconds else {"steps": IMAGES // batch_size}
    run = fit(nn_model, sprites, schedule=linear_schedule(), batch_size=batch_size, seed=seed,
              learning_rate=learning_rate, level_weights=level_weights, bfloat16=bfloat16, **length)
    start = time.process_time()
    for _ in run:
        pass
    return (run.model if averaged else nn_model).eval(), run.step, time.process_time() - start


def unseen(n=100):
    return torch.from_numpy(forge_sprites(n, 777)[0]).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def errors(nn_model, x0, schedule):
    """Mean squared error of the noise at each of LEVELS, the same noise for every network."""
    generator, found = torch.Generator().manual_seed(0), []
    for i in LEVELS:
        noise = torch.randn(x0.shape, generator=generator)
        guess = nn_model(perturb_input(x0, i, noise, schedule=schedule), torch.tensor([i / 500]))
        found.append(((guess - noise) ** 2).mean().item())
    return found


def draw(nn_model, n, steps, contexts=None):
    """The judge's verdict on n sprites, 100 or fewer at a time, contexts (5, 5) by turns."""
    generator, samples = torch.Generator().manual_seed(1), []
    for first in range(0, n, 100):
        count = min(100, n - first)
        context = None if contexts is None else contexts.repeat(count // 5, 1)
        samples.append(sample_ddim(count, n=steps, nn_model=nn_model, schedule=linear_schedule(),
                                   context=context, progress=False, generator=generator)[0])
    return judge(torch.cat(samples))


def quality(nn_model, long):
    """Shares in percent: correct pixels after a short run, flawless sprites after a long one."""
    if not long:
        return [100 * draw(nn_model, 64, 100).correct.mean()]
    nn_model.conviction = CONVICTION
    return [100 * draw(nn_model, 1000, 25, contexts).flawless.mean()
            for contexts in (None, torch.eye(5))]


def milliseconds(work, repeats):
    work()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return 1e3 * (time.perf_counter() - start) / repeats


def forward_of_32(nn_model):
    x, t = torch.randn(32, 3, 16, 16), torch.tensor([0.5])
    with torch.no_grad():
        return milliseconds(lambda: nn_model(x, t), 15)


def compare_speed(names, sprites):
    """Prints the table of `--speed`."""
    torch.set_num_threads(2)
    runs, forward, step = {}, {}, {}
    for name in names:
        nn_model = build(**VARIANTS[name])
        runs[name] = fit(nn_model, sprites, schedule=linear_schedule(), batch_size=100)
        forward[name], step[name] = [], []
    for _ in range(20):
        for name, run in runs.items():
            forward[name].append(forward_of_32(run.nn_model))
            step[name].append(milliseconds(run.train_step, 3))
    print(f"{'':22}{'parameters':>12}{'forward ms':>12}{'step ms':>10}")
    for name, run in runs.items():
        count = sum(p.numel() for p in run.nn_model.parameters())
        print(f"{name:22}{count:12,}{statistics.median(forward[name]):12.2f}"
              f"{statistics.median(step[name]):10.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(VARIANTS))
    parser.add_argument("--seconds", type=float, help="of each run, instead of 600 steps")
    parser.add_argument("--speed", action="store_true", help="no training: forwards and steps")
    given = parser.parse_args()
    if given.speed:
        return compare_speed(given.names or NETWORKS, forged(2026))
    long = {"seconds": given.seconds, **LONG} if given.seconds else {}
    torch.set_num_threads(1)
    sprites, x0 = forged(2026), unseen()
    floor = errors(GrammarDenoiser(schedule=linear_schedule()), x0, linear_schedule())
    print(f"{'':22}{'steps':>7}{'CPU s':>6}" + "".join(f"{i:>8}" for i in LEVELS)
          + f"{'flawless; with context' if long else 'pixels':>24}")
    print(f"{'floor, in 1e-3':35}" + "".join(f"{1e3 * f:8.2f}" for f in floor), flush=True)
    for name in given.names or VARIANTS:
        nn_model, steps, seconds = train(sprites, **long | VARIANTS[name])
        gaps = [e - f for e, f in zip(errors(nn_model, x0, linear_schedule()), floor, strict=True)]
        print(f"{name:22}{steps:7}{seconds:6.0f}" + "".join(f"{1e3 * g:8.2f}" for g in gaps)
              + "".join(f"{share:11.1f}%" for share in quality(nn_model, long)), flush=True)


if __name__ == "__main__":
    main()
