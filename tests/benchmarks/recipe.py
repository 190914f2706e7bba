"""What was tried, each change alone: `python tests/benchmarks/recipe.py [name ...]`.

Every run sees the same 76,800 forged sprites (600 steps of 128) on one thread, then tells: CPU
seconds of training, the error of the noise at six levels on 500 sprites that it has not seen, above
the floor of the ideal denoiser of the whole grammar at those levels, and the share of pixels within
the judge's tolerance in 64 samples by 100 steps of DDIM. Differences below a tenth of a gap are
within what another seed gives.
"""

import sys
import time

import torch
from torch import nn

import diffutils.training as training
from diffutils import linear_schedule, perturb_input, sample_ddim
from diffutils.grammar import GrammarDenoiser
from diffutils.sprites import forge_sprites, judge
from diffutils.train import forged
from diffutils.unet import GROUPS, ContextUnet, ConvBlock

IMAGES, BATCH = 76_800, 128
LEVELS = (25, 50, 100, 200, 300, 400)
BOUND = training.level_weights


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


class WithAttention(ContextUnet):
    def __init__(self, **given):
        super().__init__(**given)
        self.middle.insert(1, Attention(self.shrink.out_channels))


class WithoutWhole(ContextUnet):
    """Four convolutions at 4x4 instead of the two looks at all places."""

    def __init__(self, **given):
        super().__init__(**given)
        narrow = self.shrink.out_channels
        self.middle = nn.ModuleList([ConvBlock(narrow, narrow) for _ in range(4)])


class WithConvolutions(ContextUnet):
    """Two convolutions at 4x4 between the two looks at all places."""

    def __init__(self, **given):
        super().__init__(**given)
        narrow, (first, last) = self.shrink.out_channels, self.middle
        between = [ConvBlock(narrow, narrow) for _ in range(2)]
        self.middle = nn.ModuleList([first, *between, last])


class Unchanged(nn.Module):
    def forward(self, x, e):
        return x


class WithoutConvolution(ContextUnet):
    """No block on the way up: each place is left to itself there."""

    def __init__(self, **given):
        super().__init__(**given)
        self.up = Unchanged()


class Nothing(nn.Module):
    def forward(self, x):
        return 0.0


class WithoutGlance(ContextUnet):
    """The embedding is told the level and the context alone."""

    def __init__(self, **given):
        super().__init__(**given)
        self.embed.glance = Nothing()


class WithoutPalette(ContextUnet):
    def learn_palette(self, colours):
        pass


class ChannelsFirst(ContextUnet):
    def __init__(self, **given):
        super().__init__(**given)
        self.to(memory_format=torch.contiguous_format)


def plain(schedule):
    return torch.ones(schedule.timesteps + 1)


def like_v(schedule):
    return (1 / schedule.alpha_bar).clamp(max=100).float()


def min_snr(schedule):
    """min(SNR, 5) / SNR: arXiv 2303.09556 for a network that guesses the noise."""
    snr = schedule.alpha_bar / (1 - schedule.alpha_bar).clamp(min=1e-9)
    return (snr.clamp(max=5) / snr).float()


VARIANTS = {
    "as shipped": {},
    "another seed": {"seed": 1},
    "no palette (v alone)": {"network": WithoutPalette},
    "plain loss": {"weights": plain},
    "loss of v": {"weights": like_v},
    "min-SNR-5": {"weights": min_snr},
    "attention at 4x4": {"network": WithAttention},
    "no look at all places": {"network": WithoutWhole},
    "no glance": {"network": WithoutGlance},
    "convolutions at 4x4": {"network": WithConvolutions},
    "no convolution at 8x8": {"network": WithoutConvolution},
    "hidden 64": {"hidden": 64},
    "hidden 320": {"hidden": 320},
    "48 channels": {"channels": 48},
    "96 channels": {"channels": 96},
    "rate 1e-3": {"learning_rate": 1e-3},
    "rate 6e-3": {"learning_rate": 6e-3},
    "batch 64": {"batch_size": 64},
    "batch 256": {"batch_size": 256},
    "no averaging": {"averaged": False},
    "bfloat16": {"bfloat16": True},
    "channels first": {"network": ChannelsFirst},
}


def train(sprites, *, network=ContextUnet, weights=BOUND, channels=64, hidden=160, seed=0,
          learning_rate=3e-3, batch_size=BATCH, averaged=True, bfloat16=False, schedule=None):
    """A trained network, its schedule, and the CPU seconds that it took."""
    schedule = schedule or linear_schedule()
    training.level_weights = weights
    torch.manual_seed(seed)
    nn_model = network(channels=channels, hidden=hidden, schedule=schedule)
    run = training.fit(nn_model, sprites, schedule=schedule, steps=IMAGES // batch_size,
                       batch_size=batch_size, seed=seed, learning_rate=learning_rate,
                       bfloat16=bfloat16)
    start = time.process_time()
    for _ in run:
        pass
    return (run.model if averaged else nn_model).eval(), schedule, time.process_time() - start


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


def main():
    torch.set_num_threads(1)
    sprites, x0 = forged(2026), unseen()
    floor = errors(GrammarDenoiser(schedule=linear_schedule()), x0, linear_schedule())
    print(f"{'':22}{'CPU s':>6}" + "".join(f"{i:>8}" for i in LEVELS) + f"{'pixels':>9}")
    print(f"{'floor, in 1e-3':28}" + "".join(f"{1e3 * f:8.2f}" for f in floor), flush=True)
    for name in sys.argv[1:] or VARIANTS:
        nn_model, schedule, seconds = train(sprites, **VARIANTS[name])
        gaps = [e - f for e, f in zip(errors(nn_model, x0, schedule), floor, strict=True)]
        samples, _ = sample_ddim(64, n=100, nn_model=nn_model, schedule=schedule, progress=False,
                                 generator=torch.Generator().manual_seed(0))
        correct = judge(samples).correct.mean()
        print(f"{name:22}{seconds:6.0f}" + "".join(f"{1e3 * g:8.2f}" for g in gaps)
              + f"{100 * correct:8.1f}%", flush=True)


if __name__ == "__main__":
    main()
