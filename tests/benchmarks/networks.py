"""What the two networks know and what they do not: `python tests/benchmarks/networks.py`.

    python tests/benchmarks/networks.py plain palette                     # all three sections
    python tests/benchmarks/networks.py mine.safetensors --sections moved skips
    python tests/benchmarks/networks.py run.checkpoint --sections noise --samples 64 --steps 100

A network is "plain" or "palette", as shipped, or a file: weights, or a checkpoint of a run, whose
average is taken. Sections, each a table for every network:

moved   the loss on held-out sprites where they stand and moved by 2 pixels, white moving in, for
        sprites that stay whole and those that are cut. Answering 0 has a loss of 1.
skips   the loss with zeros in place of what the skips carry, times that of the whole.
noise   samples with and without the noise that is put back, the same starts, by what the eye
        sees and by the judge, against training sprites; and a picture of eight of each.

Losses are mean squared errors of the unit noise, without context, with votes as trained
(conviction 1); samples are drawn with the conviction that is in the file.
"""

import argparse
import contextlib
from pathlib import Path

import torch
from safetensors.torch import load_file

from diffutils import NoiseSchedule, load_pretrained, load_weights, perturb_input, sample_ddpm
from diffutils.measure import distance_to_average, mean_and_error, sharpness, variety_and_error
from diffutils.pixels import to_float
from diffutils.sprites import forge_sprites, judge
from diffutils.sprites.judge import TOLERANCE
from diffutils.stage.figures import show_rows
from diffutils.weights import KINDS

MOVES = {"up": (-2, 0), "down": (2, 0), "left": (0, -2), "right": (0, 2)}  # rows, columns
MOVED_LEVELS, SKIP_LEVELS = (60, 150, 300), (40, 60, 100, 150)
AVERAGED = "state.averaged.module."
SEED = 2718


def load(name):
    """The network of a kind, a weights file or a checkpoint, ready to be asked."""
    if name in KINDS:
        return load_pretrained(name)[0].eval()
    if Path(name).suffix != ".checkpoint":
        return load_weights(name)[0].eval()
    state = {key.removeprefix(AVERAGED): tensor for key, tensor in load_file(name).items()
             if key.startswith(AVERAGED)}
    nn_model = KINDS["palette" if "palette" in state else "plain"]()
    nn_model.load_state_dict(state)
    return nn_model.eval()


def sprites(n, seed=SEED, split="train"):
    return to_float(forge_sprites(n, seed, split=split)[0])


@contextlib.contextmanager
def voting_as_trained(nn_model):
    """Conviction 1 inside; nothing to do for a network that does not vote."""
    before = getattr(nn_model, "conviction", None)
    if before is not None:
        nn_model.conviction = 1.0
    yield nn_model
    if before is not None:
        nn_model.conviction = before


@torch.no_grad()
def losses(nn_model, x0, i, seed=SEED):
    """The mean squared error of the same noise in each sprite at level i, (B,)."""
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    schedule = nn_model.schedule
    x_t = perturb_input(x0, i, noise, schedule=schedule)
    with voting_as_trained(nn_model):
        eps = nn_model(x_t, torch.tensor([i / schedule.timesteps]))
    return (eps - noise).square().mean(dim=(1, 2, 3))


# Moved by two pixels -----------------------------------------------------------------------------


def moved(x0, rows, columns):
    """Sprites x0 moved down by rows and right by columns; what moves in is white."""
    height, width = x0.shape[2:]
    place = torch.full_like(x0, 1.0)
    place[:, :, max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)] = (
        x0[:, :, max(-rows, 0) : height + min(-rows, 0),
           max(-columns, 0) : width + min(-columns, 0)])
    return place


def stays_whole(x0, rows, columns):
    """bool (B,): a sprite moved there and back again is what it was."""
    again = moved(moved(x0, rows, columns), -rows, -columns)
    return (again == x0).flatten(1).all(1)


def table_of_moves(nn_model, x0):
    """Prints losses of whole and cut sprites, and how many times those where they stand."""
    print("| level | moved | whole | loss | moved | ratio | cut | loss | moved | ratio |")
    print("|---" * 10 + "|")
    for i in MOVED_LEVELS:
        still, every = losses(nn_model, x0, i), []
        for name, move in MOVES.items():
            there, whole = losses(nn_model, moved(x0, *move), i), stays_whole(x0, *move)
            every.append((still, there, whole))
            print(f"| {i} | {name} | {compared(*every[-1])} |")
        print(f"| {i} | all | {compared(*map(torch.cat, zip(*every, strict=True)))} |", flush=True)


def compared(still, there, whole):
    """Cells of a row: count, loss, loss moved and their ratio, for whole sprites and for cut."""
    cells = []
    for part in (whole, ~whole):
        before, after = still[part].mean(), there[part].mean()
        found = [f"{before:.3f}", f"{after:.3f}", f"{after / before:.1f}"]
        cells += [f"{part.sum()}", *(found if part.any() else "–––")]
    return " | ".join(cells)


# Without skips -----------------------------------------------------------------------------------


@contextlib.contextmanager
def skips_cut(nn_model):
    """Inside, the way up gets zeros where the maps of the way down come in."""
    hooks = cut_sum(nn_model) if hasattr(nn_model, "vote") else cut_halves(nn_model)
    try:
        yield nn_model
    finally:
        for hook in hooks:
            hook.remove()


def cut_halves(nn_model):
    """The plain network: skips are the second half of the channels of up1 and up2."""

    def cut(block, given):
        x, e = given
        below, skip = x.chunk(2, dim=1)
        return torch.cat([below, 0 * skip], dim=1), e

    return [block.register_forward_pre_hook(cut) for block in (nn_model.up1, nn_model.up2)]


def cut_sum(nn_model):
    """The palette network: the skip is added to what `grow` brings up, which alone goes on."""
    brought = []

    def keep(layer, given, maps):
        brought[:] = [maps]

    return [nn_model.grow.register_forward_hook(keep),
            nn_model.up.register_forward_pre_hook(lambda block, given: (brought[0], given[1]))]


def table_of_skips(nn_model, x0):
    print("| level | loss | with the skips cut | times |\n|---|---|---|---|")
    for i in SKIP_LEVELS:
        whole = losses(nn_model, x0, i).mean()
        with skips_cut(nn_model):
            cut = losses(nn_model, x0, i).mean()
        print(f"| {i} | {whole:.3f} | {cut:.3f} | {cut / whole:.1f} |", flush=True)


# Without the noise that is put back --------------------------------------------------------------


def colours_used(samples):
    """How many colours each sprite needs, (B,): balls of the judge's tolerance that hold it.

    The ball around the pixel that has most others within TOLERANCE grey levels comes first, and
    takes them away; then the next. A flat sprite needs as many as it is painted with, noise and
    smooth shades need more.
    """
    pixels = ((samples.clamp(-1, 1) + 1) * 127.5).round().flatten(2).transpose(1, 2)  # (B, 256, 3)
    counts = []
    for one in pixels:
        near = torch.cdist(one, one, p=torch.inf) <= TOLERANCE  # (256, 256)
        left, count = torch.ones(len(one), dtype=torch.bool), 0
        while left.any():
            best = (near & left).sum(1).argmax()
            left, count = left & ~near[best], count + 1
        counts.append(count)
    return torch.tensor(counts, dtype=torch.float64)


def seen_in(samples, average):
    """What the eye sees and what the judge says, a text with its standard error each."""
    samples, verdict = samples.clamp(-1, 1), judge(samples.clamp(-1, 1))
    numbers = (mean_and_error(distance_to_average(samples, average)), variety_and_error(samples),
               mean_and_error(sharpness(samples)))
    cells = ["{:.3f} ± {:.3f}".format(*pair) for pair in numbers]
    cells += ["{:.1f} ± {:.1f}".format(*mean_and_error(colours_used(samples)))]
    for share in (verdict.correct, verdict.flawless):
        mean, error = mean_and_error(torch.from_numpy(100.0 * share))
        cells += [f"{mean:.1f} ± {error:.1f} %"]
    return cells


def shorter(schedule, steps):
    """The schedule of `steps` of its levels, evenly spaced: the same alpha_bar at k / steps."""
    every, rest = divmod(schedule.timesteps, steps)
    if rest:
        raise SystemExit(f"--steps is {steps}; expected a divisor of {schedule.timesteps}")
    alpha_bar = schedule.alpha_bar[::every]
    return NoiseSchedule(1 - alpha_bar[1:] / alpha_bar[:-1])


def draw_both(nn_model, n, steps, context=None, seed=SEED):
    """n samples with the noise put back and n without, from the same starts."""
    schedule = shorter(nn_model.schedule, steps)
    return [sample_ddpm(n, save_rate=steps, nn_model=lambda x, t, c=None: nn_model(x, t, c),
                        schedule=schedule, context=context, inject_noise=put_back, progress=False,
                        generator=torch.Generator().manual_seed(seed))[0]
            for put_back in (True, False)]


def table_of_noise(nn_model, n, steps, picture, context=None):
    average = sprites(2000, SEED + 1)
    put_back, none = draw_both(nn_model, n, steps, context)
    print("| | distance to average | variety | sharpness | colours | pixels right | flawless |")
    print("|---" * 7 + "|")
    rows = {"training sprites": sprites(n), "all noise put back": put_back, "none": none}
    for name, samples in rows.items():
        print(f"| {name} | {' | '.join(seen_in(samples, average))} |", flush=True)
    show_rows([put_back[:8], none[:8]], ["noise put back", "none put back"], scale=5).save(picture)
    print(f"\neight of each: {picture}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("networks", nargs="*", default=[*KINDS], help="plain, palette, weights or checkpoints")
    add("--sections", nargs="+", default=["moved", "skips", "noise"],
        choices=["moved", "skips", "noise"])
    add("--sprites", type=int, default=500, help="held-out sprites for the losses")
    add("--samples", type=int, default=256, help="samples with and without the noise")
    add("--steps", type=int, default=500, help="of the samples; a divisor of the 500 levels")
    add("--context", action="store_true", help="samples of all five classes by turns")
    add("--pictures", default=".", help="the folder for the pictures")
    given = parser.parse_args(arguments)
    Path(given.pictures).mkdir(parents=True, exist_ok=True)  # before any work is done
    x0 = sprites(given.sprites, split="held_out")
    context = torch.eye(5).repeat(given.samples // 5 + 1, 1)[: given.samples]
    for name in given.networks:
        nn_model = load(name)
        if "moved" in given.sections:
            print(f"\n{name}: moved by 2 pixels\n")
            table_of_moves(nn_model, x0)
        if "skips" in given.sections:
            print(f"\n{name}: the skips cut\n")
            table_of_skips(nn_model, x0)
        if "noise" in given.sections:
            print(f"\n{name}: without the noise that is put back\n")
            table_of_noise(nn_model, given.samples, given.steps,
                           Path(given.pictures) / f"{Path(name).stem}.png",
                           context if given.context else None)


if __name__ == "__main__":
    main()
