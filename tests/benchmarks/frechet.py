"""CPU seconds until samples look like real sprites, by Frechet distance, ours and the reference.

    python tests/benchmarks/frechet.py ours 5 15 45
    python tests/benchmarks/frechet.py reference 240

Each run trains on the course's file format in ../shared/data for the CPU seconds given, on one
thread, each number from scratch, and draws 512 sprites by 50 steps of DDIM; from ours also with
conviction 2, which README.md advises for real sprites. The distance is between 512 samples and the
training sprites, in the features of a fixed random network of convolutions that no one trained; of
two parts of the real sprites it is the floor.
"""

import sys
import time
from pathlib import Path

import torch
from reference_network import ReferenceUnet
from torch import nn

from diffutils import linear_schedule, perturb_input, sample_ddim
from diffutils.measure import frechet_distance
from diffutils.sprites.load import load_sprites
from diffutils.training import fit
from diffutils.votes import PaletteUnet

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "dungeon_sprites_16x16.npy"
SCHEDULE = linear_schedule()


def features(images):
    """(N, 256) numbers that a fixed random network sees in images (N, 3, 16, 16)."""
    generator = torch.Generator().manual_seed(0)
    h, parts = images.clamp(-1, 1), []
    for size_in, size_out in ((3, 64), (64, 64), (64, 128)):
        weight = torch.randn(size_out, size_in, 3, 3, generator=generator)
        weight *= (2 / 9 / size_in) ** 0.5
        h = nn.functional.relu(nn.functional.conv2d(h, weight, padding=1))
        parts.append(h.mean(dim=(2, 3)))
        h = nn.functional.avg_pool2d(h, 2)
    return torch.cat(parts, dim=1).double()


def frechet(one, other):
    """The distance of two sets of features, times 1000."""
    return 1000 * frechet_distance(one[..., None, None], other[..., None, None])


def train_ours(x0, contexts, budget):
    """`fit` by CPU seconds, with 48 sprites a step, which suits so short a run."""
    nn_model = PaletteUnet(n_context=contexts.shape[1], schedule=SCHEDULE)
    run = fit(nn_model, x0, schedule=SCHEDULE, contexts=contexts, seconds=budget, batch_size=48)
    run.agree = cpu_clock()
    for _ in run:
        pass
    return run.model, run.step * run.batch_size


def cpu_clock():
    """Makes a run count CPU seconds in place of its own."""
    last = time.process_time()

    def since(_, stops):
        nonlocal last
        last, before = time.process_time(), last
        return last - before, stops

    return since


def train_reference(x0, contexts, budget):
    """The course's recipe: batch 100, Adam 1e-3 falling linearly, the plain error of the noise."""
    nn_model = ReferenceUnet(n_context=contexts.shape[1])
    optimizer = torch.optim.Adam(nn_model.parameters(), lr=1e-3)
    start, images, spent = time.process_time(), 0, 0.0
    while spent < budget:
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - spent / budget)
        rows = torch.randint(len(x0), (100,))
        i, noise = torch.randint(1, 501, (100,)), torch.randn(100, *x0.shape[1:])
        c = contexts[rows] * (torch.rand(100, 1) >= 0.1)
        guess = nn_model(perturb_input(x0[rows], i, noise, schedule=SCHEDULE), i / 500, c)
        optimizer.zero_grad()
        nn.functional.mse_loss(guess, noise).backward()
        optimizer.step()
        images, spent = images + 100, time.process_time() - start
    return nn_model.eval(), images


def distance(nn_model, real):
    """From 512 samples to the features `real`."""
    samples, _ = sample_ddim(512, nn_model=nn_model, schedule=SCHEDULE, n=50, progress=False,
                             generator=torch.Generator().manual_seed(1))
    return frechet(features(samples), real)


def main():
    torch.set_num_threads(1)
    found = load_sprites(DATA)
    x0 = torch.from_numpy(found.images).permute(0, 3, 1, 2).float() / 127.5 - 1
    contexts = torch.from_numpy(found.contexts)
    real = features(x0)
    order = torch.randperm(len(x0), generator=torch.Generator().manual_seed(0))
    floor = frechet(real[order[:512]], real[order[512:]])
    print(f"floor, 512 real sprites against the others: {floor:.2f}")
    train = {"ours": train_ours, "reference": train_reference}[sys.argv[1]]
    for budget in map(float, sys.argv[2:]):
        torch.manual_seed(0)
        start = time.process_time()
        nn_model, images = train(x0, contexts, budget)
        spent = time.process_time() - start
        found = f"{distance(nn_model, real):.0f}"
        if sys.argv[1] == "ours":
            nn_model.conviction = 2.0
            found += f", with conviction 2 {distance(nn_model, real):.0f}"
        cost = f"{spent:8.1f} CPU s {images:9,} images"
        print(f"{sys.argv[1]:10}{cost}   distance {found}", flush=True)


if __name__ == "__main__":
    main()
