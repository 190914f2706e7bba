"""Exercises on loops: the sampler, and the loss of one training step.

What such a function returns depends on its random draws, so that these checks watch it at work: the
network that they hand over writes down what it was asked.
"""

import math
import re

import torch

from diffutils.noising import noise_in, perturb_input, predict_x0
from diffutils.sampling import denoise_add_noise, denoise_ddim
from diffutils.schedule import linear_schedule
from diffutils.stage.checks.asking import Misuse, Unfinished, as_tensor
from diffutils.stage.checks.engine import Exercise, Mistake, Sign
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
        self.answers.append(eps.clone())
        return eps

    def level(self, told):
        """The level meant by t, brought into 1..T; nan and infinity count as T."""
        level = told * self.schedule.timesteps
        last = self.schedule.timesteps
        return min(max(round(level), 1), last) if math.isfinite(level) else last


def run_sampler(function):
    """(the Oracle after the run, the samples or None where the run stopped, what was raised)."""
    oracle = Oracle(linear_schedule(SAMPLER_LEVELS, 5e-4, 0.1))
    x = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    try:
        samples = as_tensor(function(x.clone(), nn_model=oracle, schedule=oracle.schedule))
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        if not oracle.told or "ellipsis" in str(error).casefold():
            raise
        return oracle, None, error
    if not oracle.told:
        raise Unfinished("returns without asking nn_model once; does its loop run at all?")
    if samples.shape != x.shape:
        shapes = tuple(samples.shape), tuple(x.shape)
        raise Misuse("shape", f"it returns shape {shapes[0]} where {shapes[1]} is expected, like x")
    return oracle, samples, None


BLAMED = ("z", "i", "x", "pred_noise", "x_t", "noise")


def blamed(error):
    """Which argument of the library's step an error speaks of: its place in BLAMED + 1, or 0."""
    found = re.match(r"[a-z_0-9]+: (\w+) ", str(error or ""))
    return BLAMED.index(found[1]) + 1 if found and found[1] in BLAMED else 0


def observe_sampler(function):
    """The levels told to the network; where they are right, also the noise put back and the end."""
    oracle, samples, error = run_sampler(function)
    told = torch.tensor(oracle.told) * SAMPLER_LEVELS
    finished = samples is not None and bool(samples.isfinite().all())
    seen = {
        "levels (how many, first, last, steps down)": describe_levels(told),
        "finished": torch.tensor(float(finished)),
        "stopped by": torch.tensor(float(blamed(error))),
    }
    if finished and len(told) == 1:
        near = (samples - oracle.seen[0]).abs().mean().item() < 0.5
        seen["one step taken"] = torch.tensor(float(near))
    if finished and right_levels(told):
        seen |= observe_noise(oracle, samples)
    return seen


def right_levels(told):
    right = torch.arange(SAMPLER_LEVELS, 0, -1)
    return len(told) == len(right) and torch.allclose(told, right.float(), atol=0.05)


def describe_levels(told):
    """(5,) how many, the first, the last, the smallest and the largest step down."""
    down = -told.diff() if len(told) > 1 else torch.zeros(1)
    return torch.stack([torch.tensor(float(len(told))), told[0], told[-1], down.min(), down.max()])


def observe_noise(oracle, samples):
    """Mean and std of the noise put back, how alike it is from step to step, and the last step."""
    z, far = noise_put_back(oracle, samples), (samples - oracle.sprite).abs().mean()
    ends = torch.stack([z[0].std(), z[-2].std(), z[-1].std()]).clamp(max=10)
    size = (z[:-1] ** 2).mean().clamp(min=1e-12)
    guesses = torch.stack(oracle.answers)[:-1]
    return {
        "noise put back": torch.stack([z[:-1].mean(), z[:-1].std()]).clamp(-10, 10),
        "noise put back in the first step, the last but one and the last": ends,
        "likeness of the noise from step to step": (z[:-2] * z[1:-1]).mean() / size,
        "likeness of the noise to the guess": (z[:-1] * guesses).mean().clamp(-2, 2),
        "distance to the sprite": far.clamp(max=1),
        "at the sprite": (far < 1e-3).double(),
    }


def noise_put_back(oracle, samples):
    """(T, ...) what each step added to the mean, in units of the std it should have."""
    schedule, z = oracle.schedule, []
    after = [*oracle.seen[1:], samples]
    for i, x, eps, x_next in zip(
        range(SAMPLER_LEVELS, 0, -1), oracle.seen, oracle.answers, after, strict=True
    ):
        mean = denoise_add_noise(x.float(), i, eps.float(), 0, schedule=schedule)
        z.append((x_next - mean) / schedule.beta[i].sqrt())
    return torch.stack(z).float()


def measure_sampler(function):
    """The levels that were asked for; the noise and the end only where they can be measured."""
    oracle, samples, _ = run_sampler(function)
    told = torch.tensor(oracle.told) * SAMPLER_LEVELS
    count, first, last, least, most = describe_levels(told).tolist()
    found = {"t": oracle.told[0], "levels": SAMPLER_LEVELS, "count": len(told), "first": first}
    if len(told) > 1:
        wanted = torch.arange(SAMPLER_LEVELS, SAMPLER_LEVELS - len(told), -1)
        found |= {"last": last, "least": least, "most": most}
        found["ratio"] = (told / wanted).median().item()
        found["even"] = float(torch.allclose(told, found["ratio"] * wanted, rtol=0.01))
    if samples is None or not samples.isfinite().all():
        return found
    far = abs((samples - oracle.sprite).abs().mean().item())
    found |= {"distance": far} if far < 100 else {}
    if right_levels(told):
        z = noise_put_back(oracle, samples)
        std, stds = z[:-1].std().item(), z.flatten(1).std(1)
        if std < 20:
            found |= {"mean": z[:-1].mean().item(), "std": std, "end": stds[-1].item()}
            found |= {"start": stds[0].item(), "late": stds[-2].item()}
    return found


def loop(
    levels=lambda T: range(T, 0, -1), t=lambda i, T: i / T, draw=None, step=denoise_add_noise,
    finish=None, use=lambda z, eps: z,
):  # fmt: skip
    """A sampler with one thing changed: the levels, what the network is told, the noise, the step.

    draw(x, i) is the noise of a step, use(z, eps) what goes back of it; step is called like
    denoise_add_noise; finish(x, eps) is what is returned in place of x.
    """
    draw = draw or (lambda x, i: torch.randn_like(x) if i > 1 else 0)

    def sample(x, *, nn_model, schedule):
        for i in levels(schedule.timesteps):
            z = draw(x, i)
            eps = nn_model(x, torch.tensor([t(i, schedule.timesteps)])[:, None, None, None])
            x = step(x, i, eps, use(z, eps), schedule=schedule)
        return finish(x, eps) if finish else x

    return sample


def sample_with_one_draw(x, *, nn_model, schedule):
    z = torch.randn_like(x)
    return loop(draw=lambda x, i: z if i > 1 else 0)(x, nn_model=nn_model, schedule=schedule)


def sample_without_keeping(x, *, nn_model, schedule):
    return loop(step=lambda x, i, eps, z, *, schedule: x)(x, nn_model=nn_model, schedule=schedule)


def tell_nothing_of_last_step(x, i):
    return torch.randn_like(x)


def sample_once(x, *, nn_model, schedule):
    return loop(levels=lambda T: [T])(x, nn_model=nn_model, schedule=schedule)


def sample_asking_once(x, *, nn_model, schedule):
    eps = nn_model(x, torch.tensor([1.0])[:, None, None, None])
    for i in range(schedule.timesteps, 0, -1):
        z = torch.randn_like(x) if i > 1 else 0
        x = denoise_add_noise(x, i, eps, z, schedule=schedule)
    return x


def step_to_sprite(x, i, eps, z, *, schedule):
    return predict_x0(x, i, eps, schedule=schedule)


def step_ddim(x, i, eps, z, *, schedule):
    return denoise_ddim(x, i, i - 1, eps, schedule=schedule)


def stepping(change):
    """A sampler whose step gets other arguments: change(i, eps, z, T) -> (i, eps, z)."""

    def step(x, i, eps, z, *, schedule):
        return denoise_add_noise(x, *change(i, eps, z, schedule.timesteps), schedule=schedule)

    return loop(step=step)


TENTH = linear_schedule(SAMPLER_LEVELS, 5e-4, 0.1).beta.sqrt().tolist()  # the std of each step

SAMPLER_SIGNS = (
    Sign(
        "t-scaled",
        lambda y, r: y["count"] > 2 and y["even"] and abs(y["ratio"] - 1) > 0.005,
        "t = {your_t:.3g} is what the network is told at the first step, it should be "
        "{right_t:.3g}: all along yours is {your_ratio:.3g} times that",
    ),
    Sign(
        "t-constant",
        lambda y, r: y["count"] > 2 and y["first"] == y["last"] and y["least"] == y["most"] == 0,
        "t = {your_t:.3g} is what the network is told at each of {your_count} steps; it should "
        "hear where it is",
    ),
    Sign(
        "levels-skipped",
        lambda y, r: 1 < y["count"] < r["count"] and y["least"] > 1.5,
        "{your_count} levels are asked for, {your_most:.0f} apart, where {right_count} belong: the "
        "step takes out the noise of one level",
    ),
    Sign(
        "levels-wrong",
        lambda y, r: (y["count"], round(y["first"]), round(y["last"])) != (
            r["count"], round(r["first"]), round(r["last"])),
        "{your_count} levels are asked for, from {your_first:.0f} to {your_last:.0f}, where "
        "{right_count} belong, from {right_first:.0f} to {right_last:.0f}",
    ),  # fmt: skip
    Sign(
        "levels-uneven",
        lambda y, r: y["most"] - y["least"] > 0.1,
        "from one call to the next the level told goes down by {your_least:.2f} to "
        "{your_most:.2f}; it should be one level each time",
    ),
    Sign(
        "noise-missing-early",
        lambda y, r: y["start"] < 0.05 < y["late"],
        "the first step puts back noise of {your_start:.2f} of a step's std, the last but one "
        "{your_late:.2f}: both should be {right_std:.2f}",
    ),
    Sign(
        "noise-stops-early",
        lambda y, r: y["late"] < 0.05 < y["start"] and y["end"] < 0.05,
        "the noise that goes back ends too early: {your_start:.2f} of a step's std in the first "
        "step, {your_late:.2f} in the last but one, where {right_late:.2f} still belongs",
    ),
    Sign(
        "noise-of-the-wrong-mean",
        lambda y, r: abs(y["mean"]) > 0.05,
        "the noise put back has mean {your_mean:.2f} and std {your_std:.2f} of a step's; it should "
        "have mean {right_mean:.2f} and std {right_std:.2f}",
    ),
    Sign(
        "noise-of-the-wrong-size",
        lambda y, r: abs(y["std"] - 1) > 0.03,
        "noise of {your_std:.2f} of a step's std is put back, it should be {right_std:.2f}",
    ),
    Sign(
        "noise-in-the-last-step",
        lambda y, r: y["end"] > 0.03,
        "the last step puts back {your_end:.2f} of a step's std, where nothing comes after it that "
        "could take it out; it should be {right_end:.2f}",
    ),
    Sign(
        "does-not-arrive",
        lambda y, r: y["distance"] > 0.001,
        "the walk ends {your_distance:.4f} from the one sprite there is, it should be "
        "{right_distance:.4f}; the levels that are asked for are not the cause",
    ),
)


def explain_stop(function):
    """Nothing to add where the run came to its end; what was raised where it did not."""
    error = run_sampler(function)[2]
    if error is not None:
        raise error


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
    stopped=explain_stop,
    signs=SAMPLER_SIGNS,
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
            "whole-guess-out",
            loop(step=lambda x, i, eps, z, *, schedule: x - eps),
            "{your_count:.0f} times all of the guessed noise is taken out, where each step should "
            "take out its part, scale up and put fresh noise back",
        ),
        Mistake(
            "picture-for-z",
            loop(draw=lambda x, i: x if i > 1 else 0),
            "what is put back is the picture itself, and not fresh noise of {right_std:.2f} of a "
            "step's std",
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
            "picture: it ends {your_distance:.2f} from the one sprite there is",
        ),
        Mistake(
            "levels-typed-in-twice",
            loop(levels=lambda T: range(500, 0, -1), t=lambda i, T: i / 500),
            "the loop stops after {your_count} call of the network, at a level that does not "
            "exist: this schedule has {your_levels}, ask it for its number",
        ),
        Mistake(
            "divided-by-500",
            loop(t=lambda i, T: i / 500),
            "the network is told t = {your_t:.2f} at the first step, it should be {right_t:.2f}: "
            "this schedule has {your_levels} levels, not the number you divide by",
        ),
        Mistake(
            "divided-by-one-more",
            loop(t=lambda i, T: i / (T + 1)),
            "the network is told t = {your_t:.4f} at the first step, it should be {right_t:.4f}: "
            "level 0 is no step, do not count it",
        ),
        Mistake(
            "divided-by-one-less",
            loop(t=lambda i, T: i / (T - 1)),
            "the network is told t = {your_t:.4f} at the first step, it should be {right_t:.4f}: "
            "you divide by one level too few",
        ),
        Mistake(
            "t-one-high",
            loop(t=lambda i, T: (i + 1) / T),
            "the network is told the level above each time: t = {your_t:.2f} at the first step, "
            "it should be {right_t:.2f}",
        ),
        Mistake(
            "t-always-1",
            loop(t=lambda i, T: 1.0),
            "the network is told t = {your_t:.2f} at every one of {your_count} steps; it should "
            "hear where it is",
        ),
        Mistake(
            "t-squared",
            loop(t=lambda i, T: (i / T) ** 2),
            "from one call to the next the level told goes down by {your_least:.2f} to "
            "{your_most:.2f}: it should be one level each time",
        ),
        Mistake(
            "z-of-another-shape",
            loop(draw=lambda x, i: torch.randn(16, 3, 16, 16) if i > 1 else 0),
            "the loop stops after {your_count} call of the network: z has another shape than the "
            "pictures that it was handed",
        ),
        Mistake(
            "last-z-of-another-shape",
            loop(draw=lambda x, i: torch.randn_like(x) if i > 1 else torch.zeros(1)),
            "{your_count} calls went well, the last step stops: its z is a tensor of another shape "
            "than the picture",
        ),
        Mistake(
            "returns-inside-the-loop",
            sample_once,
            "{your_count} step is taken, {right_count} are needed: the loop is left in its first "
            "round. Look at how far the last line is set in",
        ),
        Mistake(
            "asks-once",
            sample_asking_once,
            "{your_count} call of the network for all the steps, {right_count} are needed: each "
            "picture wants a guess of its own",
        ),
        Mistake(
            "jumps-to-the-sprite",
            loop(step=step_to_sprite),
            "every step jumps to the guess of the clean sprite: that is noise of far more than "
            "one step's std, {right_std:.2f}, taken out. One level at a time is asked for",
        ),
        Mistake(
            "ddim-step",
            loop(step=step_ddim),
            "no noise goes back: this is the step of the fast sampler, which leaves "
            "{your_distance:.4f}; here noise of {right_std:.2f} of a step's std belongs to each",
        ),
        Mistake(
            "noise-skipped-first",
            loop(draw=lambda x, i: torch.randn_like(x) if i < SAMPLER_LEVELS else 0),
            "the first step puts back {your_start:.2f} of a step's std and the last "
            "{your_end:.2f}: the exception stands at the wrong end",
        ),
        Mistake(
            "guess-for-z",
            loop(use=lambda z, eps: eps),
            "the guess itself goes back as z; noise of std {right_std:.2f} of a step's belongs "
            "there, fresh each time",
        ),
        Mistake(
            "guess-for-z-but-the-last",
            loop(use=lambda z, eps: eps if isinstance(z, torch.Tensor) else 0),
            "all but the last step put the guess itself back as z; noise of std {right_std:.2f} of "
            "a step's belongs there, fresh each time",
        ),
        Mistake(
            "z-halved",
            loop(use=lambda z, eps: z / 2),
            "noise of {your_std:.2f} of a step's std is put back, it should be {right_std:.2f}",
        ),
        Mistake(
            "z-scaled-twice",
            loop(draw=lambda x, i: torch.randn_like(x) * TENTH[i] if i > 1 else 0),
            "noise of {your_std:.2f} of a step's std is put back, it should be {right_std:.2f}: "
            "the step itself scales z",
        ),
        Mistake(
            "step-of-the-level-below",
            stepping(lambda i, eps, z, T: (i - 1, eps, z)),
            "{your_count} calls were made, then the step is asked for level 0: it was handed the "
            "level below the one that the network was told",
        ),
        Mistake(
            "step-of-the-last-level",
            stepping(lambda i, eps, z, T: (T, eps, z)),
            "each step is done as if it were at level {your_levels}: the walk ends "
            "{your_distance:.2f} from the one sprite there is",
        ),
        Mistake(
            "guess-and-z-swapped",
            loop(
                draw=lambda x, i: torch.randn_like(x) if i > 1 else torch.zeros_like(x),
                step=lambda x, i, eps, z, *, schedule: denoise_add_noise(
                    x, i, z, eps, schedule=schedule
                ),
            ),
            "the step takes out z and puts back the guess; noise of std {right_std:.2f} of a "
            "step's should go back",
        ),
        Mistake(
            "guess-of-the-wrong-sign",
            stepping(lambda i, eps, z, T: (i, -eps, z)),
            "the guess goes in, not out: the walk should end {right_distance:.4f} from the one "
            "sprite there is, yours runs away",
        ),
        Mistake(
            "every-other-level",
            loop(levels=lambda T: range(T, 0, -2)),
            "{your_count} levels are asked for, {your_most:.0f} apart, where {right_count} belong: "
            "the step takes out the noise of one level",
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
