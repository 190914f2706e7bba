"""Speed side by side: `python tests/benchmarks/speed.py [threads [rounds]]`, one table.

Each network in turn, three rounds or as many as asked, best of each: images a second at batch 100
(forward, backward, step), seconds for 32 sprites by 500 steps of DDPM and by 25 of DDIM, our two
with the shipped weights (those of a fresh network are easier to compute with). Then for each of
ours its training in bfloat16, as `fit(..., bfloat16=True)` does it, what share of the machine's own
convolution rate its training in float32 reaches, and what share it would reach if all but its
convolutions and matrix products took no time. Last, the judge's time for a spoiled sprite.
"""

import sys
import time

import torch
from reference_network import ReferenceUnet, diffusers_unet
from torch.profiler import ProfilerActivity, profile

from diffutils import linear_schedule, perturb_input, sample_ddim, sample_ddpm
from diffutils.pixels import to_float, to_uint8
from diffutils.sprites import forge_sprites, judge
from diffutils.weights import KINDS, load_pretrained, pretrained_path

SCHEDULE = linear_schedule()
PRODUCTS = {"aten::mkldnn_convolution", "aten::convolution_backward", "aten::addmm", "aten::mm"}


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


def judge_seconds(count=100):
    """Seconds a picture that the judge takes for sprites in a little noise, none of them legal."""
    x0 = to_float(forge_sprites(count, seed=0)[0])
    spoiled = to_uint8(perturb_input(x0, 50, torch.randn_like(x0), schedule=SCHEDULE))
    judge(spoiled[:2])
    return seconds(lambda: judge(spoiled)) / count


def flops_of(nn_model):
    """Forward floating-point operations of convolutions and matrix products, for one sprite."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        nn_model(torch.randn(1, 3, 16, 16), torch.tensor(0.5))
    return counter.get_total_flops()


def fresh(kind):
    """A network as training begins with it; one that votes has its colours."""
    nn_model = KINDS[kind]()
    if kind == "palette":
        nn_model.learn_palette(torch.rand(127, 3) * 2 - 1)
    return nn_model


def by_turns(networks, drawing, rounds):
    """Of each network the best images a second, seconds of 500 steps and of 25; and in bfloat16."""
    results, lean = {name: [] for name in networks}, {name: [] for name in KINDS}
    for _ in range(rounds):
        for name, nn_model in networks.items():
            results[name].append((train_rate(nn_model), sample_seconds(drawing[name], sample_ddpm),
                                  sample_seconds(drawing[name], sample_ddim, n=25)))
        for name in lean:
            lean[name].append(train_rate(networks[name], bfloat16=True))
    best = {}
    for name, found in results.items():
        rates, long, short = zip(*found, strict=True)
        best[name] = max(rates), min(long), min(short)
    return best, {name: max(rates) for name, rates in lean.items()}


def compare(name, nn_model, best, lean, peak, rounds):
    """Prints what one of our networks gains over the course's, and where its time goes."""
    (rate, long, short), (slow_rate, slow_long, slow_short) = best[name], best["reference"]
    print(f"\n{name} trains {rate / slow_rate:.1f} times as fast as the reference, samples "
          f"{slow_long / long:.1f} times (500 steps) and {slow_short / short:.1f} times (25)")
    print(f"in bfloat16 it trains {lean:.0f} images/s, {lean / slow_rate:.1f} times")
    used = 3 * flops_of(nn_model) * rate / 1e9
    print(f"training uses {used:.0f} GFLOP/s; a bare convolution of its size reaches {peak:.0f}: "
          f"{used / peak:.2f}")
    share = min(time_in_products(nn_model) for _ in range(rounds))
    print(f"its products take {share:.0%} of a step; if the rest took no time, they would reach "
          f"{used / share / peak:.2f}")


def main(arguments=None):
    given = [int(number) for number in (sys.argv[1:] if arguments is None else arguments)]
    threads, rounds = (given + [2, 3][len(given):])[:2]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    ours = {kind: fresh(kind) for kind in KINDS}
    networks = ours | {"reference": ReferenceUnet(), "diffusers": diffusers_unet()}
    drawing = networks | {kind: load_pretrained(kind)[0] for kind in KINDS}
    best, lean = by_turns(networks, drawing, rounds)
    peak = max(convolution_rate() for _ in range(rounds))
    print(f"{torch.get_num_threads()} threads, best of {rounds} alternating rounds")
    print(f"{'':12}{'parameters':>12}{'file MB':>9}{'images/s':>10}{'500 steps s':>13}"
          f"{'25 steps s':>12}")
    for name, (rate, long, short) in best.items():
        count = sum(p.numel() for p in networks[name].parameters())
        size = f"{pretrained_path(name).stat().st_size / 1e6:.1f}" if name in KINDS else ""
        print(f"{name:12}{count:12,}{size:>9}{rate:10.0f}{long:13.2f}{short:12.3f}")
    for name, nn_model in ours.items():
        compare(name, nn_model, best, lean[name], peak, rounds)
    reading = min(judge_seconds() for _ in range(rounds))
    print(f"\nthe judge reads a spoiled sprite in {1000 * reading:.1f} ms")


if __name__ == "__main__":
    main()
