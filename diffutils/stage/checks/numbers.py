"""Questions whose answer is a number, each with the wrong numbers that people arrive at.

`number(name, answer)` checks one. All values are computed at the moment of the check, from the
lessons' schedule; a wrong answer is named but the right number is not told.
A number that nobody foresaw is told what it would mean, where a question's `tell` can say so.
To add a question, add a `Question` to QUESTIONS.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

from diffutils.schedule import linear_schedule
from diffutils.stage.checks.engine import Result


@dataclass(frozen=True)
class Wrong:
    """A number that is known to be wrong: how one arrives at it, and what to say."""

    name: str
    value: Callable
    sentence: str


@dataclass(frozen=True)
class Question:
    """One question.

    right       a function without arguments -> the number
    tolerance   how far off is still right, relative to the number
    fact        what a right answer is told; {right} is the number
    wrong       the numbers that people arrive at
    tell        tell(answer) -> (name, sentence) of any other wrong number: what it would mean
    """

    name: str
    text: str
    right: Callable
    fact: str
    wrong: tuple
    tolerance: float = 0.01
    tell: Callable | None = None


def left(i):
    """The share of the variance that is signal at level i of the lessons' schedule."""
    return linear_schedule().alpha_bar[i].item()


def level_where(signal_share):
    """The first level at which no more than this share of the variance is signal."""
    return int((linear_schedule().alpha_bar > signal_share).sum())


def grey_steps(mistake, power):
    """A mistake of the noise at level 250 in steps of 255 of the sprite, the factor to a power."""
    return 127.5 * mistake * ((1 - left(250)) / left(250)) ** (power / 2)


def share_of_black(votes):
    """The share of black in a world of black and white, at a pixel of 0.3 at level 250."""
    signal, variance = left(250) ** 0.5, 1 - left(250)
    return 1 / (1 + math.exp(0.6 * signal / variance - votes))


def sprites_for(points, p=0.8, z=1.96):
    """How many sprites tell a share of p with a margin of so many points."""
    return z**2 * p * (1 - p) / (points / 100) ** 2


# --- what any other number would mean -------------------------------------------------------------


def tell_signal(answer):
    """At which level so much of the sprite's amplitude is left."""
    if not 0 <= answer <= 1:
        return "no-part", "a part of the sprite lies between 0 and 1"
    if answer < left(500) ** 0.5:
        text = "so little is left at no level of this schedule: at the end the variance still has"
        return "too-little", f"{text} a share of {left(500):.4f}"
    at = level_where(answer**2)
    return "of-another-level", f"so much is left at level {at}; asked for is the last one, 500"


def tell_echo(answer):
    """Which of the two parts of the echo's mistake is too small or too large."""
    if answer < 0:
        return "below-0", "a mean of squares is not below 0"
    if answer < left(184):
        return "too-little", "the sprite that came back with the noise costs more than that alone"
    if answer > 1:
        return "worse-than-0", "an answer of 0 costs 1, and this one holds most of the noise"
    costs = left(184) + (1 - (1 - left(184)) ** 0.5) ** 2
    if answer < costs:
        text = "the sprite costs nearly that alone; what is missing of the noise costs more than"
        return "noise-too-cheap", f"{text} the little that is left"
    text = "of the noise the larger part is as it should be: what is missing, squared, is less"
    return "noise-too-dear", f"{text} than yours"


def tell_best_echo(answer):
    """How the answer compares with the echo itself and with silence."""
    if answer < 0:
        return "below-0", "a mean of squares is not below 0"
    if answer < left(184):
        text = "no w gets so low: turned down, more of the noise is missing; turned up, more of"
        return "too-good", f"{text} the sprite comes through"
    if answer > 1:
        return "worse-than-0", "w = 0, an answer of 0, costs 1, which is less"
    return "not-the-best", "there is a w, below that of the echo, that costs less"


def tell_times(answer):
    """How often that is for each step."""
    a_step = f"that is {answer / 360:.2g} times in each of the 360 steps"
    if answer > 360:
        return "too-often", f"{a_step}; but a step shows 16, and there are twenty"
    return "other-count", f"{a_step}, for each of the twenty: how many would a step have to show?"


def tell_grey(answer):
    """How the answer compares with the mistake of the noise, in the same steps."""
    noise = grey_steps(0.005**0.5, 0)
    text = f"the noise is off by {noise:.2g} steps"
    if answer < 1:
        return "less-than-a-step", f"{text} already: is yours squared, or not in steps of 255?"
    if answer < noise:
        return "less-than-the-noise", f"{text} already, and on its way to the sprite that grows"
    factor = f"yours makes the mistake grow {answer / noise:.2g} times on its way to the sprite"
    return "other-factor", f"{text}; {factor}"


def tell_pixels(answer):
    """What square that would be, and after how many layers."""
    side = math.isqrt(max(int(answer), 0))
    if answer != side**2 or not side:
        return "no-square", "the pixels that one number depends on form a square, and that is none"
    if side % 2 == 0:
        text = f"a square of {side} by {side} has no pixel in its middle"
        return "no-middle", f"{text}; a window of 3 reaches as far to the left as to the right"
    layers = f"{side // 2} layer{'s' if side != 3 else ''}"
    return "other-layers", f"a square of {side} by {side} is what {layers} would see"


def tell_variance(answer):
    """Whether it grew, and how much of it would have come from the dice."""
    if answer <= 0:
        return "no-variance", "a variance is above 0"
    if answer >= 1:
        return "grows", f"then the step would add {answer - 0.98:.4g} to the 0.98 that is kept"
    if answer < 0.98:
        return "less-than-kept", "0.98 of the variance is kept before any dice fall"
    return "other-dice", f"the dice would have brought {answer - 0.98:.4g}, with a std of " + (
        f"{(answer - 0.98) ** 0.5:.3g}; theirs is 0.02 times 1")


def tell_entry(answer):
    """Which level that entry belongs to."""
    if answer != int(answer) or not -501 <= answer <= 500:
        return "no-entry", "an entry is a whole number, from 0 to 500 or counted from the end"
    if answer < 0:
        return "below-zero", "count it from the end: -1 is entry 500"
    return "other-entry", f"that is entry {answer - 501:.0f} from the end; strides of 14 from 500"


def tell_ratio(answer):
    """What factor on the pictures it would stand for."""
    if answer < 0:
        return "below-zero", "variances are never below 0"
    if answer > 1:
        return "grown", "the pictures have shrunk, the noise has not"
    return "other-factor", f"that would be so if pictures were multiplied by {answer**0.5:.2f}"


def tell_odds(answer):
    """How many votes would do so much."""
    if answer <= 0:
        return "no-odds", "odds are multiplied by a number above 0"
    votes = math.log(answer)
    if votes < 0:
        return "less-likely", f"that is what {votes:.1f} votes would do, and make black less likely"
    return "other-votes", f"that is what {votes:.1f} votes would do; black has two"


def tell_margin(answer):
    """How wide the interval of so many sprites would be."""
    if answer <= 0:
        return "no-count", "a number of sprites is asked for"
    margin = 100 * 1.96 * (0.16 / answer) ** 0.5
    if margin > 100:
        return "no-count", "so few say nothing at all about a share"
    return "other-margin", f"so many give 80 %, give or take {margin:.2g} points"


def tell_copies(answer):
    """How large the training set would be."""
    if not 0 <= answer <= 300:
        return "not-of-300", "of 300 samples between none and all are in the training set"
    share = f"that is {answer / 3:.2g} percent of the samples"
    return "other-share", f"{share}; by chance, what share of all sprites is in the training set?"


QUESTIONS = (
    Question(
        "terminal-signal",
        "At the last level, 500, what part of the sprite's amplitude is left?",
        lambda: left(500) ** 0.5,
        '{right:.3f}: "pure noise" still holds a trace of the sprite',
        (
            Wrong(
                "variance",
                lambda: left(500),
                "that is the share of the variance; the amplitude is its square root, and much "
                "larger",
            ),
            Wrong(
                "nothing",
                lambda: 0,
                "so it is often told, but this schedule does not go all the way: something small "
                "is left",
            ),
            Wrong(
                "noise",
                lambda: (1 - left(500)) ** 0.5,
                "that is the std of the noise; asked for is what is left of the sprite",
            ),
        ),
        tolerance=0.02,
        tell=tell_signal,
    ),
    Question(
        "echo-half-way",
        "At level 184 picture and noise both have 0.71 of their std. A network hands the picture "
        "back that it was shown, of black or white pixels. What is its mean squared error?",
        lambda: left(184) + (1 - (1 - left(184)) ** 0.5) ** 2,
        "{right:.3f}: 0.5 for the sprite, which has no business in the answer, and 0.29 squared "
        "for the noise, of which only 0.71 was handed back",
        (
            Wrong(
                "sprite-alone",
                lambda: 0.5,
                "that is the sprite in the answer, squared; but the noise that comes back is not "
                "whole either: 0.71 of it where 1 is asked for",
            ),
            Wrong(
                "all-of-it",
                lambda: 1,
                "that is what an answer of 0 costs; this answer holds most of the noise. There are "
                "two mistakes in it that have nothing to do with each other: square each, then add",
            ),
            Wrong(
                "half-squared",
                lambda: left(184) + 1 - (1 - left(184)) ** 0.5,
                "one of the two parts of the mistake was added as it is; both are squared first",
            ),
            Wrong(
                "subtracted",
                lambda: left(184) - (1 - (1 - left(184)) ** 0.5) ** 2,
                "the two parts of the mistake have nothing to do with each other, so their squares "
                "add up",
            ),
            Wrong(
                "noise-counted-whole",
                lambda: 1 + left(184),
                "that counts all of the noise as a mistake, and the sprite besides; 0.71 of the "
                "noise is as it should be",
            ),
            Wrong(
                "noise-alone",
                lambda: (1 - (1 - left(184)) ** 0.5) ** 2,
                "that is what is missing of the noise; the sprite came back as well",
            ),
            Wrong(
                "difference",
                lambda: 1 - (1 - left(184)) ** 0.5,
                "that is what is missing of the noise, not squared, and the sprite came back too",
            ),
            Wrong("zero", lambda: 0, "that would be a perfect guess; a sprite is in this one"),
            Wrong(
                "root",
                lambda: (left(184) + (1 - (1 - left(184)) ** 0.5) ** 2) ** 0.5,
                "that is the size of the mistake; the loss is a mean of squares",
            ),
            Wrong("std", lambda: left(184) ** 0.5, "that is the std of one of the parts"),
        ),
        tolerance=0.025,
        tell=tell_echo,
    ),
    Question(
        "best-echo-half-way",
        "At level 184 picture and noise both have 0.71 of their std; pixels are black or white. A "
        "network hands back w times what it sees. What is the smallest loss, for the best w?",
        lambda: left(184),
        "{right:.2f}, for w = 0.71: exactly what is left of the sprite's variance",
        (
            Wrong(
                "echo",
                lambda: left(184) + (1 - (1 - left(184)) ** 0.5) ** 2,
                "that is the echo itself, w = 1; turned down a little it costs less",
            ),
            Wrong(
                "turned-to-half",
                lambda: 0.25 - (1 - left(184)) ** 0.5 + 1,
                "that is the loss for w = 0.5; the best w lies between that and the echo",
            ),
            Wrong("silent", lambda: 1, "that is the loss for w = 0, of an answer of 0"),
            Wrong(
                "w-for-loss",
                lambda: (1 - left(184)) ** 0.5,
                "that would be a good w; asked for is what it costs",
            ),
            Wrong("zero", lambda: 0, "no w takes the sprite out of the answer and keeps the noise"),
            Wrong(
                "sprite-forgotten",
                lambda: (1 - (1 - left(184)) ** 0.5) ** 2,
                "that is the noise's part alone, and for w = 1; the sprite comes back as well",
            ),
            Wrong(
                "sprite-alone",
                lambda: left(184) ** 2,
                "that is w squared times the sprite's share; what is missing of the noise counts "
                "too",
            ),
        ),
        tolerance=0.025,
        tell=tell_best_echo,
    ),
    Question(
        "times-seen",
        "A network trains for 360 steps of 16 sprites, drawn at random from twenty heroes. How "
        "often, on average, is each hero seen?",
        lambda: 360 * 16 / 20,
        "{right:.0f} times, each time at another level with other noise; of 1,596 heroes each is "
        "seen three or four times",
        (
            Wrong("steps", lambda: 360, "that is the number of steps; a step shows 16 of twenty"),
            Wrong(
                "one-a-step",
                lambda: 360 / 20,
                "that would be so if a step showed one hero; it shows 16",
            ),
            Wrong(
                "all-together",
                lambda: 360 * 16,
                "that is how many noisy heroes are seen in all, of twenty",
            ),
            Wrong(
                "fraction-upside-down",
                lambda: 360 * 20 / 16,
                "then a hero would be seen more often than there are steps",
            ),
            Wrong("batch-by-heroes", lambda: 16 * 20, "the number of steps has to come in"),
            Wrong("steps-by-batch", lambda: 360 / 16, "that many steps would show a single hero"),
            Wrong("steps-by-heroes", lambda: 360 * 20, "a step does not show all twenty"),
            Wrong("share-of-a-step", lambda: 16 / 20, "that is how often in a single step"),
            Wrong("guild", lambda: 360 * 16 / 1596, "that is with all 1,596 of them"),
        ),
        tolerance=0.01,
        tell=tell_times,
    ),
    Question(
        "grey-of-a-loss",
        "At level 250 the spread of the noise is 0.848 and what is left of the sprite 0.530. The "
        "loss is 0.005. How far is the guessed sprite off, in steps of grey, 255 from -1 to 1?",
        lambda: grey_steps(0.005**0.5, 1),
        "{right:.1f} steps of 255",
        (
            Wrong(
                "root-missing",
                lambda: grey_steps(0.005, 1),
                "a loss is a mean of squares; its root is the size of the mistake",
            ),
            Wrong(
                "noise-for-sprite",
                lambda: grey_steps(0.005**0.5, 0),
                "that is how far the noise is off; a mistake grows on its way to the sprite",
            ),
            Wrong(
                "factor-upside-down",
                lambda: grey_steps(0.005**0.5, -1),
                "the mistake shrinks on its way to the sprite; at level 250 it grows",
            ),
            Wrong(
                "factor-squared",
                lambda: grey_steps(0.005**0.5, 2),
                "the factor from noise to sprite comes in twice",
            ),
            Wrong(
                "doubled",
                lambda: 2 * grey_steps(0.005**0.5, 1),
                "twice too much: from -1 to 1 is a way of 2, and 255 steps long",
            ),
            Wrong(
                "doubled-noise",
                lambda: 2 * grey_steps(0.005**0.5, 0),
                "that is how far the noise is off, and 255 steps are a way of 2, not of 1",
            ),
            Wrong(
                "all-squared",
                lambda: grey_steps(0.005, 2),
                "the mistake of the sprite is squared here; take the root of the loss first",
            ),
            Wrong(
                "not-in-steps",
                lambda: grey_steps(0.005**0.5, 1) / 127.5,
                "that is the mistake of the sprite on the scale from -1 to 1; count it in steps",
            ),
            Wrong(
                "noise-not-in-steps",
                lambda: 0.005**0.5,
                "that is the mistake of the noise; carry it over to the sprite and count steps",
            ),
            Wrong(
                "spread-alone",
                lambda: grey_steps(0.005**0.5, 0) * (1 - left(250)) ** 0.5,
                "the spread came in, and what is left of the sprite did not",
            ),
            Wrong(
                "signal-alone",
                lambda: grey_steps(0.005**0.5, 0) / left(250) ** 0.5,
                "what is left of the sprite came in, and the spread of the noise did not",
            ),
            Wrong("zero", lambda: 0, "small, but not so small"),
        ),
        tolerance=0.03,
        tell=tell_grey,
    ),
    Question(
        "pixels-seen",
        "Five 3x3 convolutions, one after another. How many pixels of a large picture does one "
        "number at the end depend on?",
        lambda: 11 * 11,
        "{right:.0f}: each layer adds a ring of one pixel, so the square is 2 * 5 + 1 wide",
        (
            Wrong("side", lambda: 11, "that is the side of the square; asked for are its pixels"),
            Wrong("windows-added", lambda: 5 * 9, "five windows side by side; these are stacked"),
            Wrong(
                "one-side",
                lambda: 6 * 6,
                "the view grows to the left and to the right, by one pixel each a layer",
            ),
            Wrong(
                "three-a-layer",
                lambda: 15 * 15,
                "that makes the square 3 wider each layer; a window of 3 reaches 1 to each side",
            ),
            Wrong("one-layer", lambda: 3 * 3, "that is what one layer sees"),
            Wrong("five-by-five", lambda: 5 * 5, "that is what two layers see"),
        ),
        tolerance=0,
        tell=tell_pixels,
    ),
    Question(
        "odds-of-two-votes",
        "Black gets two votes, white none. How many times as large are the odds of black?",
        lambda: math.exp(2),
        "{right:.2f}: each vote multiplies the odds by 2.718, and two of them do so twice",
        (
            Wrong("votes", lambda: 2, "that is the number of votes; each of them multiplies"),
            Wrong("one-vote", lambda: math.e, "that is what one vote does"),
            Wrong("votes-added", lambda: 2 * math.e, "two votes multiply one after the other"),
            Wrong("base-2", lambda: 4, "that doubles the odds with each vote; a vote does more"),
            Wrong("base-10", lambda: 100, "that takes a vote for a power of ten"),
            Wrong("upside-down", lambda: math.exp(-2), "those are the odds of white"),
            Wrong("share", lambda: share_of_black(2) / share_of_black(0),
                  "so much does its share grow at a pixel that shows 0.3 at level 250; odds are a "
                  "share divided by the other"),
            Wrong("odds-themselves", lambda: share_of_black(2) / (1 - share_of_black(2)),
                  "those are the odds with the votes, at a pixel that shows 0.3 at level 250; how "
                  "many times those without are they?"),
            Wrong("logarithm", lambda: math.log(2), "that is a logarithm; a vote is an exponent"),
            Wrong("one-plus", lambda: 3, "votes do not add to the odds, they multiply them"),
            Wrong("growth", lambda: math.exp(2) - 1,
                  "by so many times they grow; asked for is to how many times they grow"),
            Wrong("rounded", lambda: 7, "that is close; give one decimal or two"),
            Wrong("twice", lambda: 2 * math.exp(2), "that is twice as much as two votes do"),
            Wrong("share-itself", lambda: share_of_black(2), "that is the share of black with the "
                  "votes, at a pixel that shows 0.3 at level 250; odds are a share divided by the "
                  "other"),
            Wrong("share-gained", lambda: share_of_black(2) - share_of_black(0), "so much is added "
                  "to its share, at a pixel that shows 0.3 at level 250; asked for is a ratio of "
                  "odds"),
            Wrong("odds-before", lambda: share_of_black(0) / (1 - share_of_black(0)),
                  "those are the odds without votes, at a pixel that shows 0.3 at level 250"),
            Wrong("unchanged", lambda: 1, "then votes would do nothing"),
            Wrong("base-3", lambda: 9, "that makes the odds three times as large with each vote; a "
                  "vote does a little less"),
            Wrong("three-doublings", lambda: 8, "that doubles the odds three times; there are two "
                  "votes, and each does more"),
        ),
        tolerance=0.02,
        tell=tell_odds,
    ),
    Question(
        "sprites-for-two-points",
        "Of 120 flawless sprites 96 are new, 80 %, give or take 7.2 points. How many flawless "
        "sprites does it take for 80 %, give or take 2 points?",
        lambda: sprites_for(2),
        "about {right:.0f}: the margin falls with the root of the count",
        (
            Wrong("ratio-not-squared", lambda: 120 * 7.16 / 2, "that many times as many sprites as "
                  "the margin is to shrink; it shrinks with a root"),
            Wrong("without-196", lambda: sprites_for(2, z=1), "that makes one standard error 2 "
                  "points; at 95 % the margin is 1.96 of them"),
            Wrong("196-not-squared", lambda: sprites_for(2) / 1.96, "1.96 came in without being "
                  "squared, and it stands beside a root"),
            Wrong("width", lambda: sprites_for(1), "that makes the whole interval 2 points wide; "
                  "give or take 2 makes it 4"),
            Wrong("worst-case", lambda: sprites_for(2, p=0.5), "that would do for any share; for "
                  "80 % fewer are enough"),
            Wrong("share-alone", lambda: 1.96**2 * 0.8 / 0.02**2, "the share came in, what is "
                  "missing from it to 1 did not"),
            Wrong("rest-alone", lambda: 1.96**2 * 0.2 / 0.02**2, "the fifth that is not new came "
                  "in, the share that is did not"),
            Wrong("margin-not-squared", lambda: 1.96**2 * 0.16 / 0.02, "the margin is not squared "
                  "yet, and 120 sprites gave 7.2 points: fewer cannot give 2"),
            Wrong("nothing-squared", lambda: 1.96 * 0.16 / 0.02, "so few give a wider margin than "
                  "the 7.2 points of 120; there is a root to undo"),
            Wrong("root-not-undone", lambda: 1.96 * 0.4 / 0.02, "that is the root of the count"),
            Wrong("ratio", lambda: 7.16 / 2, "that is how many times narrower it is to be"),
            Wrong("ratio-squared", lambda: (7.16 / 2) ** 2, "so many times as many as 120"),
            Wrong("of-96", lambda: 96 * (7.16 / 2) ** 2, "that many new ones; asked for are all "
                  "flawless ones"),
            Wrong("more", lambda: sprites_for(2) - 120, "so many more than the 120; asked for are "
                  "all of them"),
            Wrong("std-for-variance", lambda: 1.96**2 * 0.4 / 0.02**2, "the spread of one sprite "
                  "came in as a std where a variance belongs"),
            Wrong("cubed", lambda: 120 * (7.16 / 2) ** 3, "too many: the margin falls with a root, "
                  "so the count grows with a square"),
            Wrong("percent", lambda: 1.96**2 * 0.16 / 4, "shares and percent were mixed: 2 points "
                  "are 0.02 of all"),
        ),
        tolerance=0.045,
        tell=tell_margin,
    ),
    Question(
        "copies-by-chance",
        "A small world has 12,768 sprites, all equally likely, and 500 of them are a training "
        "set. A perfect sampler of the world, which has never heard of the set, draws 300 sprites. "
        "How many copies will be counted on average?",
        lambda: 300 * 500 / 12768,
        "{right:.1f}: to be in the training set is no proof of having copied",
        (
            Wrong("share", lambda: 500 / 12768, "that is a share; how many of the 300?"),
            Wrong("percent", lambda: 100 * 500 / 12768, "that many of 100; 300 are drawn"),
            Wrong("none", lambda: 0, "it never heard of the training set, but it draws from the "
                  "world that the set was taken from"),
            Wrong("all", lambda: 300, "then it could draw nothing but the training set"),
            Wrong("new-ones", lambda: 300 * (1 - 500 / 12768), "that many are new"),
            Wrong("set-in-samples", lambda: 300 / 500, "the size of the world has to come in"),
            Wrong("samples-in-set", lambda: 500 / 300, "the size of the world has to come in"),
            Wrong("upside-down", lambda: 12768 / 500, "one in so many is in the training set"),
            Wrong("samples-of-the-world", lambda: 300 * 300 / 12768, "300 came in twice, the "
                  "training set not at all"),
            Wrong("share-drawn", lambda: 300 / 12768, "that is the share of the world that is "
                  "drawn"),
            Wrong("odds", lambda: 300 * 500 / (12768 - 500), "the training set was divided by "
                  "those outside it, and not by all"),
            Wrong("outside", lambda: 12768 - 500, "so many are outside the training set"),
            Wrong("training-set", lambda: 500, "more than were drawn"),
            Wrong("root", lambda: (300 * 500 / 12768) ** 0.5, "that is about how much the count "
                  "varies; asked for is its mean"),
            Wrong("twice", lambda: 2 * 300 * 500 / 12768, "so many of 600"),
            Wrong("half", lambda: 300 * 500 / 12768 / 2, "300 are drawn, not 150"),
            Wrong("set-twice", lambda: 500 * 500 / 12768, "that many of 500; 300 are drawn"),
            Wrong("of-two-thousand", lambda: 300 * 2000 / 12768, "so many with a training set of "
                  "2,000; here it has 500"),
            Wrong("the-tables", lambda: 200 * 2000 / 12768, "so many of 200 with a training set "
                  "of 2,000, as in the table; here both are others"),
        ),
        tolerance=0.025,
        tell=tell_copies,
    ),
    Question(
        "guidance-in-paper-terms",
        "Here guidance 3 means w = 3 with 1 as the plain conditional model. What is w in the "
        "paper's convention, where that is 0?",
        lambda: 2.0,
        "{right:.0f}: the two conventions differ by one",
        (
            Wrong(
                "same",
                lambda: 3,
                "that is the same number; in the paper's convention the conditional model is 0",
            ),
            Wrong("wrong-way", lambda: 4, "off by one the wrong way"),
        ),
    ),
    Question(
        "ddim-speedup",
        "How many times fewer calls of the network are 25 steps than 500?",
        lambda: 500 / 25,
        "{right:.0f} times fewer",
        (
            Wrong("inverse", lambda: 25 / 500, "that is the other way round"),
            Wrong(
                "difference", lambda: 475, "that is how many calls are saved; asked for is a ratio"
            ),
        ),
    ),
    Question(
        "bits-of-1024",
        "How many yes-or-no questions does it take to name one sprite of 1024 equally likely ones?",
        lambda: math.log2(1024),
        "{right:.0f} bits: each question halves those that are left",
        (
            Wrong(
                "nats",
                lambda: math.log(1024),
                "that is the natural logarithm; a yes-or-no question halves",
            ),
            Wrong(
                "decimal",
                lambda: math.log10(1024),
                "that is the decimal logarithm; a yes-or-no question halves",
            ),
            Wrong(
                "half",
                lambda: 512,
                "that leaves one half after the first question; you may go on asking",
            ),
            Wrong(
                "all",
                lambda: 1024,
                "that asks for each sprite by itself; a good question rules out half of them at "
                "once",
            ),
        ),
    ),
    Question(
        "variance-with-the-bug",
        "Plain noise, variance 1. A step with beta = 0.02 keeps 1 - beta of the variance and adds "
        "dice. They are multiplied by beta, not by its root. The variance after the step?",
        lambda: 0.98 + 0.02**2,
        "{right:.4f}: 0.98 is kept and hardly anything comes in; each step loses about beta",
        (
            Wrong("healthy", lambda: 1, "that is the variance with the right dice"),
            Wrong(
                "kept-alone",
                lambda: 0.98,
                "that is what is kept; the dice bring in a little, though far too little",
            ),
            Wrong(
                "beta-not-squared",
                lambda: 0.98 + 0.02 * 0.02**0.5,
                "a factor counts squared in a variance; yours is squared in part",
            ),
            Wrong(
                "kept-squared",
                lambda: 0.98**2 + 0.02**2,
                "the share that is kept is one of the variance already; it is not squared again",
            ),
            Wrong(
                "kept-rooted",
                lambda: 0.98**0.5 + 0.02**2,
                "a picture is multiplied by that root; its variance keeps less",
            ),
            Wrong(
                "kept-rooted-alone",
                lambda: 0.98**0.5,
                "that is a std, and the dice are missing",
            ),
            Wrong(
                "std-of-it",
                lambda: (0.98 + 0.02**2) ** 0.5,
                "that is the std after the step; a variance is asked for",
            ),
            Wrong("stds-added", lambda: 0.98**0.5 + 0.02, "stds do not add up, variances do"),
            Wrong("dice-alone", lambda: 0.02**2, "that is what the dice bring; most was kept"),
            Wrong("dice-std", lambda: 0.02, "that is the std of the dice; most was kept"),
            Wrong("dice-right", lambda: 0.02**0.5, "that is the std of the right dice"),
            Wrong("taken-off", lambda: 0.98 - 0.02**2, "dice never make a variance smaller"),
            Wrong("nothing-kept-off", lambda: 1 + 0.02**2, "the step keeps less than all"),
            Wrong("grown", lambda: 1.02, "it falls: what comes in is less than what goes"),
            Wrong("twice", lambda: 0.96, "beta is lost once in a step"),
            Wrong("lost", lambda: 0.02 - 0.02**2, "that is how much is lost"),
        ),
        tolerance=3e-5,
        tell=tell_variance,
    ),
    Question(
        "wrapped-entry",
        "500 levels, 35 steps asked for: strides of 500 // 35 = 14, down to the first level below "
        "0. alpha_bar has 501 entries, 0 to 500. Which of them does the last step end at?",
        lambda: 497,
        "entry {right:.0f}: 36 strides end at level -4, and Python counts from the end",
        (
            Wrong("last-above", lambda: 10, "that is the last level above 0; one stride follows"),
            Wrong("below", lambda: -4, "that is the level; which entry does a list give for it?"),
            Wrong("zero", lambda: 0, "14 does not divide 500, and nothing makes it stop there"),
            Wrong("of-500", lambda: 496, "that would be so in a list of 500 entries"),
            Wrong("top", lambda: 500, "that is entry -1; the level is further below 0"),
            Wrong("fourth", lambda: 4, "a negative entry is counted from the end"),
            Wrong("stride", lambda: 14, "that is the length of a stride"),
            Wrong("strides", lambda: 36, "that is how many strides there are"),
            Wrong("asked", lambda: 35, "that is how many were asked for"),
            Wrong("one-early", lambda: 498, "count once more: -1 is entry 500"),
            Wrong("two-early", lambda: 499, "count once more: -1 is entry 500"),
            Wrong("one-late", lambda: 495, "count once more: -1 is entry 500"),
            Wrong("two-strides", lambda: 487, "one stride less: the first level below 0 ends it"),
            Wrong("minus-ten", lambda: 490, "the last level above 0 is 10; from there one stride"),
            Wrong("first", lambda: 486, "that is where the first stride ends"),
            Wrong("rounded", lambda: 491, "with strides of 14 the last level above 0 is 10"),
        ),
        tolerance=1e-4,
        tell=tell_entry,
    ),
    Question(
        "half-range-ratio",
        "At level 184 alpha_bar is 0.5: as much signal as noise, for pictures of variance 1. Move "
        "those pictures from -1..1 to 0..1. What is the ratio of the two variances now?",
        lambda: 0.25,
        "{right:.2f}: half the range is a quarter of the variance",
        (
            Wrong("unchanged", lambda: 1, "the pictures were made smaller, the noise was not"),
            Wrong("half", lambda: 0.5, "that is the ratio of the stds; variances go with squares"),
            Wrong("faded-too", lambda: 0.125, "alpha_bar is in both: in the signal and, as 1 - "
                  "alpha_bar, in the noise; here they are equal"),
            Wrong("turned", lambda: 4, "that is noise over signal"),
            Wrong("turned-std", lambda: 2, "that is a ratio of stds, and noise over signal"),
            Wrong("twelfth", lambda: 1 / 12, "that is the variance of uniform numbers"),
            Wrong("third", lambda: 1 / 3, "these pictures have variance 1, not that of a ruler"),
            Wrong("moved", lambda: 0.75, "a quarter is what is left, not what goes"),
            Wrong("mean-counted", lambda: 1.25, "the mean is no variance: it tells pictures from "
                  "noise no better"),
            Wrong("sixteenth", lambda: 1 / 16, "squared once too often"),
            Wrong("root", lambda: 0.5**0.5, "that is a share of an amplitude"),
            Wrong("zero", lambda: 0, "they still differ from each other, half as much"),
            Wrong("double-root", lambda: 8**0.5, "signal over noise, and the signal has shrunk"),
            Wrong("eighth-root", lambda: 0.125**0.5, "that is a root; variances are asked for"),
            Wrong("fifth", lambda: 0.2, "that is signal over everything, and not over noise"),
        ),
        tolerance=0.01,
        tell=tell_ratio,
    ),
)


def find(name):
    """The Question of this name; ValueError names those there are."""
    for question in QUESTIONS:
        if question.name == name:
            return question
    names = ", ".join(question.name for question in QUESTIONS)
    raise ValueError(f"number: name is {name!r}; expected one of {names}")


def question(name):
    """The text of a question, for the lesson's prose. ValueError for a name that is not there."""
    return find(name).text


def number(name, answer):
    """The student's answer to a question checked: prints one line, returns a Result.

    name     of a question; ValueError names those there are
    answer   a number, or None while there is none yet
    """
    asked = find(name)
    mistake, head, text = judge(asked, answer)
    result = Result(name, mistake is None, mistake, f"{head}: {text}")
    print(result.message)
    return result


def judge(asked, answer):
    """(name of the mistake or None, the first words of the line, what to say)."""
    if answer is None or answer is ...:
        return "not-done", "not done yet", asked.text
    if hasattr(answer, "item") and math.prod(answer.shape) == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, Real) or not math.isfinite(answer):
        return "type", "not right yet", f"{answer!r} is not a number. {asked.text}"
    right = asked.right()
    if close(answer, right, asked.tolerance):
        return None, "right", asked.fact.format(right=right)
    for wrong in asked.wrong:
        if close(answer, wrong.value(), asked.tolerance):
            return wrong.name, "not right yet", f"{answer:.4g}: {wrong.sentence}"
    if asked.tell:
        name, sentence = asked.tell(answer)
        return name, "not right yet", f"{answer:.4g}: {sentence}"
    return "unknown", "not right yet", f"{answer:.4g} is {how_far(answer, right)}. {asked.text}"


def close(answer, value, tolerance):
    return abs(answer - value) <= tolerance * abs(value) + 1e-9


def how_far(answer, right):
    """In words: which way and how far, without the number."""
    if answer * right < 0:
        return "of the wrong sign"
    way = "too large" if abs(answer) > abs(right) else "too small"
    ratio = max(abs(answer), abs(right)) / max(min(abs(answer), abs(right)), 1e-12)
    words = (
        "by less than a tenth" if ratio < 1.1 else "by less than half" if ratio < 1.5 else "by far"
    )
    return f"{way}, {words}"
