"""Speed side by side: `python tests/benchmarks/speed.py [threads [rounds]]`, one table.

Each network in turn, three rounds or as many as asked, best of each: images a second at batch 100
(forward, backward, step), seconds for 32 sprites by 500 steps of DDPM and by 25 of DDIM, ours with
the shipped weights (those of a fresh network are easier to compute with). Then our training in
bfloat16, as `fit(..., bfloat16=True)` does it, what share of the machine's own convolution rate
our training in float32 reaches, and what share it would reach if all but its convolutions and
matrix products took no time.
"""

import sys
import time

import torch
from reference_network import ReferenceUnet, diffusers_unet
from torch.profiler import ProfilerActivity, profile

from diffutils import linear_schedule, perturb_input, sample_ddim, sample_ddpm
from diffutils.votes import PaletteUnet
from diffutils.weights import load_pretrained

SCHEDULE = linear_schedule()
PRODUCTS = {"aten::mkldnn_convolution", "aten::convolution_backward", "aten::addmm", "aten::mm"}
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def step_of(nn_model, bfloat16):
    optimizer = torch.optim.AdamW(nn_model.parameters(), lr=1e-4, fused=True)
    x0, c = torch.rand(100, 3, 16, 16) * 2 - 1, torch.eye(5).repeat(20, 1)

    def step():
        i, noise = torch.randint(1, 501, (100,)), torch.randn_like(x0)
        x_t = perturb_input(x0, i, noise, schedule=SCHEDULE)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            guess = nn_model(x_t, i / 500, c)
        optimizer.zero_grad()
        ((guess - noise) ** 2).mean().backward()
        optimizer.step()

    return step


def train_rate(nn_model, steps=8, bfloat16=False):
    nn_model.train()
    step = step_of(nn_model, bfloat16)
    step()
    return 100 * steps / seconds(lambda: [step() for _ in range(steps)])


def sample_seconds(nn_model, sampler, **options):
    nn_model.eval()
    return seconds(lambda: sampler(32, nn_model=nn_model, schedule=SCHEDULE, progress=False,
                                   **options))


def convolution_rate(channels=48, height=8, batch=100):
    """GFLOP/s of a plain 3x3 convolution forward and backward, as our widest maps use it."""
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(batch, channels, height, height).to(memory_format=torch.channels_last)
    x.requires_grad_()

    def work():
        for _ in range(10):
            layer(x).sum().backward()

    work()
    return 10 * 3 * 2 * 9 * channels**2 * height**2 * batch / seconds(work) / 1e9


def time_in_products(nn_model, steps=8):
    """The share of a training step that its convolutions and matrix products take."""
    step = step_of(nn_model.train(), bfloat16=False)
    step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(steps):
            step()
    spent = {event.key: event.self_cpu_time_total for event in found.key_averages()}
    products = sum(spent.get(name, 0) for name in PRODUCTS)
    return products / sum(spent.values())


def flops_of(nn_model):
    """Forward floating-point operations of convolutions and matrix products, for one sprite."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        nn_model(torch.randn(1, 3, 16, 16), torch.tensor(0.5))
    return counter.get_total_flops()


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    torch.manual_seed(0)
    networks = {"ours": PaletteUnet(), "reference": ReferenceUnet(), "diffusers": diffusers_unet()}
    networks["ours"].learn_palette(torch.rand(127, 3) * 2 - 1)
    drawing = networks | {"ours": load_pretrained()[0]}
    results, lean = {name: [] for name in networks}, []
    for _ in range(ROUNDS):
        for name, nn_model in networks.items():
            results[name].append((train_rate(nn_model), sample_seconds(drawing[name], sample_ddpm),
                                  sample_seconds(drawing[name], sample_ddim, n=25)))
        lean.append(train_rate(networks["ours"], bfloat16=True))
    peak = max(convolution_rate() for _ in range(ROUNDS))
    print(f"{torch.get_num_threads()} threads, best of {ROUNDS} alternating rounds")
    print(f"{'':12}{'parameters':>12}{'images/s':>10}{'500 steps s':>13}{'25 steps s':>12}")
    best = {}
    for name, nn_model in networks.items():
        rates, long, short = zip(*results[name], strict=True)
        best[name] = (max(rates), min(long), min(short))
        count = sum(p.numel() for p in nn_model.parameters())
        print(f"{name:12}{count:12,}{max(rates):10.0f}{min(long):13.2f}{min(short):12.3f}")
    ours, reference = best["ours"], best["reference"]
    print(f"trains {ours[0] / reference[0]:.1f} times as fast as the reference, "
          f"samples {reference[1] / ours[1]:.1f} times")
    print(f"in bfloat16 it trains {max(lean):.0f} images/s, {max(lean) / reference[0]:.1f} times")
    used = 3 * flops_of(networks["ours"]) * ours[0] / 1e9
    print(f"training uses {used:.0f} GFLOP/s; a bare convolution of its size reaches {peak:.0f}: "
          f"{used / peak:.2f}")
    share = min(time_in_products(networks["ours"]) for _ in range(ROUNDS))
    print(f"its products take {share:.0%} of a step; if the rest took no time, they would reach "
          f"{used / share / peak:.2f}")


if __name__ == "__main__":
    main()
