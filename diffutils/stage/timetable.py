"""Lessons laid out in classes of so many minutes, from the minutes of their sections.

    for line in in_words(lay_classes(lessons, length=45, cut=45), rehearsals): print(line)

A lesson that fits into a class is not torn apart; a longer one is cut between sections. Where a
lesson was rehearsed, the seconds of its cells on this machine stand beside the minutes.
"""

from dataclasses import dataclass, field

LONG = 1.0  # seconds from which a cell of a whole course is listed


@dataclass
class Class:
    """One class: its places, each (lesson, section)."""

    places: list = field(default_factory=list)

    @property
    def minutes(self):
        return sum(section.minutes for _, section in self.places)


def lay_classes(lessons, length, cut):
    """The classes of `length` minutes that some lessons take, a list, in the cut of `cut` minutes.

    ValueError where a section is longer than a class.
    """
    classes = [Class()]
    for lesson in lessons:
        sections = lesson.cut(cut)
        longest = max(sections, key=lambda section: section.minutes)
        if longest.minutes > length:
            raise ValueError(f"--plan is {length}; lesson {lesson.number} has a section of "
                             f"{longest.minutes} minutes, {longest.title!r}")
        whole = sum(section.minutes for section in sections)
        room = length - classes[-1].minutes
        if whole > room and classes[-1].places:
            classes.append(Class())
        for section in sections:
            if classes[-1].minutes + section.minutes > length:
                classes.append(Class())
            classes[-1].places.append((lesson, section))
    return classes


def in_words(classes, length, rehearsals):
    """The timetable in lines.

    rehearsals   {lesson number: Rehearsal}; a lesson without one is told by its minutes alone
    """
    lines, every_cell = [], len({lesson.number for c in classes for lesson, _ in c.places}) == 1
    for number, one in enumerate(classes, 1):
        at, before = 0, None
        lines += ["", f"class {number}: {one.minutes} of {length} minutes"]
        for lesson, section in one.places:
            if lesson is not before:
                lines.append(f"  {lesson.title}")
            done = rehearsals.get(lesson.number)
            title = "the lesson's title" if section.title == lesson.title else section.title
            lines.append(f"    {at // 60}:{at % 60:02d}  {section.minutes:2d} min  {title}"
                         f"{ran(section, done)}")
            lines += cell_lines(section, done, 0.0 if every_cell else LONG)
            at, before = at + section.minutes, lesson
    return lines[1:]


def ran(section, done):
    """How long the section's cells ran, in words."""
    if done is None:
        return ""
    return f"  ({sum(done.seconds.get(cell.id, 0) for cell in section.cells):.1f} s to run)"


def cell_lines(section, done, least):
    """A line for each cell that ran at least so many seconds."""
    if done is None:
        return []
    found = [(done.seconds[cell.id], cell) for cell in section.cells if cell.id in done.seconds]
    return [f"      {seconds:7.1f} s  {first_line(cell)}" for seconds, cell in found
            if seconds >= least]


def first_line(cell, most=64):
    """How a cell begins."""
    line = cell.source.strip().split("\n")[0]
    return line if len(line) <= most else f"{line[: most - 3]}..."
