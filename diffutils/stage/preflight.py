"""Looks at the machine that is to be used in class: is everything there, quick enough, and quiet?

    findings = [*look_at_machine(), *look_at_lesson(lesson, rehearse(lesson))]

Each finding says what was seen, and, where something is wrong, what to do.
"""

import importlib.metadata
import re
import sys
from dataclasses import dataclass

import psutil
from matplotlib import font_manager

from diffutils.stage.deck import make_deck
from diffutils.stage.sections import CUTS
from diffutils.stage.timetable import first_line

LEAST = {  # the versions that pyproject.toml asks for
    "torch": "2.6", "numpy": "1.26", "safetensors": "0.4.5", "psutil": "5.9", "tqdm": "4.66",
    "pillow": "10.3", "matplotlib": "3.10.7", "ipywidgets": "8.1", "mistune": "3.0",
    "nbclient": "0.8", "nbformat": "5.1", "pygments": "2.15", "jupyterlab": "4.2",
}  # fmt: skip
FONTS = ("DejaVu Sans", "DejaVu Sans Mono")  # of the pictures, and of code
MEMORY = 1.0  # GB that should be free: a kernel that trains takes half of it, a browser the rest
BUSY = 0.5  # share of the machine that other programs may take
SLOW = 0.5  # share of a section's minutes that one of its cells may run


@dataclass
class Finding:
    """What was seen, and what to do about it, "" where nothing."""

    seen: str
    to_do: str = ""


def look_at_machine():
    """Versions, fonts, memory, other programs, power."""
    found = [Finding(f"Python {sys.version.split()[0]}")]
    found += [look_at_package(name, least) for name, least in LEAST.items()]
    found += [look_at_font(name) for name in FONTS]
    free = psutil.virtual_memory().available / 1e9
    found.append(Finding(f"{free:.1f} GB of memory free", "" if free >= MEMORY else
                         f"close other programs: a lesson and its browser need {MEMORY:g} GB"))
    busy = psutil.cpu_percent(interval=0.5) / 100
    found.append(Finding(f"other programs take {busy:.0%} of the machine", "" if busy <= BUSY else
                         "close them: a live run would take several times as long"))
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is not None:
        found.append(Finding(f"battery at {battery.percent:.0f} %", "" if battery.power_plugged
                             else "plug it in: on battery many machines are slower"))
    return found


def look_at_package(name, least):
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(f"{name} is not installed", f"pip install '{name}>={least}'")
    old = numbers(version) < numbers(least)
    return Finding(f"{name} {version}", f"pip install '{name}>={least}'" if old else "")


def numbers(version):
    """The leading numbers of a version, to compare."""
    return [int(part) for part in re.match(r"[\d.]*", version)[0].split(".") if part]


def look_at_font(name):
    try:
        font_manager.findfont(name, fallback_to_default=False)
    except ValueError:
        return Finding(f"no font {name}", "install matplotlib again: it brings this font along")
    return Finding(f"font {name}")


def look_at_lesson(lesson, done):
    """Whether its slides can be made; whether it ran, how long, and whom it called."""
    found = [look_at_slides(lesson)]
    name = f"lesson {lesson.number}"
    cells = {cell.id: (cell, section) for section in lesson.sections for cell in section.cells}
    if done.failed:
        cell, error = done.failed
        begins = first_line(cells[cell][0]) if cell in cells else "its first cell"
        found.append(Finding(f"{name} stops at `{begins}`: {error}",
                             "mend this before class, or show the slides alone"))
    else:
        found.append(Finding(f"{name} runs in {done.total:.0f} s; its kernel is there after "
                             f"{done.start:.0f} s"))
    for place in sorted(done.seconds, key=done.seconds.get, reverse=True)[:3]:
        cell, section = cells[place]
        seconds, slow = done.seconds[place], 60 * SLOW * max(section.minutes, 1)
        found.append(Finding(
            f"{name}: {seconds:.1f} s for `{first_line(cell)}`",
            f"takes much of the {section.minutes} minutes of {section.title!r}: run it before "
            "class, or show its picture" if seconds > slow else ""))  # fmt: skip
    hosts = ", ".join(done.reached)
    found.append(Finding(f"{name} calls {hosts}", "it may hang in a room without a network")
                 if hosts else Finding(f"{name} reaches out to nobody"))
    return found


def look_at_slides(lesson):
    cuts = [cut for cut in CUTS if any(cut in s.cuts and s.minutes for s in lesson.sections)]
    try:
        counts = [make_deck(lesson, cut).count("<section class=") for cut in cuts]
    except (ValueError, OSError) as error:
        return Finding(f"lesson {lesson.number} gives no slides: {error}",
                       "install diffutils again")
    told = ", ".join(f"{n} for {cut} minutes" for n, cut in zip(counts, cuts, strict=True))
    return Finding(f"lesson {lesson.number} gives slides: {told}")


def in_words(findings):
    """The findings in lines, those to be mended marked; the last line says ready or not ready."""
    lines = []
    for finding in findings:
        lines.append(f"{'[to do]' if finding.to_do else '[ok]   '} {finding.seen}")
        lines += [f"         {finding.to_do}"] if finding.to_do else []
    wrong = sum(bool(finding.to_do) for finding in findings)
    lines.append("ready" if not wrong else f"not ready: {wrong} to do")
    return lines
