"""Exercises of lesson 06's notebooks on steering: past a worse guess, away, and to single parts."""

import torch

from diffutils.stage.checks.asking import call
from diffutils.stage.checks.coefficients import Reader, constant
from diffutils.stage.checks.engine import Exercise, Mistake, Sign, check
from diffutils.stage.checks.levels import coefficient, images


def cancelling_scale(function):
    """function(a, b): the scale at which two variances a and b, both off, make the variance 1.

    a   of what the good network draws alone; b of what the worse one draws
    """
    return check(CANCELLING_SCALE, function)


def toward_and_away(function):
    """function(eps_none, eps_wanted, eps_unwanted, toward, away): the guess steered by both."""
    return check(TOWARD_AND_AWAY, function)


def naming(function):
    """function(c, dice, widths): the contexts (B, n), of whose groups some are named, some not.

    dice     (B, groups) in 0..1; a group stays where its die is below a half
    widths   how many numbers each group has
    """
    return check(NAMING, function)


# --- two errors that cancel ----------------------------------------------------------------------


def right_scale(a, b):
    return b.log() / (b.log() - a.log())


def pairs():
    """Two variances each, as numbers in tensors: both too wide, both too narrow, on both sides."""
    found = [(1.2, 2.0), (1.5, 4.0), (1.1, 1.3), (0.8, 0.4), (1.2, 0.5)]
    return [tuple(torch.tensor(v, dtype=torch.float64) for v in pair) for pair in found]


def scale_probes():
    return [(f"a = {a:g}, b = {b:g}", (a, b), {}) for a, b in pairs()]


def measure_scale(function):
    """The scale for 1.2 and 2, and what it makes of the two; the same for 1.2 and 0.5."""
    found = {}
    for name, (a, b) in (("wide", pairs()[0]), ("sides", pairs()[4])):
        scale = call(function, a, b).double().mean()
        found |= {name: scale.item(), f"{name}_end": (a**scale * b ** (1 - scale)).item()}
    return found


AT = "for 1.2 and 2 yours is {your_wide:.2f}, and the variance would be {your_wide_end:.2f}: "
CANCELLING = (
    ("variances", lambda a, b: (b - 1) / (b - a), "the variances are on one line there, as if "
     "they added up; they multiply"),
    ("stds", lambda a, b: (b.sqrt() - 1) / (b.sqrt() - a.sqrt()), "the stds are on one line "
     "there, as if they added up; they multiply"),
    ("the-law", lambda a, b: (1 - 1 / b) / (1 / a - 1 / b), "that is what the law would need, in "
     "which the inverse variances add up; guided DDIM does not draw the law"),
    ("paper", lambda a, b: right_scale(a, b) - 1, "it is one too small, as if counted from the "
     "good guess on"),
    ("one-more", lambda a, b: right_scale(a, b) + 1, "it is one too large"),
    ("swapped", lambda a, b: right_scale(b, a), "the good and the worse are in each other's place"),
    ("sign", lambda a, b: -right_scale(a, b), "it has the wrong sign, and steers back"),
    ("inverse", lambda a, b: 1 / right_scale(a, b), "that is one over the scale"),
    ("half", lambda a, b: right_scale(a, b) / 2, "half of it, as if one of the two were a std"),
    ("double", lambda a, b: 2 * right_scale(a, b), "twice of it, as if one of the two were a std"),
    ("worse-over-good", lambda a, b: b.log() / a.log(), "that is how many times farther off the "
     "worse one is, in powers; the good one counts too"),
    ("good-over-worse", lambda a, b: a.log() / b.log(), "that is how much less the good one is "
     "off, in powers"),
    ("ratio", lambda a, b: b / a, "that is a ratio of variances and no power"),
    ("ratio-back", lambda a, b: a / b, "that is a ratio of variances and no power"),
    ("no-logarithm", lambda a, b: b / (b - a), "variances multiply to powers, and a power is found "
     "by a logarithm"),
    ("to-the-good", lambda a, b: 0 * a + 1, "that is the good one alone, whose variance is 1.2"),
    ("to-the-worse", lambda a, b: 0 * a, "that is the worse one alone"),
    ("of-the-worse", lambda a, b: b.log(), "the good one has no part in it"),
    ("difference", lambda a, b: b.log() - a.log(), "that is how far the two are apart, in powers"),
    ("sum", lambda a, b: b.log() / (b.log() + a.log()), "the two powers are added below, where one "
     "takes back what the other brings"),
)  # fmt: skip
CANCELLING_SCALE = Exercise(
    name="cancelling_scale",
    right=right_scale,
    probes=scale_probes,
    measure=measure_scale,
    signs=(
        Sign("beyond", lambda y, r: y["wide_end"] < 1 - 1e-3,
             AT + "you go too far, past 1"),
        Sign("short", lambda y, r: y["wide_end"] > 1 + 1e-3,
             AT + "you do not get to 1"),
        Sign("one-side-only", lambda y, r: abs(y["sides_end"] - 1) > 1e-3,
             "right for 1.2 and 2; for 1.2 and 0.5 yours is {your_sides:.2f}, and the variance "
             "would be {your_sides_end:.2f}"),
    ),
    fact="gives {wide:.2f} for 1.2 and 2, past the good one; for 1.2 and 0.5, which are off on "
    "two sides, {sides:.2f}, between the two",
    mistakes=tuple(Mistake(name, f, AT + said) for name, f, said in CANCELLING),
)  # fmt: skip

# --- toward one, away from another ---------------------------------------------------------------


def right_way(eps_none, eps_wanted, eps_unwanted, toward, away):
    return eps_none + toward * (eps_wanted - eps_none) - away * (eps_unwanted - eps_none)


STRENGTHS = ((3.0, 2.0), (1.0, 0.0), (0.0, 1.5), (2.0, 0.5))


def way_probes():
    return [(f"toward {t:g}, away {a:g}", (*(images(k) for k in (1, 2, 3)), t, a), {})
            for t, a in STRENGTHS]  # fmt: skip


def measure_way(function):
    """How much each guess counts, toward 3 and away 2."""
    zero, one = constant(0), constant(1)
    each = {"none": (one, zero, zero), "wanted": (zero, one, zero), "unwanted": (zero, zero, one)}
    found = {name: coefficient(call(function, *p, 3.0, 2.0)) for name, p in each.items()}
    return found | {"sum": sum(found.values())}


def of_weights(weights):
    """A mistake as weights(toward, away) of the three guesses."""

    def mistake(n, w, u, t, a):
        return sum(weight * eps for weight, eps in zip(weights(t, a), (n, w, u), strict=True))

    return mistake


COUNTS = ("toward 3 and away 2 the guesses count {your_none:+.1f} (no class), {your_wanted:+.1f} "
          "(wanted) and {your_unwanted:+.1f} (unwanted): ")  # fmt: skip
WAYS = (
    ("away-is-toward", lambda t, a: (1 - t - a, t, a), "you steer toward both"),
    ("both-reversed", lambda t, a: (1 + t - a, -t, a), "away from what is wanted, toward what is "
     "not"),
    ("exchanged", lambda t, a: (1 - a + t, a, -t), "the two strengths are in each other's place"),
    ("no-start", lambda t, a: (a - t, t, -a), "these are the two directions alone, and they start "
     "from nowhere"),
    ("starts-from-wanted", lambda t, a: (a - t, 1 + t, -a), "it starts from the wanted guess, so "
     "that at toward 0 it is asked for already"),
    ("starts-from-unwanted", lambda t, a: (a - t, t, 1 - a), "it starts from the unwanted guess"),
    ("guesses-for-directions", lambda t, a: (1, t, -a), "whole guesses are added where directions "
     "should be, and the noise is {your_sum:.1f} times too large"),
    ("from-one-to-the-other", lambda t, a: (1, t, -t), "one strength for both, and away has no "
     "say"),
    ("instead-of-none", lambda t, a: (0, t, 1 - t), "the unwanted guess stands where no class "
     "should, and away has no say"),
    ("toward-alone", lambda t, a: (1 - t, t, 0), "the unwanted one does not come in"),
    ("away-alone", lambda t, a: (1 + a, 0, -a), "the wanted one does not come in"),
    ("away-from-wanted", lambda t, a: (1 - t, t + a, -a), "the direction away is measured from the "
     "wanted guess, and toward grows with it"),
    ("averaged", lambda t, a: tuple(x / 2 for x in (2 - t + a, t, -a)), "the two are averaged, "
     "and each counts half"),
    ("divided", lambda t, a: tuple(x / (1 + t + a) for x in (1 - t + a, t, -a)), "all is divided "
     "by the sum of strengths; they have to add up to 1 by themselves"),
    ("none-forgets-away", lambda t, a: (1 - t, t, -a), "what away takes off it has to give back to "
     "no class: the three add up to {your_sum:.1f}"),
    ("none-forgets-toward", lambda t, a: (1 + a, t, -a), "what toward brings has to be taken from "
     "no class: the three add up to {your_sum:.1f}"),
    ("only-their-difference", lambda t, a: (1 - t + a, t - a, 0), "the unwanted guess does not "
     "come in; it is another direction, not a weaker wish"),
    ("away-squared", lambda t, a: (1 - t + a * a, t, -a * a), "away counts more the larger it is"),
)  # fmt: skip


def ways_words(setting):
    t, a = setting
    return {"1": 1.0, "toward": t, "away": a, "1 + toward": 1 + t, "1 + away": 1 + a,
            "toward + away": t + a, "1 - toward": 1 - t, "1 - away": 1 - a,
            "toward - away": t - a, "1 - toward - away": 1 - t - a,
            "1 + toward - away": 1 + t - a, "1 + toward + away": 1 + t + a,
            "half of toward": t / 2, "half of away": a / 2, "toward - 1": t - 1}  # fmt: skip


TOWARD_AND_AWAY = Exercise(
    name="toward_and_away",
    right=right_way,
    probes=way_probes,
    batched=True,
    measure=measure_way,
    explain=Reader(
        right=right_way,
        ask=lambda function, pictures, setting: call(function, *pictures, *setting),
        roles=("no class", "the wanted guess", "the unwanted guess"),
        settings=((3.0, 2.0), (0.5, 1.5), (2.0, 0.3), (1.2, 0.7)),
        where="toward 3 and away 2",
        words=ways_words,
    ),
    fact="counts no class {none:+.0f}, the wanted guess {wanted:+.0f} and the unwanted one "
    "{unwanted:+.0f}, toward 3 and away 2; together {sum:.0f}",
    mistakes=tuple(Mistake(name, of_weights(f), COUNTS + said) for name, f, said in WAYS),
)

# --- single parts, named or not ------------------------------------------------------------------


def right_naming(c, dice, widths):
    return c * (dice < 0.5).repeat_interleave(torch.tensor(widths), dim=1)


def some_contexts(widths, n=40, seed=0):
    """Contexts without a 0, and dice."""
    generator = torch.Generator().manual_seed(seed)
    c = torch.rand(n, sum(widths), generator=generator) + 0.5
    return c, torch.rand(n, len(widths), generator=generator)


def naming_probes():
    return [(f"widths {list(widths)}", (*some_contexts(widths), widths), {})
            for widths in ((12, 8, 8), (3, 3, 3), (2, 5))]  # fmt: skip


def measure_naming(function):
    """Of 40 contexts in groups of 12, 8 and 8: how many groups stayed whole, and in part."""
    c, dice = some_contexts((12, 8, 8))
    answer = call(function, c, dice, (12, 8, 8)).double()
    if answer.shape != c.shape:
        return {}
    groups = (answer != 0).split((12, 8, 8), dim=1)
    whole = torch.stack([group.all(1) for group in groups])
    none = torch.stack([~group.any(1) for group in groups])
    kept = (answer / c)[answer != 0]
    return {"whole": whole.sum().item(), "part": (~whole & ~none).sum().item(),
            "alike": (whole == whole[0]).all(0).double().mean().item() * 40,
            "wrong": (whole.T != (dice < 0.5)).sum().item(),
            "change": (kept - 1).abs().max().item() if len(kept) else 0.0}  # fmt: skip


def masked(mask):
    """A mistake as mask(dice, widths), (B, n) or what broadcasts to it."""
    return lambda c, dice, widths: c * mask(dice, torch.tensor(widths))


SEEN = ("of 120 groups {your_whole:.0f} stay whole and {your_part:.0f} in part, it should be "
        "{right_whole:.0f} and {right_part:.0f}: ")  # fmt: skip
NAMINGS = (
    ("above", masked(lambda d, w: (d >= 0.5).repeat_interleave(w, 1)), "those stay that should go"),
    ("tiled", masked(lambda d, w: (d < 0.5).repeat(1, int(w.max()) + 1)[:, : int(w.sum())]),
     "the dice are dealt out one number after another, and not one to a group"),
    ("whole-rows", masked(lambda d, w: d[:, :1] < 0.5), "the first die decides for all groups of "
     "a sprite: nothing can be named alone"),
    ("last-die", masked(lambda d, w: d[:, -1:] < 0.5), "the last die decides for all groups"),
    ("any", masked(lambda d, w: (d < 0.5).any(1, keepdim=True)), "one die is enough to keep all"),
    ("all", masked(lambda d, w: (d < 0.5).all(1, keepdim=True)), "all or nothing is named"),
    ("mean", masked(lambda d, w: d.mean(1, keepdim=True) < 0.5), "the mean of a sprite's dice "
     "decides for all its groups"),
    ("one-for-the-batch", masked(lambda d, w: (d[:1] < 0.5).repeat_interleave(w, 1)), "the first "
     "sprite's dice decide for the whole batch"),
    ("reversed-groups", masked(lambda d, w: (d < 0.5).flip(1).repeat_interleave(w, 1)), "each "
     "group is given the die of another"),
    ("reversed-widths", masked(lambda d, w: (d < 0.5).repeat_interleave(w.flip(0), 1)), "the "
     "widths are taken from the other end, and the borders lie elsewhere"),
    ("equal-widths", masked(lambda d, w: (d < 0.5).repeat_interleave(-(-w.sum() // len(w)), 1)
                            [:, : int(w.sum())]), "the groups are taken to be of one size"),
    ("one-in-ten", masked(lambda d, w: (d < 0.1).repeat_interleave(w, 1)), "too few are named"),
    ("nine-in-ten", masked(lambda d, w: (d >= 0.1).repeat_interleave(w, 1)), "too many are named, "
     "and so hardly ever one alone"),
    ("rescaled", masked(lambda d, w: 2 * (d < 0.5).repeat_interleave(w, 1)), "the right ones stay, "
     "but doubled, as dropout layers do"),
    ("weighted", masked(lambda d, w: d.repeat_interleave(w, 1)), "every number is multiplied by "
     "its die, and nothing goes"),
    ("ones", lambda c, d, w: 1.0 * (d < 0.5).repeat_interleave(torch.tensor(w), 1), "this is the "
     "mask alone; what the context says is gone"),
    ("all-named", lambda c, d, w: c, "everything is named always"),
    ("first-always", masked(lambda d, w: torch.cat([d[:, :1] < 9, d[:, 1:] < 0.5], 1)
                            .repeat_interleave(w, 1)), "the first group is never left out"),
    ("last-always", masked(lambda d, w: torch.cat([d[:, :-1] < 0.5, d[:, -1:] < 9], 1)
                           .repeat_interleave(w, 1)), "the last group is never left out"),
    ("negated", masked(lambda d, w: ((d < 0.5) * 2 - 1).repeat_interleave(w, 1)), "what goes "
     "becomes less than nothing, and asks for the opposite"),
)  # fmt: skip
NAMING = Exercise(
    name="naming",
    right=right_naming,
    probes=naming_probes,
    measure=measure_naming,
    signs=(
        Sign("in-part", lambda y, r: y["part"] > 0,
             SEEN + "a group is named whole or not at all"),
        Sign("one-fate", lambda y, r: y["alike"] == 40,
             SEEN + "all groups of a sprite have one fate, so that none is ever named alone"),
        Sign("wrong-groups", lambda y, r: y["wrong"] > 0,
             SEEN + "{your_wrong:.0f} groups are not where their die puts them"),
        Sign("changed", lambda y, r: y["change"] > 1e-4,
             "the right groups stay, but not as they were: some number is off by {your_change:.2f} "
             "of what it was"),
    ),
    fact="keeps {whole:.0f} of 120 groups whole and none in part; {alike:.0f} of 40 sprites have "
    "all or nothing named",
    mistakes=tuple(Mistake(name, f, SEEN + said) for name, f, said in NAMINGS),
)  # fmt: skip
