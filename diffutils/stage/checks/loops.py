"""The exercise on the sampler's loop.

What it returns depends on its random draws, so that the check watches it at work: the network that
it hands over writes down what it was asked.
"""

import math
import re

import torch

from diffutils.noising import predict_x0
from diffutils.sampling import denoise_add_noise, denoise_ddim
from diffutils.schedule import linear_schedule
from diffutils.stage.checks.asking import Misuse, Unfinished, as_tensor
from diffutils.stage.checks.engine import Exercise, Mistake, Sign
from diffutils.stage.checks.levels import add, keep

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
