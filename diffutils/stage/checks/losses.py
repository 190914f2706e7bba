"""The exercise on the loss of one training step.

What it returns depends on its random draws, so that the check watches it at work: the network that
it hands over writes down what it was asked.
"""

import torch

from diffutils.noising import noise_in, perturb_input
from diffutils.schedule import linear_schedule
from diffutils.stage.checks.asking import Unfinished, as_tensor
from diffutils.stage.checks.engine import Exercise, Mistake, Sign

LOSS_LEVELS = 50
WEIGHT = 0.55


class Student(torch.nn.Module):
    """A network with one weight that answers 0.55 x and writes down its last question."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(WEIGHT))
        self.calls = 0

    def forward(self, x, t, c=None):
        if t is ... or t is None or x is ...:
            raise Unfinished("still has a blank in its call of nn_model")
        self.calls += 1
        self.x, self.t = x.detach(), torch.as_tensor(t).detach().double().flatten()
        return self.weight * x


def sprites():
    """(4000, 3, 2, 2) pictures in [-1, 1], more bright than dark."""
    return torch.rand(4000, 3, 2, 2, generator=torch.Generator().manual_seed(5)) ** 0.5 * 2 - 1


def run_loss(function):
    """(the Student after one call, the loss, the schedule)."""
    schedule, network = linear_schedule(LOSS_LEVELS, 0.002, 0.2), Student()
    loss = function(sprites(), nn_model=network, schedule=schedule)
    if not isinstance(loss, torch.Tensor):
        loss = as_tensor(loss)
    if not network.calls:
        raise Unfinished("returns without asking nn_model once")
    return network, loss, schedule


def mean_square(noise, guess, x0, x_t):
    return ((noise - guess) ** 2).mean()


def half(noise, guess, x0, x_t):
    return ((noise - guess) ** 2).mean() / 2


def absolute(noise, guess, x0, x_t):
    return (noise - guess).abs().mean()


def cubed(noise, guess, x0, x_t):
    return ((noise - guess).abs() ** 3).mean()


def median(noise, guess, x0, x_t):
    return ((noise - guess) ** 2).median()


def largest(noise, guess, x0, x_t):
    return ((noise - guess) ** 2).max()


def of_picture(noise, guess, x0, x_t):
    return ((x_t - guess) ** 2).mean()


def smoothed(noise, guess, x0, x_t):
    return torch.nn.functional.smooth_l1_loss(guess, noise.to(guess))


def of_guess(noise, guess, x0, x_t):
    return (guess**2).mean()


# too near one another to be told apart by their size alone: looked up to the digit
LOOKALIKES = (half, absolute, cubed, median, of_picture, smoothed, of_guess, largest)


def observe_loss(function):
    """The levels drawn, the noise that went in, and the loss in units of the right one."""
    network, loss, schedule = run_loss(function)
    if loss.numel() != 1:
        return {"one number": torch.tensor(0.0)}
    levels = network.t * LOSS_LEVELS
    distinct = len(levels.round(decimals=3).unique())
    if distinct == 1:
        return {"levels drawn in a batch": torch.tensor(1)}
    seen = {
        "levels drawn in a batch": torch.tensor(distinct),
        "lowest and highest level": torch.stack([levels.min(), levels.max()]),
        "share of the upper half": (levels > LOSS_LEVELS / 2).double().mean(),
        "gradient": torch.tensor(float(loss.requires_grad)),
    }
    in_range = levels.min() >= 0 and levels.max() <= LOSS_LEVELS + 0.01
    if len(levels) == len(sprites()) and in_range and distinct > 2:
        seen |= observe_target(network, loss, schedule, levels.round().long())
    return seen


def observe_target(network, loss, schedule, levels):
    """Mean and std of the noise in the pictures, and the loss against the right one."""
    noise = noise_in(network.x, levels, sprites(), schedule=schedule)  # nan at level 0
    good = noise.isfinite()
    right = ((noise - WEIGHT * network.x)[good] ** 2).mean()
    ratio = loss.detach().double().squeeze() / right
    told = [
        formula(noise[good], (WEIGHT * network.x)[good], sprites()[good], network.x[good])
        for formula in LOOKALIKES
    ]
    known = [k for k, value in enumerate(told) if abs(value / (ratio * right) - 1) < 1e-3]
    return {
        "which": torch.tensor(known[0] if known else -1),
        "noise, mean and std": torch.stack([noise[good].mean(), noise[good].std()]),
        "loss in units of the right one": 0 * ratio if known else ratio,
        "right loss": ((ratio - 1).abs() < 1e-3).double(),  # it is known to the digit
    }


def measure_loss(function):
    """What was drawn, and the loss: of this very batch `wanted`, and its share of that `ratio`."""
    network, loss, schedule = run_loss(function)
    levels = network.t * LOSS_LEVELS
    seen = observe_loss(function)
    found = {
        "lowest": levels.min().item(), "highest": levels.max().item(),
        "distinct": len(levels.unique()), "sprites": len(sprites()), "told": len(levels),
        "t": network.t.max().item(), "levels": LOSS_LEVELS, "calls": network.calls,
        "loss": loss.detach().double().mean().item(), "numbers": loss.numel(),
    }  # fmt: skip
    if "noise, mean and std" in seen:
        mean, std = seen["noise, mean and std"].tolist()
        if std < 20:
            at = levels.round().long()
            noise = noise_in(network.x, at, sprites(), schedule=schedule)
            good = noise.isfinite()
            wanted = ((noise - WEIGHT * network.x)[good] ** 2).mean().item()
            found |= {"mean": mean, "std": std, "wanted": wanted, "ratio": found["loss"] / wanted}
            sprite = (network.x * sprites()).sum() / (sprites() ** 2).sum()  # its mean share
            rest = (network.x - sprite * sprites()).std()
            found |= {"sprite": sprite.item(), "rest": rest.item()}
    return found


def loss_with(
    levels=lambda n, T: torch.randint(1, T + 1, (n,)), t=lambda i, T: i / T, draw=torch.randn_like,
    perturb=perturb_input, loss=mean_square,
):  # fmt: skip
    """A training loss with one thing changed; loss is called with (noise, guess, x0, x_t)."""

    def training_loss(x0, *, nn_model, schedule):
        i = levels(len(x0), schedule.timesteps)
        noise = draw(x0)
        x_t = perturb(x0, i, noise, schedule=schedule)
        return loss(noise, nn_model(x_t, t(i, schedule.timesteps)), x0, x_t)

    return training_loss


def perturb_without_root(x, i, noise, *, schedule):
    alpha_bar = schedule.alpha_bar[i].to(x.dtype).reshape(-1, 1, 1, 1)
    return alpha_bar.sqrt() * x + (1 - alpha_bar) * noise


def gap(ratio, *values):
    return any(abs(ratio - value) < 1e-3 for value in values)


LOSS_SIGNS = (
    Sign(
        "t-scaled",
        lambda y, r: y["distinct"] > 2 and y["highest"] < 0.99 * r["highest"] and not whole(y),
        "t is {your_t:.4f} at most, it should reach {right_t:.0f}: what the network is told is not "
        "the level as a part of the {your_levels} there are",
    ),
    Sign(
        "t-too-large",
        lambda y, r: y["highest"] > 1.005 * r["highest"],
        "t reaches {your_t:.4g}, it should reach {right_t:.0f}: the network wants the level as a "
        "part of the {your_levels} there are",
    ),
    Sign(
        "levels-missing",
        lambda y, r: y["distinct"] > 2 and (y["lowest"], y["highest"]) != (
            r["lowest"], r["highest"]),
        "levels {your_lowest:.4g} to {your_highest:.4g} come up, {right_lowest:.0f} to "
        "{right_highest:.0f} should",
    ),
    Sign(
        "one-level-for-all",
        lambda y, r: y["distinct"] == 1,
        "{your_distinct} level for all {your_sprites} sprites of the batch, where each should have "
        "one of its own, {right_distinct} here",
    ),
    Sign(
        "too-few-levels",
        lambda y, r: y["told"] not in (1, y["sprites"]),
        "{your_told} levels were told for {your_sprites} sprites, each should have one",
    ),
    Sign(
        "noise-never-added",
        lambda y, r: abs(y["sprite"] - 1) < 1e-4 and y["rest"] < 1e-4,
        "the network is shown pictures that hold {your_sprite:.2f} of the sprite and, beside it, "
        "{your_rest:.2f} of noise, where {right_sprite:.2f} and {right_rest:.2f} are right for "
        "such a batch: the clean sprites",
    ),
    Sign(
        "sprite-never-shown",
        lambda y, r: abs(y["sprite"]) < 0.1 * r["sprite"],
        "the network is shown pictures that hold {your_sprite:.2f} of the sprite, where "
        "{right_sprite:.2f} is right for such a batch: the noise alone",
    ),
    Sign(
        "noise-missing",
        lambda y, r: y["std"] < 0.01,
        "the noise in the pictures has std {your_std:.3f}, it should be {right_std:.3f}: none went "
        "in",
    ),
    Sign(
        "noise-wrong",
        lambda y, r: abs(y["std"] - r["std"]) > 0.04 or abs(y["mean"]) > 0.04,
        "the noise in the pictures has mean {your_mean:.3f} and std {your_std:.3f}; it should have "
        "mean {right_mean:.0f} and std {right_std:.0f}",
    ),
    Sign(
        "loss-squared",
        lambda y, r: gap(y["loss"] / y["wanted"] ** 2, 1),
        "the loss is {your_loss:.3f}, it should be {your_wanted:.3f} for this batch: squared twice",
    ),
    Sign(
        "loss-of-the-wrong-sign",
        lambda y, r: y["ratio"] < 0,
        "the loss is {your_loss:.3f}, it should be {your_wanted:.3f}: a step down this one would "
        "make the guess worse",
    ),
    Sign(
        "loss-scaled",
        lambda y, r: gap(
            y["ratio"] * 12, 0.012, 1, 2, 3, 4, 6, 24, 36, 48, 120, 144, 1200, 1.2, 0.12),
        "the loss is {your_loss:.4g}, it should be {your_wanted:.4g} for this batch: "
        "{your_ratio:.4g} times as much",
    ),
)  # fmt: skip


def whole(measured):
    return measured["highest"] == round(measured["highest"])


def asks_for_the_noise_in_the_clean_sprite(x0, *, nn_model, schedule):
    i = torch.randint(1, schedule.timesteps + 1, (len(x0),))
    return ((nn_model(x0, i / schedule.timesteps) - torch.randn_like(x0)) ** 2).mean()


def asks_for_the_noise_in_noise(x0, *, nn_model, schedule):
    i, noise = torch.randint(1, schedule.timesteps + 1, (len(x0),)), torch.randn_like(x0)
    return ((nn_model(noise, i / schedule.timesteps) - noise) ** 2).mean()


def compare(loss):
    """A loss that compares the noise and the guess in its own way."""
    return loss_with(loss=lambda noise, guess, x0, x_t: loss(noise, guess))


def noise_as_added(x0, *, nn_model, schedule):
    i, noise = torch.randint(1, schedule.timesteps + 1, (len(x0),)), torch.randn_like(x0)
    std = (1 - schedule.alpha_bar[i]).sqrt().reshape(-1, 1, 1, 1)
    guess = nn_model(perturb_input(x0, i, noise, schedule=schedule), i / schedule.timesteps)
    return ((std * noise - guess) ** 2).mean()


TRAINING_LOSS = Exercise(
    name="training_loss",
    right=loss_with(),
    observe=observe_loss,
    measure=measure_loss,
    fact="draws levels {lowest:.0f} to {highest:.0f} of {levels}, one for each sprite, and comes "
    "to {loss:.2f} for a network that answers 0.55 times what it sees",
    tolerance=0.05,
    relative=False,
    signs=LOSS_SIGNS,
    mistakes=(
        Mistake(
            "last-level-never",
            loss_with(levels=lambda n, T: torch.randint(1, T, (n,))),
            "the highest level drawn is {your_highest:.0f} of {your_levels}: the last one never "
            "comes up, and sampling begins with it. A random integer stays below its upper end",
        ),
        Mistake(
            "levels-from-0",
            loss_with(levels=lambda n, T: torch.randint(0, T, (n,))),
            "the levels drawn run from {your_lowest:.0f} to {your_highest:.0f}, they should run "
            "from {right_lowest:.0f} to {right_highest:.0f}: at level 0 there is no noise to "
            "guess, and the last level never comes up",
        ),
        Mistake(
            "level-0-too",
            loss_with(levels=lambda n, T: torch.randint(0, T + 1, (n,))),
            "level {your_lowest:.0f} is drawn too, where there is no noise to guess; the lowest "
            "should be {right_lowest:.0f}",
        ),
        Mistake(
            "one-level-for-all",
            loss_with(levels=lambda n, T: torch.randint(1, T + 1, (1,)).expand(n)),
            "all {your_sprites} sprites of the batch got one level; with a level for each of them, "
            "every step teaches about all levels, {right_distinct} here",
        ),
        Mistake(
            "t-not-divided",
            loss_with(t=lambda i, T: i.float()),
            "the network is told t up to {your_t:.0f}; it wants the level as a part of the whole, "
            "up to {right_t:.0f}",
        ),
        Mistake(
            "t-whole-division",
            loss_with(t=lambda i, T: i // T),
            "whole-number division: the network is told t = 0 for every level but the last",
        ),
        Mistake(
            "target-sprite",
            loss_with(loss=lambda noise, guess, x0, x_t: ((x0 - guess) ** 2).mean()),
            "the guess is compared with the sprite; this network guesses the noise. Your loss is "
            "{your_loss:.3f}, it should be {right_loss:.3f}",
        ),
        Mistake(
            "target-picture",
            loss_with(loss=of_picture),
            "the guess is compared with the noisy picture that went in; it should be compared with "
            "the noise. Your loss is {your_loss:.3f}, it should be {right_loss:.3f}",
        ),
        Mistake(
            "target-other-noise",
            loss_with(
                loss=lambda noise, guess, x0, x_t: ((torch.randn_like(noise) - guess) ** 2).mean()
            ),
            "the guess is compared with other noise than went into the picture, which nobody can "
            "guess: your loss is {your_loss:.3f}, it should be {right_loss:.3f}",
        ),
        Mistake(
            "target-scaled-noise",
            loss_with(loss=lambda noise, guess, x0, x_t: (((x_t - x0) - guess) ** 2).mean()),
            "the guess is compared with what was added to the sprite, x_t - x0; the network "
            "guesses the unit noise. Your loss is {your_loss:.3f}, it should be {right_loss:.3f}",
        ),
        Mistake(
            "target-noise-as-added",
            noise_as_added,
            "the guess is compared with the noise as it was added, faded to the level's std; the "
            "network guesses the unit noise. Your loss is {your_loss:.3f}, it should be "
            "{right_loss:.3f}",
        ),
        Mistake(
            "not-squared",
            loss_with(loss=lambda noise, guess, x0, x_t: (guess - noise).mean()),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: where they are not "
            "squared, mistakes of either sign cancel",
        ),
        Mistake(
            "sum-for-mean",
            loss_with(loss=lambda noise, guess, x0, x_t: ((noise - guess) ** 2).sum()),
            "the squares are summed, not averaged: {your_loss:.0f} for this batch, it should be "
            "{right_loss:.3f}; the step would grow with the batch",
        ),
        Mistake(
            "sum-over-pixels",
            loss_with(
                loss=lambda noise, guess, x0, x_t: ((noise - guess) ** 2).sum((1, 2, 3)).mean()
            ),
            "the squares are summed over a sprite and averaged over the batch only: "
            "{your_loss:.3f}, it should be {right_loss:.3f}",
        ),
        Mistake(
            "absolute",
            loss_with(loss=absolute),
            "this is the mean absolute difference, {your_loss:.3f}; asked for is the mean square, "
            "{right_loss:.3f}",
        ),
        Mistake(
            "root-of-mean-square",
            loss_with(loss=lambda noise, guess, x0, x_t: ((noise - guess) ** 2).mean().sqrt()),
            "a square root too many: {your_loss:.3f}, it should be {right_loss:.3f}",
        ),
        Mistake(
            "signed",
            loss_with(loss=lambda noise, guess, x0, x_t: (noise - guess).mean()),
            "differences of both signs cancel: {your_loss:.3f} for a network that is far off; each "
            "has to be squared first",
        ),
        Mistake(
            "no-gradient",
            loss_with(loss=lambda noise, guess, x0, x_t: ((noise - guess) ** 2).mean().detach()),
            "the value is right, but it is cut off from the network: no gradient flows back "
            "through it, and nothing would be learned",
        ),
        Mistake(
            "not-averaged",
            loss_with(loss=lambda noise, guess, x0, x_t: (noise - guess) ** 2),
            "this is {your_numbers} numbers; a loss is one, the mean over all of them",
        ),
        Mistake(
            "noise-not-normal",
            loss_with(draw=torch.rand_like),
            "the noise has mean {your_mean:.2f} and std {your_std:.2f}: drawn evenly from 0 to 1. "
            "It should be normal, with mean 0 and std 1",
        ),
        Mistake(
            "noise-root-missing",
            loss_with(perturb=perturb_without_root),
            "the pictures hold too little noise, {your_std:.3f} of the std they should: 1 - "
            "alpha_bar was used where its square root is needed",
        ),
        Mistake(
            "divided-by-one-more",
            loss_with(t=lambda i, T: i / (T + 1)),
            "t is {your_t:.4f} at the last level, it should be {right_t:.4f}: level 0 does not "
            "count among the {your_levels}",
        ),
        Mistake(
            "divided-by-500",
            loss_with(t=lambda i, T: i / 500),
            "t is {your_t:.3f} at the last level, it should be {right_t:.3f}: this schedule has "
            "{your_levels} levels, not the number you divide by",
        ),
        Mistake(
            "t-one-low",
            loss_with(t=lambda i, T: (i - 1) / T),
            "the lowest t is that of level {your_lowest:.0f}, it should be level "
            "{right_lowest:.0f}: the network is told the level below the one that was drawn",
        ),
        Mistake(
            "t-reversed",
            loss_with(t=lambda i, T: 1 - i / T),
            "the network is told levels {your_lowest:.0f} to {your_highest:.0f}, where "
            "{right_lowest:.0f} to {right_highest:.0f} were drawn: the time runs the wrong way",
        ),
        Mistake(
            "mean-squared",
            compare(lambda noise, guess: (noise - guess).mean() ** 2),
            "the mean is squared, in place of the mean of squares: {your_loss:.6f} for a network "
            "that is far off, it should be {right_loss:.3f}; what is above and below cancels",
        ),
        Mistake(
            "halved",
            loss_with(loss=half),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: half as much",
        ),
        Mistake(
            "cubed",
            loss_with(loss=cubed),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: differences are cubed",
        ),
        Mistake(
            "to-the-fourth",
            compare(lambda noise, guess: ((noise - guess) ** 4).mean()),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: the squares are squared "
            "once more",
        ),
        Mistake(
            "median",
            loss_with(loss=median),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: this is the middle one of "
            "the squares, not their mean",
        ),
        Mistake(
            "largest",
            loss_with(loss=largest),
            "the loss is {your_loss:.1f}, it should be {right_loss:.3f}: this is the largest of "
            "the squares alone",
        ),
        Mistake(
            "smoothed-absolute",
            loss_with(loss=smoothed),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: a loss that is straight "
            "for large differences; squares are asked for",
        ),
        Mistake(
            "noise-squared",
            compare(lambda noise, guess: (noise**2 - guess**2).mean()),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: each is squared by itself "
            "and then compared, which cancels",
        ),
        Mistake(
            "guess-added",
            compare(lambda noise, guess: ((noise + guess) ** 2).mean()),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: noise and guess are added "
            "where they are to be compared",
        ),
        Mistake(
            "product",
            compare(lambda noise, guess: (noise * guess).mean()),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: noise and guess are "
            "multiplied where they are to be compared",
        ),
        Mistake(
            "guess-alone",
            loss_with(loss=of_guess),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: this is the size of the "
            "guess, whatever the noise was",
        ),
        Mistake(
            "negative",
            compare(lambda noise, guess: -((noise - guess) ** 2).mean()),
            "the loss is {your_loss:.3f}, it should be {right_loss:.3f}: a step down this one "
            "makes the guess worse",
        ),
        Mistake(
            "summed-over-the-batch",
            compare(lambda noise, guess: ((noise - guess) ** 2).mean((1, 2, 3)).sum()),
            "the loss is {your_loss:.0f}, it should be {right_loss:.3f}: summed over "
            "{your_sprites} sprites, it would grow with the batch",
        ),
        Mistake(
            "noise-never-added",
            asks_for_the_noise_in_the_clean_sprite,
            "the network is shown pictures that hold noise of mean {your_mean:.2f} and std "
            "{your_std:.2f}, not mean {right_mean:.0f} and std {right_std:.0f}: the clean sprites",
        ),
        Mistake(
            "sprite-never-shown",
            asks_for_the_noise_in_noise,
            "the network is shown the noise alone, without a sprite in it: the loss comes to "
            "{your_loss:.3f}, it should be {right_loss:.3f}",
        ),
        Mistake(
            "noise-halved",
            loss_with(draw=lambda x0: torch.randn_like(x0) / 2),
            "the noise has std {your_std:.2f}, it should have {right_std:.0f}",
        ),
        Mistake(
            "noise-centred-evenly",
            loss_with(draw=lambda x0: torch.rand_like(x0) * 2 - 1),
            "the noise has std {your_std:.2f}, it should have {right_std:.0f}: it is drawn evenly "
            "from -1 to 1, not from a normal curve",
        ),
        Mistake(
            "no-noise",
            loss_with(draw=lambda x0: torch.zeros_like(x0)),
            "the noise has std {your_std:.2f}, it should have {right_std:.0f}: there is none",
        ),
    ),
)
