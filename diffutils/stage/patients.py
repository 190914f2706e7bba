"""The unknown patient: a model with a bug drawn by lot, or with none, to be named by its symptoms.

    ward = Ward(seed=7)
    ward[0].samples()            each look costs points
    ward[0].way()
    ward[0].name("std")          the answer, with the evidence; "healthy" if nothing is wrong
    ward.name(["std", ...])      all five

Five patients, of which one is healthy, and no two have the same bug. A wrong diagnosis is answered
by a measurement that it does not fit, and does not tell the right one. Points count for patients
that are named right; the same wrong name costs once.
"""

import random

from diffutils.expect import check_choice, check_count
from diffutils.stage.cabinet import SHOWN, WALKED, colours_of, show_plots, verdict_line
from diffutils.stage.cases import healthy_of, open_case
from diffutils.stage.checks.engine import Result
from diffutils.stage.figures import show_rows
from diffutils.stage.museum import LOSSES, pair

BUGS = ("root", "half-range", "shown-clean", "contexts", "train-mode", "std", "uniform-dice",
        "last-dice", "guidance", "wraps")  # fmt: skip
HEALTHY = "healthy"
POINTS, LOST = 10, 3
COSTS = {"samples": 1, "way": 1, "loss": 1, "noise": 1, "company": 1, "oracles": 2}


class Patient:
    """One of a ward; each method that looks at it is paid from its points."""

    def __init__(self, number, bug, stand_in):
        self.number, self.points, self.looks = number, POINTS, []
        self.solved, self._refuted = False, set()
        self._bug = bug
        self._case = healthy_of(stand_in) if bug == HEALTHY else open_case(bug)
        self._twin = healthy_of(stand_in if bug == HEALTHY else bug)
        self._rows = pair(stand_in)[1:] * 2 if bug == HEALTHY else pair(bug)

    def __repr__(self):
        return f"patient {self.number}: {self.points} points left, looked at {self.looks}"

    def pay(self, look):
        if look not in self.looks:
            self.charge(COSTS[look])
            self.looks.append(look)

    def charge(self, points):
        """Takes points, down to 0; none once the patient is named right."""
        if not self.solved:
            self.points = max(0, self.points - points)

    def samples(self):
        """Ten samples, and what the judge says of twenty."""
        self.pay("samples")
        x = self._case.walk(WALKED).x[-1]
        return show_rows([colours_of(self._case, x[:SHOWN])], [f"patient {self.number}"], scale=4,
                         title=verdict_line(self._case, WALKED))  # fmt: skip

    def way(self):
        """How large pictures are on the way, beside a healthy one."""
        return self.plot("way")

    def loss(self):
        """The loss by level, beside a healthy one."""
        return self.plot("loss")

    def noise(self):
        """The noise that the network is told of and what is there, beside a healthy one."""
        return self.plot("noise")

    def plot(self, name):
        check_choice("plot", "name", name, ("way", "loss", "noise"))
        self.pay(name)
        return show_plots(self._case, self._twin, (name,), f"Patient {self.number}")

    def company(self):
        """How the answer to one picture changes with what else is asked: an rms."""
        self.pay("company")
        return self._rows[0]["company"]

    def oracles(self):
        """What the sampler makes of two worlds that are known: one sprite, and plain noise."""
        self.pay("oracles")
        mean, std = self._rows[0]["bell"]
        return {"one sprite, missed by grey levels": self._rows[0]["one sprite"],
                "plain noise, mean": mean, "plain noise, std": std}  # fmt: skip

    def name(self, bug):
        """The diagnosis: "healthy" or the name of an exhibit; returns a `Result` and prints it."""
        if bug is None or bug is ...:
            return self.say("not-done", f"patient {self.number}: no diagnosis yet")
        check_choice("name", "bug", bug, (*BUGS, HEALTHY))
        if bug == self._bug:
            self.solved = True
            evidence = "nothing that was measured differs" if bug == HEALTHY else difference(
                *self._rows)
            said = f"patient {self.number} is {bug!r}, with {self.points} points left: {evidence}"
            return self.say(None, said)
        if bug not in self._refuted:
            self.charge(LOST)
            self._refuted.add(bug)
        expected = self._twin_row(bug)
        return self.say(bug, f"patient {self.number} is not {bug!r}: "
                             f"{contradiction(expected, self._rows[0])}")  # fmt: skip

    def say(self, mistake, text):
        """Prints the line and returns the `Result`."""
        print(text)
        return Result(f"patient {self.number}", mistake is None, mistake, text)

    def _twin_row(self, bug):
        return self._rows[1] if bug == HEALTHY else pair(bug)[0]


MEASURED = {  # name: (what is measured, how much of it counts as little)
    "samples flawless, of 100": (lambda row: row["flawless"][0], 0),
    "percent of the pixels right": (lambda row: 100 * row["right"][0], 0),
    "of 100 of the class asked for": (lambda row: row["class"][0], 0),
    f"loss at level {LOSSES[0]}": (lambda row: row["loss"][0], 0),
    f"loss at level {LOSSES[2]}": (lambda row: row["loss"][2], 0),
    "size at level 250, where 1 is right": (lambda row: row["size"][1], 0),
    "the darkest number": (lambda row: row["lowest"], 0),
    "the std of plain noise at the end, of 1": (lambda row: row["bell"][1], 0),
    "the mean of plain noise at the end, of 0": (lambda row: abs(row["bell"][0]), 1),
    "grey levels by which the one sprite is missed": (lambda row: row["one sprite"], 0.3),
    "how an answer changes in company": (lambda row: row["company"], 0.01),
}


def apart(one, other):
    """How far two numbers are from each other, for their size: 0 if equal, at most 2."""
    return abs(one - other) / max((abs(one) + abs(other)) / 2, 1e-3)


def farthest(row, other):
    """The measurement in which two rows differ most: (its name, of the first, of the second)."""
    def difference_of(name):
        measure, floor = MEASURED[name]
        return apart(measure(row) + floor, measure(other) + floor)

    name = max(MEASURED, key=difference_of)
    measure, _ = MEASURED[name]
    return name, measure(row), measure(other)


def difference(row, twin):
    name, here, there = farthest(row, twin)
    return f"{name}: {here:.3g} here, {there:.3g} in its healthy twin"


def contradiction(expected, row):
    name, there, here = farthest(expected, row)
    return f"{name}: that one shows {there:.3g}, this patient {here:.3g}"


class Ward:
    """Five patients, drawn by the seed: four bugs of BUGS, and a healthy one somewhere."""

    def __init__(self, seed):
        check_count("Ward", "seed", seed, lowest=0)
        lots = random.Random(seed)
        bugs = [*lots.sample(BUGS, 4), HEALTHY]
        lots.shuffle(bugs)
        stand_in = lots.choice(("std", "contexts", "train-mode"))
        self.patients = [Patient(k + 1, bug, stand_in) for k, bug in enumerate(bugs)]

    def __getitem__(self, k):
        return self.patients[k]

    def __len__(self):
        return len(self.patients)

    def name(self, bugs):
        """The diagnoses of all five, in order; prints them and returns one `Result` for all."""
        if not isinstance(bugs, list | tuple) or len(bugs) != len(self):
            raise ValueError(f"name: bugs is {bugs!r}; expected a list of {len(self)} names")
        found = [patient.name(bug) for patient, bug in zip(self, bugs, strict=True)]
        right = sum(result.passed for result in found)
        if all(result.mistake == "not-done" for result in found):
            mistake, words = "not-done", "not done yet"
        else:
            mistake, words = (None, "right") if right == len(self) else ("unknown", "not right yet")
        text = f"{words}: {right} of {len(self)} named right, {self.points} points"
        print(text)
        return Result("ward", mistake is None, mistake, text)

    @property
    def points(self):
        """The points left of the patients that are named right."""
        return sum(patient.points for patient in self.patients if patient.solved)

