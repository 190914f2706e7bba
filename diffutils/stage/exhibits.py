"""The bug museum: what is on show. An exhibit is one wrong line in a model that is right otherwise.

    exhibit = EXHIBITS["std"]
    print(exhibit.lines_apart())            the right line, and the wrong one

Where each was seen in public stands beside it. `cases` makes models of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from diffutils.schedule import cosine_schedule
from diffutils.stage.lines import GUIDANCE, WRITTEN, Lines, T, ddim, ddpm
from diffutils.stage.twins import TRAINED

GITHUB = "https://github.com/"


@dataclass(frozen=True)
class Exhibit:
    """One bug.

    title     what it is, in a few words
    line      which of the `Lines` is wrong
    wrong     what stands in its blank, as text
    function  the same as a function; None where only the weights have it (see `TRAINED`)
    network   "shipped", the palette network of the course, or the name of a twin
    seen      where it was seen in public, with its address
    found     how it comes to light, in a sentence
    caught    the test that would have caught it
    loop, steps, guided   how it is sampled
    """

    title: str
    line: str
    wrong: str
    function: Callable | None
    seen: tuple
    found: str
    caught: str
    network: str = "shipped"
    loop: Callable = ddpm
    steps: int = 100
    guided: bool = False

    def lines_apart(self):
        """The right line and the wrong one, as text."""
        _, line, right = WRITTEN[self.line]
        right = RIGHT_WHEN_GUIDED if self.line == "guess" else right
        return f"right   {line.format(right)}\nwrong   {line.format(self.wrong)}"

    def lines(self):
        """All lines, this one wrong."""
        function = self.function or getattr(TRAINED[self.network][1], self.line)
        return replace(self.right_lines(), **{self.line: function})

    def right_lines(self):
        return Lines(guess=guided_guess) if self.guided else Lines()


RIGHT_WHEN_GUIDED = "without + w * (given - without)"


def guided_guess(given, without):
    return without + GUIDANCE * (given - without)


def issue(repository, number, kind="issues"):
    return f"{repository} #{number}", f"{GITHUB}{repository}/{kind}/{number}"


EXHIBITS = {
    # in training
    "root": Exhibit(
        "The missing root", "mix",
        "spread(alpha_bar[i].sqrt(), x0) * x0 + spread(1 - alpha_bar[i], x0) * noise",
        None, issue("Ryota-Kawamura/How-Diffusion-Models-Work", 1),
        "somebody compared the line with the paper; the samples look like sprites",
        "pictures of variance 1 keep variance 1 at every level", network="root",
    ),
    "half-range": Exhibit(
        "Pictures in 0..1", "pictures", "(x0 + 1) / 2",
        None, issue("sangyun884/blur-diffusion", 4),
        "a question whether it matters; the answer was that it should not",
        "the pictures that go in reach from -1 to 1", network="half-range",
    ),
    "shown-clean": Exhibit(
        "The clean picture is shown", "shown", "x0",
        None, ("common errors of beginners; no public thread known to us", ""),
        "the loss stays near 1 at every level, as if nobody answered",
        "the loss at the lowest levels falls below 1 within some hundred steps",
        network="shown-clean",
    ),
    "contexts": Exhibit(
        "Contexts shifted against their pictures", "contexts", "c.roll(1, 0)",
        None, issue("borisdayma/dalle-mini", 283, "pull"),
        "the same slip in a table of samples: somebody put prompts and pictures side by side",
        "a class that is asked for comes", network="contexts", guided=True,
    ),
    # the network that is sampled from
    "train-mode": Exhibit(
        "eval() forgotten", "mode", "nn_model.train()", lambda nn_model: nn_model.train(),
        issue("sdv-dev/SDGym", 22),
        "a reader missed the call; the maintainers called it a bug of a refactoring",
        "a picture is answered alike alone and in company", network="plain",
    ),
    "buffers": Exhibit(
        "Averaged weights without their buffers", "kept", "dict(averaged.named_parameters())",
        lambda averaged: dict(averaged.named_parameters()),
        issue("CuriousAI/mean-teacher", 9),
        "a reader noticed that means of 0 and variances of 1 are never updated",
        "every tensor of the network's state is in the averaged one's", network="plain",
    ),
    "t-raw": Exhibit(
        "t not divided by T", "told", "i", lambda t, i: i,
        issue("stepfun-ai/Step1X-Edit", 91),
        "a reader compared the two places where t is made",
        "t lies in 0..1 wherever the network is called; this library refuses any other",
    ),
    # sampling
    "std": Exhibit(
        "The variance for the std", "spread", "beta", lambda beta: beta,
        issue("acids-ircam/diffusion_models", 1),
        "a reader noticed that noise is multiplied by a variance",
        "for pictures of variance 1 the sampler keeps variance 1",
    ),
    "last-dice": Exhibit(
        "Noise on the last step", "more", "True", lambda j: True,
        issue("IDEALLab/EngiOpt", 67, "pull"),
        "fixed together with two bugs that showed",
        "with one sprite in the world the sampler returns it exactly",
    ),
    "uniform-dice": Exhibit(
        "Uniform dice", "dice", "torch.rand(shape, generator=generator)",
        lambda shape, generator: torch.rand(shape, generator=generator),
        issue("HRI-EU/flow_matching", 7),
        "a reader compared training with sampling",
        "the dice have mean 0 and variance 1",
    ),
    "even-dice": Exhibit(
        "Uniform dice of the right variance", "dice",
        "(torch.rand(shape, generator=generator) - 0.5) * 12**0.5",
        lambda shape, generator: (torch.rand(shape, generator=generator) - 0.5) * 12**0.5,
        ("no public thread known to us", ""),
        "not at all: it does no harm in a sampler of many steps",
        "the largest of a million dice is above 4",
    ),
    "told-low": Exhibit(
        "The level told is one too low", "time", "(i - 1) / T", lambda i: (i - 1) / T,
        issue("huggingface/diffusers", 465),
        "two samplers of one library counted differently",
        "the levels told in sampling are those told in training",
    ),
    "zero-based": Exhibit(
        "alpha_bar counted from 0", "alpha_bar", "alpha.roll(-1).cumprod(0)",
        lambda alpha: alpha.roll(-1).cumprod(0),
        issue("Stability-AI/stablediffusion", 345, "pull"),
        "its author says that outputs get noisy, and that it shows little in latents",
        "alpha_bar begins with a 1; one sprite in the world is returned exactly",
    ),
    "first-factor": Exhibit(
        "alpha_bar without its first factor", "alpha_bar",
        "(alpha.cumprod(0) / alpha[1]).clamp(max=1)",
        lambda alpha: (alpha.cumprod(0) / alpha[1]).clamp(max=1),
        issue("lucidrains/denoising-diffusion-pytorch", 18),
        "a neighbour of this: a reader compared a change of that line with the line before",
        "alpha_bar[i] is alpha_bar[i - 1] * alpha[i], for every i",
    ),
    "schedule": Exhibit(
        "The schedule of another network", "alpha_bar", "cosine_schedule().alpha_bar",
        lambda alpha: cosine_schedule().alpha_bar,
        issue("deep-floyd/IF", 144),
        "the samples were much worse, and a maintainer named the schedule of the training",
        "a network knows its schedule; this library refuses any other",
    ),
    "guidance": Exhibit(
        "Guidance turned round", "guess", "given + w * (without - given)",
        lambda given, without: given + GUIDANCE * (without - given),
        ("common slips; no public thread of this one known to us", ""),
        "the class that was asked for does not come",
        "w = 0 gives the guess without the class, w = 1 the one with it", guided=True,
    ),
    "wraps": Exhibit(
        "Levels that wrap", "levels", "range(T, -(T // n), -(T // n))",
        lambda n: range(T, -(T // n), -(T // n)),
        issue("huggingface/diffusers", 5921),
        "levels below 0: a user printed the levels",
        "every number of steps ends at level 0", loop=ddim, steps=30,
    ),
    "root-again": Exhibit(
        "The missing root, in sampling only", "again", "(1 - alpha_bar)",
        lambda alpha_bar: 1 - alpha_bar,
        issue("jcwang-gh/classifier-free-diffusion-guidance-Pytorch", 12),
        "a reader checked one coefficient by hand",
        "for pictures of variance 1 the sampler keeps variance 1", loop=ddim, steps=25,
    ),
    "display": Exhibit(
        "Each picture stretched to its own extremes", "display",
        "(x - x.amin((2, 3), True)) / (x.amax((2, 3), True) - x.amin((2, 3), True))",
        lambda x: (x - x.amin((2, 3), True)) / (x.amax((2, 3), True) - x.amin((2, 3), True)),
        issue("marimo-team/marimo", 8569),
        "pictures could not be compared with each other",
        "one map from numbers to colours, whatever is shown",
    ),
}  # fmt: skip
