"""A lesson as an instructor reads it: sections with their minutes and cuts, and speaker notes.

    lesson = read_lesson("04")
    for section in lesson.cut(45): print(section.title, section.minutes)

A section begins with a cell whose metadata say `{"lesson": {"minutes": 4, "in": ["20", "45"]}}`.
What stands before the first one is the lesson's title, of no minutes. Cells tagged `notes` are for
the instructor: each belongs to the cell above it, and to those after it, until the next.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from diffutils.stage.desk import edition

CUTS = (20, 45, 90)  # the lengths, in minutes, that a lesson can be cut to


@dataclass(frozen=True)
class Cell:
    """A cell: its kind, text, tags and outputs; `lesson` is what begins a section, or None."""

    id: str
    kind: str
    source: str
    tags: frozenset = frozenset()
    outputs: tuple = ()
    lesson: dict = None

    def html(self):
        """The HTML of its outputs, a list."""
        found = (output.get("data", {}).get("text/html") for output in self.outputs)
        return [text for text in map(joined, found) if text.strip()]

    def printed(self):
        """The lines that it printed."""
        texts = (o.get("text", "") for o in self.outputs if o.get("name") == "stdout")
        return [line for line in "".join(map(joined, texts)).split("\n") if line.strip()]


@dataclass
class Section:
    """Some cells of one title: how many minutes they take, and in which cuts they are."""

    title: str
    minutes: int
    cuts: tuple
    cells: list = field(default_factory=list)


@dataclass
class Lesson:
    """A notebook: `number` and `name` ("04", "04_training"), its title, and its sections."""

    path: Path
    number: str
    name: str
    title: str
    sections: list

    def cut(self, minutes):
        """The sections of a cut of so many minutes, a list; ValueError where there is none."""
        if minutes not in CUTS:
            raise ValueError(f"cut: minutes is {minutes}; expected one of {CUTS}")
        found = [section for section in self.sections if minutes in section.cuts]
        if not any(section.minutes for section in found):
            raise ValueError(f"{self.path} has no section in a lesson of {minutes} minutes")
        return found


def joined(text):
    """A text that a notebook may keep as lines."""
    return "".join(text or "")


def find_lessons():
    """{"01": path, ...}: the lessons of this edition, in order."""
    return {name[:2]: path for name, path in edition().items() if "/" not in name}


def read_lesson(name):
    """A lesson by its number, the start of its name, or the path of a notebook.

    ValueError where there is no such lesson, or the file is no notebook of sections.
    """
    lessons = find_lessons()
    found = [path for path in lessons.values() if name and path.name.startswith(name)]
    if len(found) == 1:
        return read_notebook(found[0])
    if str(name).endswith(".ipynb"):
        return read_notebook(Path(name))
    there = ", ".join(path.stem for path in lessons.values())
    raise ValueError(f"there is no lesson {name!r}; there are {there}, or give a notebook's path")


def read_notebook(path):
    """A `Lesson` from a notebook; ValueError where it is none, FileNotFoundError where nothing."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))["cells"]
        cells = [read_cell(k, cell) for k, cell in enumerate(raw)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a notebook: {error!r}") from None
    sections = divide(path, cells)
    title = heading(cells[0].source) if cells else None
    return Lesson(path, path.stem[:2], path.stem, title or path.stem, sections)


def read_cell(place, cell):
    metadata = cell.get("metadata", {})
    return Cell(
        id=cell.get("id", f"cell-{place}"),
        kind=cell["cell_type"],
        source=joined(cell["source"]),
        tags=frozenset(metadata.get("tags", ())),
        outputs=tuple(cell.get("outputs", ())),
        lesson=metadata.get("lesson"),
    )


def divide(path, cells):
    """The sections of a list of cells."""
    sections = [Section("", 0, CUTS)]
    for cell in cells:
        if cell.lesson is not None:
            minutes, cuts = read_timing(path, cell)
            sections.append(Section(heading(cell.source) or sections[-1].title, minutes, cuts))
        sections[-1].cells.append(cell)
    sections = [section for section in sections if section.cells]
    if sections and not sections[0].title:
        sections[0].title = heading(sections[0].cells[0].source) or path.stem
    if not any(section.minutes for section in sections):
        raise ValueError(f"{path} has no sections with minutes, so it cannot be presented")
    return sections


def read_timing(path, cell):
    """(minutes, cuts) from a section's first cell."""
    try:
        minutes, cuts = int(cell.lesson["minutes"]), tuple(int(cut) for cut in cell.lesson["in"])
    except (KeyError, TypeError, ValueError):
        minutes, cuts = 0, ()
    if minutes < 1 or not cuts or not set(cuts) <= set(CUTS):
        raise ValueError(f"{path}: cell {cell.id} has the metadata lesson = {cell.lesson!r}; "
                         f"expected minutes from 1 and in, some of {CUTS}")
    return minutes, cuts


def heading(text):
    """The first heading of a Markdown text, without its marks, or None."""
    found = re.search(r"^#{1,6} +(.+)$", text, re.MULTILINE)
    return found and re.sub(r"[*`]", "", found[1]).strip()
