"""Both networks on a GPU: `PYTHONPATH=. python tests/on_gpu.py`, at most 8 minutes, one table.

For each network, in float32 and in bfloat16:
- `fit` on the card and, in float32, on the CPU, by the same random draws: each fifth of the two
  loss curves has the same mean within 3 standard errors of the CPU's;
- images a second of training, batches of 128 and of 2,048;
- `sample_ddim` on both from the same starts, with the weights just trained: the mean difference;
- seconds for 512 sprites by all 500 steps of `sample_ddpm`.
Exits 1 where a curve or the samples are not those of the CPU.

    PYTHONPATH=. python tests/on_gpu.py --device cpu --quick     # tries the script where none is
"""

import argparse
import copy
import platform
import sys
import time
from dataclasses import dataclass

import torch

from diffutils import fit, linear_schedule, sample_ddim, sample_ddpm
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites
from diffutils.train import WEIGHTS
from diffutils.weights import KINDS

PARTS, ERRORS = 5, 3  # parts of a curve, and the standard errors that they may differ by
ALIKE = {False: 0.02, True: 0.2}  # the mean difference of samples, in bfloat16 or not


@dataclass
class Sizes:
    """How much is done; the second column of numbers is that of --quick."""

    sprites: int  # 5000 or 20
    levels: int  # 500 or 10
    steps: int  # 250 or 20
    batch: int  # 128 or 4
    large: int  # 2048 or 8
    samples: int  # 512 or 2


FULL, QUICK = Sizes(5000, 500, 250, 128, 2048, 512), Sizes(20, 10, 20, 4, 8, 2)


def data(sizes):
    images, contexts, _ = forge_sprites(sizes.sprites, 0)
    return to_float(images), torch.from_numpy(contexts)


def begin(kind, device, bfloat16, sizes, batch):
    """A run from the weights and random draws of seed 0."""
    torch.manual_seed(0)
    schedule = linear_schedule(sizes.levels)
    x0, contexts = data(sizes)
    return fit(KINDS[kind](schedule=schedule).to(device), x0, schedule=schedule, contexts=contexts,
               steps=sizes.steps, batch_size=batch, level_weights=WEIGHTS[kind], bfloat16=bfloat16)


def curve(run):
    return torch.tensor([record.loss for record in run])


def furthest(losses, expected):
    """The largest difference of the means of a part of two curves, in standard errors."""
    pairs = zip(losses.chunk(PARTS), expected.chunk(PARTS), strict=True)
    apart = [(a.mean() - b.mean()).abs() / (b.std() / len(b) ** 0.5) for a, b in pairs]
    return torch.stack(apart).max().item()


def finish_work(device):
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work, device):
    finish_work(device)
    start = time.perf_counter()
    work()
    finish_work(device)
    return time.perf_counter() - start


def train_rate(kind, device, bfloat16, sizes, batch):
    """Images a second over a tenth of the steps, after the first few."""
    steps = sizes.steps // 10
    run = begin(kind, device, bfloat16, sizes, batch)
    for _ in range(3):
        run.train_step()
    return steps * batch / seconds(lambda: [run.train_step() for _ in range(steps)], device)


def sample(sampler, nn_model, device, bfloat16, n_sample, seed_on="cpu", **options):
    """Samples; the generator's device decides where noise is drawn, and so which it is."""
    generator = torch.Generator(seed_on).manual_seed(1)
    with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bfloat16):
        return sampler(n_sample, device, nn_model=nn_model, schedule=nn_model.schedule,
                       progress=False, generator=generator, **options)[0]


def difference(nn_model, device, bfloat16):
    """The mean difference of 16 samples drawn on the device and on the CPU."""
    ours = sample(sample_ddim, nn_model, device, bfloat16, 16, n=10)
    expected = sample(sample_ddim, copy.deepcopy(nn_model).cpu(), "cpu", False, 16, n=10)
    return (ours.float().cpu() - expected).abs().mean().item()


def check(kind, device, bfloat16, sizes, expected):
    """A row of the table, and what is not as on the CPU, if anything."""
    run = begin(kind, device, bfloat16, sizes, sizes.batch)
    losses = curve(run)
    rates = [train_rate(kind, device, bfloat16, sizes, batch)
             for batch in (sizes.batch, sizes.large)]
    nn_model = run.model.eval()
    spent = seconds(lambda: sample(sample_ddpm, nn_model, device, bfloat16, sizes.samples, device,
                                   save_rate=sizes.levels), device)
    apart, between = furthest(losses, expected), difference(nn_model, device, bfloat16)
    name = f"{kind}, {'bfloat16' if bfloat16 else 'float32'}"
    end = len(losses) // PARTS
    row = (f"| {name} | {expected[-end:].mean():.4f} | {losses[-end:].mean():.4f} | {apart:.1f} "
           f"| {rates[0]:,.0f} | {rates[1]:,.0f} | {between:.4f} | {spent:.1f} |")
    wrong = []
    if not apart <= ERRORS:  # nan is wrong too
        wrong.append(f"{name}: the loss curve is {apart:.1f} standard errors from the CPU's")
    if not between <= ALIKE[bfloat16]:
        wrong.append(f"{name}: samples differ from the CPU's by {between:.4f} a pixel")
    return row, wrong


def card(device):
    """The name of the device, for the table."""
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    return f"{platform.machine()}, {torch.get_num_threads()} threads"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="seconds, tiny sizes, figures useless")
    given = parser.parse_args(arguments)
    if torch.device(given.device).type == "cuda" and not torch.cuda.is_available():
        sys.exit(f"on_gpu.py: torch {torch.__version__} sees no CUDA device here; to try the "
                 "script itself: --device cpu --quick")
    sizes, faults, start = QUICK if given.quick else FULL, [], time.perf_counter()
    print(f"{card(given.device)}, torch {torch.__version__}\n")
    print(f"| network | loss, CPU | loss, {given.device} | apart, errors | images/s, {sizes.batch} "
          f"| images/s, {sizes.large} | samples apart "
          f"| {sizes.samples} in {sizes.levels} steps, s |")
    print("|---" * 8 + "|")
    for kind in KINDS:
        expected = curve(begin(kind, "cpu", False, sizes, sizes.batch))
        for bfloat16 in (False, True):
            row, wrong = check(kind, given.device, bfloat16, sizes, expected)
            faults += wrong
            print(row, flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s;", *(faults or ["all as on the CPU"]), sep="\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
