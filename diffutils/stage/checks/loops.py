"""Exercises on loops: the sampler, and the loss of one training step.

What such a function returns depends on its random draws, so that these checks watch it at work: the
network that they hand over writes down what it was asked.
"""

import torch

from diffutils.noising import perturb_input
from diffutils.sampling import denoise_add_noise
from diffutils.schedule import linear_schedule
from diffutils.stage.checks.engine import Exercise, Mistake, Misuse, Unfinished, as_tensor
from diffutils.stage.checks.levels import add, keep

# --- the sampler ---------------------------------------------------------------------------------

SAMPLER_LEVELS = 100


class Oracle:
    """A network that knows the one sprite there is, and writes down each question (t, x)."""

    def __init__(self, schedule):
        self.schedule, self.told, self.seen, self.answers = schedule, [], [], []
        self.sprite = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(7)) * 2 - 1

    def __call__(self, x, t, c=None):
        if t is ... or t is None or x is ...:
            raise Unfinished("still has a blank in its call of nn_model")
        if len(self.told) >= 20 * self.schedule.timesteps:
            raise RuntimeError(f"nn_model was called {len(self.told)} times and the loop goes on")
        told = torch.as_tensor(t).double().flatten()[0].item()
        i = self.level(told)
        eps = (x - keep(self.schedule, i) * self.sprite) / add(self.schedule, i)
        self.told.append(told)
        self.seen.append(x.clone())
        self.answers.append(eps)
        return eps

    def level(self, told):
        """The level meant by t, brought into 1..T."""
        return min(max(round(told * self.schedule.timesteps), 1), self.schedule.timesteps)


def run_sampler(function):
    """(the Oracle after the run, the student's samples or None where the run stopped early)."""
    oracle = Oracle(linear_schedule(SAMPLER_LEVELS, 5e-4, 0.1))
    x = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    try:
        samples = as_tensor(function(x.clone(), nn_model=oracle, schedule=oracle.schedule))
    except (ArithmeticError, IndexError, ValueError, RuntimeError):
        if not oracle.told:
            raise
        return oracle, None
    if not oracle.told:
        raise Unfinished("returns without asking nn_model once")
    if samples.shape != x.shape:
        shapes = tuple(samples.shape), tuple(x.shape)
        raise Misuse("shape", f"it returns shape {shapes[0]} where {shapes[1]} is expected, like x")
    return oracle, samples


def observe_sampler(function):
    """The levels told to the network; where they are right, also the noise put back and the end."""
    oracle, samples = run_sampler(function)
    told = torch.tensor(oracle.told) * SAMPLER_LEVELS
    finished = samples is not None and bool(samples.isfinite().all())
    seen = {
        "levels (how many, first, last, steps down)": describe_levels(told),
        "finished": torch.tensor(float(finished)),
    }
    right = torch.arange(SAMPLER_LEVELS, 0, -1)
    if finished and len(told) == len(right) and torch.allclose(told, right.float(), atol=0.05):
        seen |= observe_noise(oracle, samples)
    return seen


def describe_levels(told):
    """(5,) how many, the first, the last, the smallest and the largest step down."""
    down = -told.diff() if len(told) > 1 else torch.zeros(1)
    return torch.stack([torch.tensor(float(len(told))), told[0], told[-1], down.min(), down.max()])


def observe_noise(oracle, samples):
    """Mean and std of the noise put back, how alike it is from step to step, and the last step."""
    z = noise_put_back(oracle, samples)
    ends = torch.stack([z[0].std(), z[-2].std(), z[-1].std()]).clamp(max=10)
    alike = (z[:-2] * z[1:-1]).mean() / (z[:-1] ** 2).mean().clamp(min=1e-12)
    return {
        "noise put back": torch.stack([z[:-1].mean(), z[:-1].std()]),
        "noise put back in the first step, the last but one and the last": ends,
        "likeness of the noise from step to step": alike,
        "distance to the sprite": (samples - oracle.sprite).abs().mean().clamp(max=1),
        "at the sprite": ((samples - oracle.sprite).abs().mean() < 1e-3).double(),
    }


def noise_put_back(oracle, samples):
    """(T, ...) what each step added to the mean, in units of the std it should have."""
    schedule, z = oracle.schedule, []
    after = [*oracle.seen[1:], samples]
    for i, x, eps, x_next in zip(
        range(SAMPLER_LEVELS, 0, -1), oracle.seen, oracle.answers, after, strict=True
    ):
        mean = denoise_add_noise(x, i, eps, 0, schedule=schedule)
        z.append((x_next - mean) / schedule.beta[i].sqrt())
    return torch.stack(z).float()


def measure_sampler(function):
    oracle, samples = run_sampler(function)
    told = [t * SAMPLER_LEVELS for t in oracle.told]
    noise = std = last = distance = float("nan")
    if samples is not None and len(told) == SAMPLER_LEVELS:
        z = noise_put_back(oracle, samples)
        noise, std, last = z[:-1].mean().item(), z[:-1].std().item(), z[-1].std().item()
        distance = (samples - oracle.sprite).abs().mean().item()
    return {
        "count": len(told), "first": told[0], "last": told[-1], "t": oracle.told[0], "mean": noise,
        "std": std, "end": last, "distance": abs(distance), "levels": SAMPLER_LEVELS,
    }  # fmt: skip


def loop(
    levels=lambda T: range(T, 0, -1), t=lambda i, T: i / T, draw=None, step=denoise_add_noise,
    finish=None,
):  # fmt: skip
    """A sampler with one thing changed: the levels, what the network is told, the noise, the step.

    draw(x, i) is the noise of a step; step is called like denoise_add_noise; finish(x, eps) is what
    is returned in place of x.
    """
    draw = draw or (lambda x, i: torch.randn_like(x) if i > 1 else 0)

    def sample(x, *, nn_model, schedule):
        for i in levels(schedule.timesteps):
            z = draw(x, i)
            eps = nn_model(x, torch.tensor([t(i, schedule.timesteps)])[:, None, None, None])
            x = step(x, i, eps, z, schedule=schedule)
        return finish(x, eps) if finish else x

    return sample


def sample_with_one_draw(x, *, nn_model, schedule):
    z = torch.randn_like(x)
    return loop(draw=lambda x, i: z if i > 1 else 0)(x, nn_model=nn_model, schedule=schedule)


def sample_without_keeping(x, *, nn_model, schedule):
    return loop(step=lambda x, i, eps, z, *, schedule: x)(x, nn_model=nn_model, schedule=schedule)


def tell_nothing_of_last_step(x, i):
    return torch.randn_like(x)


SAMPLER_LOOP = Exercise(
    name="sampler_loop",
    right=loop(),
    observe=observe_sampler,
    measure=measure_sampler,
    fact="asks the network at {count} levels from {first:.0f} to {last:.0f}, puts back noise of "
    "{std:.2f} of a step's std and {end:.2f} in the last step, and ends {distance:.6f} from the "
    "one sprite",
    tolerance=0.06,
    relative=False,
    mistakes=(
        Mistake(
            "one-level-low",
            loop(levels=lambda T: range(T - 1, -1, -1)),
            "the levels run from {your_first:.0f} to {your_last:.0f}; pure noise is level "
            "{right_first:.0f}, and level 0 is clean: no step starts there",
        ),
        Mistake(
            "top-missing",
            loop(levels=lambda T: range(T - 1, 0, -1)),
            "the first step starts from level {your_first:.0f}, but the picture handed to you is "
            "at level {right_first:.0f}: one step is missing at the top",
        ),
        Mistake(
            "bottom-missing",
            loop(levels=lambda T: range(T, 1, -1)),
            "the last step starts from level {your_last:.0f}, so that you stop at level 1 with "
            "some noise left: one step is missing at the bottom",
        ),
        Mistake(
            "level-0-too",
            loop(levels=lambda T: range(T, -1, -1)),
            "one step too many: the network is asked at level {your_last:.0f}, but there the "
            "sprite is clean already",
        ),
        Mistake(
            "upward",
            loop(levels=lambda T: range(1, T + 1)),
            "the loop climbs from level {your_first:.0f} to {your_last:.0f}; sampling comes down "
            "from noise",
        ),
        Mistake(
            "upward-from-0",
            loop(levels=lambda T: range(T)),
            "the loop climbs, and begins at level {your_first:.0f}, which is clean; sampling comes "
            "down from noise",
        ),
        Mistake(
            "levels-typed-in",
            loop(levels=lambda T: range(500, 0, -1)),
            "the loop begins at level {your_first:.0f}, but this schedule has {your_levels} "
            "levels: ask the schedule for its number, do not type it in",
        ),
        Mistake(
            "t-not-divided",
            loop(t=lambda i, T: i),
            "the network is told t = {your_t:.0f} at the first step; it wants the level as a part "
            "of the whole, {right_t:.0f} there",
        ),
        Mistake(
            "t-whole-division",
            loop(t=lambda i, T: i // T),
            "whole-number division: the network is told t = 1 once and then 0 for the rest of the "
            "way",
        ),
        Mistake(
            "t-reversed",
            loop(t=lambda i, T: 1 - i / T),
            "the network is told t = {your_t:.2f} at pure noise, where it should be {right_t:.2f}: "
            "the time runs the wrong way",
        ),
        Mistake(
            "t-one-low",
            loop(t=lambda i, T: (i - 1) / T),
            "the steps are right, but the network is told the level below each time: t = "
            "{your_t:.2f} at the first step, it should be {right_t:.2f}",
        ),
        Mistake(
            "noise-in-the-last-step",
            loop(draw=tell_nothing_of_last_step),
            "noise goes back in on the last step too: {your_end:.2f} of a step's std, where "
            "nothing comes after that could take it out. You end {your_distance:.4f} from the one "
            "sprite there is, it should be {right_distance:.4f}",
        ),
        Mistake(
            "one-draw-for-all",
            sample_with_one_draw,
            "the same z goes back in at every step; it has to be drawn anew inside the loop",
        ),
        Mistake(
            "no-noise",
            loop(draw=lambda x, i: 0),
            "no noise is put back, {your_std:.2f} of a step's std where {right_std:.2f} belongs: "
            "this drifts to the average of the sprites",
        ),
        Mistake(
            "noise-in-the-last-step-alone",
            loop(draw=lambda x, i: torch.randn_like(x) if i == 1 else 0),
            "the condition is the wrong way round: noise goes back in at the last step alone, "
            "{your_end:.2f} of a step's std, and nowhere before",
        ),
        Mistake(
            "noise-not-normal",
            loop(draw=lambda x, i: torch.rand_like(x) if i > 1 else 0),
            "the noise put back has mean {your_mean:.2f} and std {your_std:.2f}: drawn evenly from "
            "0 to 1. It should be normal, with mean 0 and std 1",
        ),
        Mistake(
            "picture-not-kept",
            sample_without_keeping,
            "the picture that the network sees is the same at every step: the result of the step "
            "has to go on into the next one",
        ),
        Mistake(
            "returns-the-noise",
            loop(finish=lambda x, eps: eps),
            "the loop is right, but what comes back is the last guess of the noise, not the "
            "picture",
        ),
    ),
)


# --- the loss ------------------------------------------------------------------------------------

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
    noise = noise_in(network, schedule, levels)
    good = noise.isfinite()
    right = ((noise - WEIGHT * network.x)[good] ** 2).mean()
    ratio = loss.detach().double().squeeze() / right
    return {
        "noise, mean and std": torch.stack([noise[good].mean(), noise[good].std()]),
        "loss in units of the right one": ratio,
        "loss": ((ratio - 1).abs() < 1e-3).double(),  # the right one is known to the digit
    }


def noise_in(network, schedule, levels):
    """The noise that a right perturb_input would have needed for these pictures; nan at level 0."""
    alpha_bar = schedule.alpha_bar[levels].reshape(-1, 1, 1, 1)
    return (network.x - alpha_bar.sqrt() * sprites()) / (1 - alpha_bar).sqrt()


def measure_loss(function):
    network, loss, schedule = run_loss(function)
    levels = network.t * LOSS_LEVELS
    seen = observe_loss(function)
    mean, std = seen.get("noise, mean and std", torch.full((2,), torch.nan)).tolist()
    return {
        "lowest": levels.min().item(), "highest": levels.max().item(),
        "distinct": len(levels.unique()), "sprites": len(sprites()),
        "t": network.t.max().item(), "levels": LOSS_LEVELS, "mean": mean, "std": std,
        "loss": loss.detach().double().mean().item(), "numbers": loss.numel(),
    }  # fmt: skip


def mean_square(noise, guess, x0, x_t):
    return ((noise - guess) ** 2).mean()


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


TRAINING_LOSS = Exercise(
    name="training_loss",
    right=loss_with(),
    observe=observe_loss,
    measure=measure_loss,
    fact="draws levels {lowest:.0f} to {highest:.0f} of {levels}, one for each sprite, and comes "
    "to {loss:.2f} for a network that answers 0.55 times what it sees",
    tolerance=0.05,
    relative=False,
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
            loss_with(loss=lambda noise, guess, x0, x_t: ((x_t - guess) ** 2).mean()),
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
            loss_with(loss=lambda noise, guess, x0, x_t: (noise - guess).abs().mean()),
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
    ),
)
