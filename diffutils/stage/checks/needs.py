"""A scale of guidance for a stated need, defended with a number of the table of lesson 06.

`scale_for(scale, low)`: a game wants sprites of the small network of which at least seven in ten
are of the class asked for, beyond doubt. Of the scales that were measured and do that, the lowest
is wanted, since each costs more than the one below it; and the lower end of its interval.
"""

from numbers import Real

from diffutils.sprites.judge import Share
from diffutils.stage.checks.engine import Result
from diffutils.stage.controlling import controlling

NEED = 70  # percent


def measured():
    """{scale: Share of the class asked for}, of the small network by 25 steps."""
    rows = controlling()["guidance"]["small"]
    return {row["scale"]: Share(*row["class"]) for row in rows if row["steps"] == 25}


def scale_for(scale=None, low=None):
    """The student's scale and the lower end of its interval in percent; prints, returns a Result.

    scale   one of those that were measured
    low     a number 0..100, right to within half a percent
    """
    mistake, said = judged(scale, low, measured())
    head = {None: "right", "not-done": "not done yet"}.get(mistake, "not right yet")
    print(f"{head}: {said}")
    return Result("scale_for", mistake is None, mistake, f"{head}: {said}")


def judged(scale, low, shares):
    """(name of the mistake or None, what to say)."""
    for name, given in (("scale", scale), ("low", low)):
        if given is None or given is ...:
            return "not-done", f"{name} is still blank"
        if not isinstance(given, Real) or isinstance(given, bool):
            return "type", f"{name} is {given!r}; a number is asked for"
    if scale not in shares:
        known = ", ".join(f"{s:g}" for s in shares)
        if scale + 1 in shares:
            known += "; if yours is as the paper counts, it is off by one here"
        return "not-measured", f"scale {scale:g} was not measured; there are {known}"
    found = wrong_scale(scale, shares) or wrong_end(low, shares[scale])
    return found or (None, defended(scale, low))


def wrong_scale(scale, shares):
    """A scale that does not meet the need, or does and costs more than it must; or None."""
    share, meet = shares[scale], [s for s in shares if 100 * shares[s].low >= NEED]
    if scale in meet:
        if scale == min(meet):
            return None
        return "too-high", (f"scale {scale:g} does it, with {ends(share)}; but so does a lower one "
                            "that was measured, and it costs less")
    if scale == 0:
        return "unconditional", (f"at scale 0 nobody listens to the context: {ends(share)} are of "
                                 "the class asked for, about one in five")
    if 100 * share.share >= NEED:
        return "count-for-interval", (f"at scale {scale:g} {100 * share.share:.1f} % were counted, "
                                      f"but the interval is {ends(share)}: less than {NEED} is "
                                      "not ruled out")
    if 100 * share.high >= NEED:
        return "upper-end", (f"at scale {scale:g} the share is {ends(share)}: {NEED} is possible, "
                             "and not sure")
    return "too-low", f"at scale {scale:g} the share is {ends(share)}: too few are as asked"


def wrong_end(low, share):
    """A number that is not the lower end in percent, or None."""
    wrong = {
        "share": (100 * share.share,
                  "that is the share that was counted; the interval begins lower"),
        "need": (NEED, "that is the need itself; asked for is what was measured"),
        "upper": (100 * share.high, "that is the upper end of the interval"),
        "fraction": (share.low, "that is a fraction; percent are asked for"),
        "count": (share.count, "that is how many there were, not the end of an interval"),
        "misses": (100 - 100 * share.low, "that is what is missing to a hundred"),
        "width": (100 * (share.high - share.low), "that is how wide the interval is"),
        "half-width": (50 * (share.high - share.low), "that is half of the interval's width"),
    }  # fmt: skip
    if abs(low - 100 * share.low) <= 0.5:
        return None
    for name, (value, said) in wrong.items():
        if abs(low - value) <= (0.005 if name == "fraction" else 0.3):
            return name, f"the scale does it. {low:g}: {said}"
    side = "above" if low > 100 * share.low else "below"
    return "other-number", (f"the scale does it. {low:g} is {side} the lower end of its interval; "
                            f"it was counted in {share.count} of {share.total}")


def ends(share):
    return f"{100 * share.low:.1f} to {100 * share.high:.1f} %"


def defended(scale, low):
    return (f"at scale {scale:g} at least {low:.1f} % are as asked, at 95 %, and no lower scale "
            "that was measured can promise that")
