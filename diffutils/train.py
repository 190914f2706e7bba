"""Trains a network for sampling sprites: `python -m diffutils.train`.

Without arguments it trains what comes with diffutils: forged sprites, all five classes, contexts
dropped one time in ten. Under `accelerate launch -m diffutils.train`, or `torchrun`, the same
command trains on one GPU, several, or several machines. What it writes is judged, and says how it
was judged.
"""

import argparse
import dataclasses
import errno
import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from diffutils.commands import (
    Parser,
    as_typed,
    count,
    is_inside,
    is_same_place,
    number,
    run_command,
)
from diffutils.expect import check_device
from diffutils.files import checksum
from diffutils.interrupts import Terminated, termination_raised
from diffutils.pixels import to_float, to_uint8
from diffutils.sampling import sample_ddim, sample_ddpm
from diffutils.schedule import linear_schedule
from diffutils.sprites import forge_sprites
from diffutils.sprites.forge import CLASSES, training_counts
from diffutils.training import CONTEXT_DROPOUT, bound_weights, fit, min_snr_weights
from diffutils.weights import KINDS, kind_of, load_weights, save_weights, weights_metadata

PROGRAM = "python -m diffutils.train"
WEIGHTS = {"palette": bound_weights, "plain": min_snr_weights}  # what each learns best with
SAMPLE_EVERY = 20  # sheets of samples a run


@dataclasses.dataclass
class Sprites:
    """What a network is trained on: called as draw(n, generator), it gives n sprites and contexts.

    images       list of uint8 (n, H, W, 3), one entry a class; classes are drawn equally often
    contexts     list of float32 (n, k), likewise
    factors      the factors of forged sprites, for the judge; None for other sprites
    class_names  what each of the k numbers of a context stands for
    """

    images: list
    contexts: list
    factors: np.ndarray | None = None
    class_names: tuple = ()

    def __call__(self, n, generator):
        counts = torch.tensor([len(images) for images in self.images])
        classes = torch.randint(len(counts), (n,), generator=generator)
        place = torch.rand(n, generator=generator, dtype=torch.float64)
        rows = (place * counts[classes]).long().tolist()
        pairs = list(zip(classes.tolist(), rows, strict=True))
        x0 = to_float(np.stack([self.images[k][row] for k, row in pairs]))
        c = torch.from_numpy(np.stack([self.contexts[k][row] for k, row in pairs]))
        return x0, c

    def checksum(self):
        """SHA-256 of all images and contexts."""
        arrays = enumerate(self.images + self.contexts)
        return checksum({f"{k:04}": torch.from_numpy(array) for k, array in arrays})


def forged(seed):
    """Forged sprites of the split "train": of each class 60,000, or a quarter of those it has.

    How many of each, and why no more, says `training_counts`.
    """
    draws = [forge_sprites(n, seed, classes=[name]) for name, n in training_counts().items()]
    images, contexts, factors = (list(part) for part in zip(*draws, strict=True))
    return Sprites(images, contexts, np.concatenate(factors), CLASSES)


def loaded(options, show=True):
    """The student's own sprites, as `load_sprites` reads them; classes are drawn equally often."""
    from diffutils.sprites.load import load_sprites

    source = (options.sprites, options.labels) if options.labels else options.sprites
    found = load_sprites(source, height=options.height, cell=options.cell, spacing=options.spacing)
    classes = found.contexts.argmax(axis=1)
    if show:
        counts = np.bincount(classes, minlength=len(found.class_names))
        shown = [f"{k} {name} ({n})" for k, (name, n) in
                 enumerate(zip(found.class_names, counts, strict=True))]
        print(found.report, f"classes: {', '.join(shown)}", sep="\n", file=sys.stderr)
    groups = [classes == k for k in np.unique(classes)]
    return Sprites([found.images[g] for g in groups], [found.contexts[g] for g in groups],
                   class_names=found.class_names)


def main(arguments=None):
    options = parse(arguments)
    if options.judge:
        return judge_again(options)
    accelerator = make_accelerator(options.device)
    first = accelerator is None or accelerator.is_main_process
    sprites = forged(options.seed) if options.sprites is None else loaded(options, show=first)
    nn_model, schedule = begin(sprites.class_names, options)
    nn_model.to(accelerator.device if accelerator else options.device)
    run = fit(nn_model, sprites, schedule=schedule, steps=options.steps, seconds=options.seconds,
              batch_size=options.batch_size, seed=options.seed + bool(options.weights),
              learning_rate=options.learning_rate,
              level_weights=WEIGHTS[kind_of("train", nn_model)],
              context_dropout=options.context_dropout, checkpoint=options.checkpoint,
              accelerator=accelerator, bfloat16=options.bfloat16)
    told_to_end = False
    try:
        with termination_raised():
            train(run, options, show=first)
    except KeyboardInterrupt as stop:
        told_to_end = isinstance(stop, Terminated)
        print("stopped: keeping what was learned so far", file=sys.stderr)
    if first:
        finish(run, sprites, schedule, options, judged=not told_to_end)
    if told_to_end:
        raise SystemExit(128 + signal.SIGTERM)


def begin(class_names, options):
    """The network to train, fresh or from --weights, and its schedule."""
    n_context = len(class_names)
    if options.weights:
        nn_model, schedule = load_weights(options.weights)
        known = tuple(weights_metadata(options.weights)["class_names"])
        if known and known != tuple(class_names):
            print(f"--weights: {options.weights} knows the classes {', '.join(known)}; these "
                  f"sprites have {', '.join(class_names)}, in this order", file=sys.stderr)
        if nn_model.n_context != n_context:
            raise SystemExit(f"--weights: {options.weights} has contexts of {nn_model.n_context}; "
                             f"these sprites have {n_context} classes")
        set_conviction(nn_model, 1.0)
        return nn_model.train(), schedule
    schedule = linear_schedule()
    torch.manual_seed(options.seed)
    sizes = {name: getattr(options, name) for name in ("channels", "hidden")}
    sizes = {name: size for name, size in sizes.items() if size is not None}
    return KINDS[options.network](n_context=n_context, schedule=schedule, **sizes), schedule


def set_conviction(nn_model, conviction):
    """Tells a network that votes how bold to be; another has nothing to tell."""
    if hasattr(nn_model, "conviction"):
        nn_model.conviction = conviction


def train(run, options, show):
    """Steps until the budget is spent, with a bar; a sheet of samples at each twentieth of it."""
    from tqdm.auto import tqdm

    sheets = int(run.progress() * SAMPLE_EVERY)
    with tqdm(total=100, unit="%", disable=not show, initial=round(100 * run.progress(), 2),
              bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}") as bar:
        for record in run:
            bar.update(100 * run.progress() - bar.n)
            bar.set_postfix(step=record.step, loss=f"{record.loss:.4f}",
                            images_per_second=round(record.images_per_second), refresh=False)
            if show and options.samples and int(run.progress() * SAMPLE_EVERY) > sheets:
                sheets = int(run.progress() * SAMPLE_EVERY)
                try:
                    save_sheet(run, options, record.step)
                except OSError as error:  # a full disk costs the sheet, not the run
                    print(f"no sheet of step {record.step}: {error}", file=sys.stderr)


def save_sheet(run, options, step):
    """A PNG of 32 samples by 25 DDIM steps, the same noise each time, four times enlarged."""
    from PIL import Image

    samples = draw(run.model, run.schedule, 32, options, n=25)
    sheet = to_uint8(samples).reshape(4, 8, *samples.shape[2:], 3)
    sheet = sheet.transpose(0, 2, 1, 3, 4).reshape(4 * samples.shape[2], -1, 3)
    folder = Path(options.samples)
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(sheet).resize((4 * sheet.shape[1], 4 * sheet.shape[0]), 0)
    picture.save(folder / f"step_{step:07}.png")


def draw(nn_model, schedule, n_sample, options, n=None, context=None):
    """Samples (n_sample, 3, H, W) by n steps of DDIM, or by all of DDPM's, with a fixed seed."""
    device = next(nn_model.parameters()).device
    same = {"nn_model": nn_model, "schedule": schedule, "height": options.height,
            "generator": torch.Generator(device).manual_seed(options.seed), "progress": False}
    parts = []
    for first in range(0, n_sample, 100):
        count = min(100, n_sample - first)
        c = None if context is None else context[first : first + count].to(device)
        if n is None:
            samples, _ = sample_ddpm(count, device, schedule.timesteps, context=c, **same)
        else:
            samples, _ = sample_ddim(count, device, n, context=c, **same)
        parts.append(samples)
    return torch.cat(parts)


def finish(run, sprites, schedule, options, judged=True):
    """Writes the averaged network, judges it, which takes minutes, and writes it with its scores.

    judged   False where there is no time for it: SIGTERM is followed by worse within seconds
    """
    scores = {"step": run.step, "seconds": round(run.seconds), "batch_size": run.batch_size}
    set_conviction(run.model, options.conviction)
    story = {"command": as_typed(PROGRAM, options.command), "data_checksum": sprites.checksum(),
             "class_names": sprites.class_names}
    write(run.model, story, scores, options)
    if judged and sprites.factors is not None and options.score:
        try:
            scores |= measure(run.model, schedule, sprites.factors, options)
        except KeyboardInterrupt:
            print("stopped: what is written has not been judged", file=sys.stderr)
        else:
            write(run.model, story, scores, options)


def judge_again(options):
    """Judges weights that are there already, of forged sprites, and writes them with scores."""
    nn_model, schedule = load_weights(options.judge)
    story, sprites = weights_metadata(options.judge), forged(options.seed)
    if story["data_checksum"] != sprites.checksum():
        raise SystemExit(f"{options.judge} was not trained on the sprites of --seed {options.seed}")
    set_conviction(nn_model, options.conviction)
    kept = {k: v for k, v in story["scores"].items() if not k.startswith("dd")}
    scores = kept | measure(nn_model, schedule, sprites.factors, options)
    kept_story = {k: story[k] for k in ("command", "data_checksum", "class_names")}
    write(nn_model, kept_story, scores, options)


def write(nn_model, story, scores, options):
    """Writes the weights with their scores; into a temporary folder where --output has no room."""
    path = Path(options.output)
    try:
        save_half(path, nn_model, scores=scores, **story)
    except OSError as error:  # better elsewhere than nowhere
        print(error, file=sys.stderr)
        options.output = path = Path(tempfile.mkdtemp(prefix="diffutils-"), "sprites.safetensors")
        save_half(path, nn_model, scores=scores, **story)
    print(f"{'class_names':32} {', '.join(story['class_names'])}")
    for name, value in scores.items():
        print(f"{name:32} {value}")
    print(f"written: {path}")


def save_half(path, nn_model, **story):
    """Saves the weights in half the room, or whole where a number is too large for that."""
    try:
        save_weights(path, nn_model, dtype=torch.float16, **story)
    except ValueError:
        save_weights(path, nn_model, **story)


def measure(nn_model, schedule, training_factors, options):
    """What the judge says of samples: without context by 500 and 25 steps, and with contexts.

    Shares as "percent (low..high), hits of all", the interval at 95 %. "class" is that of the
    flawless ones, "class_of_all" that of the legal sprite nearest to each sample.
    """
    from diffutils.sprites.judge import flawless, held_out, judge, novel, share_of

    scores, count = {}, options.score
    contexts = torch.eye(5).repeat(-(-count // 5), 1)[:count]
    for name, n, c in (("ddpm_500", None, None), ("ddim_25", 25, None),
                       ("ddpm_500_context", None, contexts), ("ddim_25_context", 25, contexts)):
        verdict = judge(draw(nn_model, schedule, count, options, n, c))
        scores[f"{name}_pixels_within"] = f"{100 * verdict.correct.mean():.2f} %"
        scores[f"{name}_flawless"] = str(flawless(verdict))
        scores[f"{name}_novel"] = str(novel(verdict, training_factors))
        scores[f"{name}_held_out"] = str(held_out(verdict))
        if c is not None:
            as_asked = verdict.class_ == c.argmax(dim=1).numpy()
            scores[f"{name}_class"] = str(share_of(as_asked[verdict.flawless]))
            scores[f"{name}_class_of_all"] = str(share_of(as_asked))
    return scores


def make_accelerator(device=None):
    """accelerate's view of the devices where it or torchrun started this; None otherwise."""
    launched = "LOCAL_RANK" in os.environ and "WORLD_SIZE" in os.environ  # by torchrun
    if not launched and not any(name.startswith("ACCELERATE_") for name in os.environ):
        return None
    from accelerate import Accelerator

    return Accelerator(cpu=device == "cpu")


def parse(arguments):
    """The command line, checked; `command` keeps its words for the metadata."""
    parser = Parser(
        prog=PROGRAM, description=__doc__.split("\n\n", 1)[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--output", default="sprites.safetensors", metavar="FILE",
        help="the weights file to write, with its scores in its metadata")
    add("--network", choices=KINDS, default="palette",
        help="palette: votes on the colours of each pixel, for pictures painted with few; "
             "plain: a U-Net of the usual kind, for any")
    add("--channels", type=count(8, 2**10), metavar="N",
        help="of the network, a multiple of 8; 48 if not given")
    add("--hidden", type=count(1, 2**12), metavar="N",
        help="numbers in which the network sums up level and context; 256, or of plain 192")
    add("--context-dropout", type=number(lowest=0, highest=1), metavar="P",
        default=CONTEXT_DROPOUT,
        help="the share of sprites that are shown without their context, for guidance")
    add("--steps", type=count(), metavar="N",
        help="train for N steps; a seed then gives the same run")
    add("--seconds", type=number(above=0), metavar="S",
        help="train for S seconds (3600 where neither this nor --steps is given)")
    add("--weights", metavar="FILE",
        help="begin with these weights, not fresh ones, and with other random draws than theirs")
    add("--bfloat16", action="store_true",
        help="multiply in bfloat16: half as fast again where the processor is made for it")
    add("--batch-size", type=count(1, 2**20), default=128, metavar="N",
        help="sprites a step, over all devices")
    add("--learning-rate", type=number(0, 100), default=3e-3, metavar="R",
        help="the highest of the run")
    add("--seed", type=count(0, 2**63 - 2), default=0, metavar="N",
        help="of the sprites, the first weights and every random draw")
    add("--sprites", metavar="SOURCE",
        help="your own sprites instead of forged ones: the course's images.npy, a folder of "
             "pictures with a folder for each class, or a sheet")
    add("--labels", metavar="FILE",
        help="the labels of images.npy, where they are not found beside it by their name")
    add("--height", type=count(8, 256), default=16, metavar="H",
        help="pixels a side of your own sprites: 8, 16, 24 or 32")
    add("--cell", type=count(1, 4096), metavar="N",
        help="of a sheet: pixels a side of a sprite there, a multiple of H; found if not given")
    add("--spacing", type=count(0, 4096), metavar="N",
        help="of a sheet: pixels between two sprites; found if not given")
    add("--checkpoint", metavar="FILE",
        help="keep the whole state of the run here every 500 steps, and go on from it if it is "
             "there; delete it to begin anew")
    add("--samples", metavar="FOLDER", help="write a sheet of 32 samples there, 20 times a run")
    add("--score", type=count(0, 10**6), default=1000, metavar="N",
        help="how many samples of each kind the judge reads at the end; 0 for none")
    add("--conviction", type=number(), default=20.0, metavar="K",
        help="what the written network multiplies its votes by: 1 as trained, above 1 cleaner "
             "samples, less varied")
    add("--judge", metavar="FILE",
        help="train nothing: judge these weights, of the sprites of --seed, with --conviction, "
             "and write them to --output with their scores")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu",
        help="where to train; accelerate launch chooses by itself")
    options = parser.parse_args(arguments)
    options.command = sys.argv[1:] if arguments is None else list(arguments)
    if options.steps is None and options.seconds is None:
        options.seconds = 3600.0
    refusal = what_is_wrong(options)
    if refusal:
        parser.error(refusal)
    return options


def what_is_wrong(options):
    """Why these options cannot go together on this machine; "" where they can."""
    if options.sprites is None:
        if options.height != 16:
            return f"--height is {options.height}; forged sprites have 16"
        for name in ("labels", "cell", "spacing"):
            if getattr(options, name) is not None:
                return f"--{name} is {getattr(options, name)}, but there are no --sprites to use it"
    if options.height % 8:
        return (f"--height is {options.height}; a network takes multiples of 8, such as 8, 16, 24 "
                "or 32")
    try:
        check_device("--device", options.device)
    except ValueError:
        has = ["cpu", *(["cuda"] if torch.cuda.is_available() else []),
               *(["mps"] if torch.backends.mps.is_available() else [])]
        return f"--device is {options.device}; this machine has {' and '.join(has)}"
    return overwritten_input(options) or bad_place(options)


def places_to_write(options):
    """(option, path) of everything that the command writes."""
    named = [("--output", options.output), ("--checkpoint", options.checkpoint),
             ("--samples", options.samples)]
    return [(name, path) for name, path in named if path is not None]


def places_to_read(options):
    """(option, path) of every file or folder that the command reads; the labels are found."""
    from diffutils.sprites.load import existing_path, find_labels

    named = [("--weights", options.weights), ("--judge", options.judge),
             ("--sprites", options.sprites), ("--labels", options.labels)]
    if options.sprites and options.sprites.lower().endswith(".npy") and not options.labels:
        named.append(("--sprites", find_labels(existing_path(options.sprites))))
    return [(name, path) for name, path in named if path is not None]


def overwritten_input(options):
    """What would be written over what is read, or over what else is written; "" for nothing."""
    places = places_to_write(options)
    for name, path in places:
        for other, given in places_to_read(options):
            if is_same_place(path, given):
                return f"{name} is {path}, which is read for {other}; expected another place"
        if options.sprites and would_spoil(name, path, options.sprites):
            return (f"{name} is {path}, among the pictures of --sprites {options.sprites}; "
                    "expected another place")
    for k, (name, path) in enumerate(places):
        for other, given in places[:k]:
            if is_same_place(path, given):
                return f"{name} is {path}, as {other} is; expected two places"
    return ""


def would_spoil(name, path, sprites):
    """Whether writing there changes what is found in a folder of sprites, or a sheet of them."""
    from diffutils.sprites.load import PICTURE_SUFFIXES, walk_folder

    if not os.path.isdir(sprites):
        return (name == "--samples" and Path(sprites).name.startswith("step_")
                and is_same_place(path, Path(sprites).parent))
    if is_inside(path, sprites):
        real = Path(os.path.realpath(path))
        return name == "--samples" or real.suffix.lower() in PICTURE_SUFFIXES
    return os.path.isfile(path) and os.stat(path).st_nlink > 1 and any(
        is_same_place(path, picture) for picture in walk_folder(Path(sprites)))


def bad_place(options):
    """Which place cannot be written to, and why; "" where all can. Folders are made."""
    for name, place in places_to_write(options):
        path = Path(place)
        try:
            if name == "--samples":
                path.mkdir(parents=True, exist_ok=True)
                path = path / "sheet"
            check_place(path)
            if name == "--output" and not is_ours(path):
                return (f"--output is {place}, which is there and holds no weights of diffutils; "
                        "expected another place, or delete it")
        except (OSError, ValueError) as error:
            return f"{name} is {place}: {getattr(error, 'strerror', None) or error}"
    return ""


def check_place(path):
    """OSError where no such file can be written; its folder is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    tempfile.TemporaryFile(dir=path.parent).close()


def is_ours(path):
    """Whether a file may be written over: it holds weights of diffutils, or nothing."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        header = file.read(8 + 2**16)
    return header[8:9] == b"{" and b'"format":"diffutils-weights-' in header


if __name__ == "__main__":
    run_command(main, PROGRAM)
