"""The speaker notes: one for each section, whole, its own, with cells that are there; not shown."""

import re

import nbformat
import pytest
from build_notebooks import NOTEBOOKS

from diffutils.stage.desk import make_copy

LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
LEADS = ["Say.", "Ask.", "Wrong answers.", "When late.", "On stage."]
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def cells_of(path):
    return nbformat.read(path, as_version=4).cells


def is_note(cell):
    return "notes" in cell.metadata.get("tags", [])


def parts(note):
    """{lead: what is said after it} of a note, in its order."""
    _, *found = re.split(r"(?:^|\n\n)\*\*([^*\n]+)\*\*", note.source)
    return dict(zip(found[::2], map(str.strip, found[1::2]), strict=True))


def without_a_note(cells):
    """The sections' first cells that no note follows, and the notes that follow no such cell."""
    wrong = []
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        begins = "lesson" in cell.metadata
        noted = following is not None and is_note(following)
        if begins != noted or noted and following.id != f"notes-{cell.id}":
            wrong.append(cell.id)
    return wrong


@every_lesson
def test_every_section_has_its_note_right_after_its_first_cell_and_no_other_cell_has(path):
    cells = cells_of(path)
    assert without_a_note(cells) == []
    assert all(cell.cell_type == "markdown" for cell in cells if is_note(cell))


@every_lesson
def test_a_note_has_the_five_leads_and_is_short(path):
    for note in filter(is_note, cells_of(path)):
        assert list(parts(note)) == LEADS, note.id
        words = [len(said.split()) for said in parts(note).values()]
        assert min(words) >= 4 and sum(words) <= 150, note.id
        assert "\u2014" not in note.source and "!" not in note.source.replace("!=", "")


@every_lesson
def test_a_note_names_cells_that_are_there(path):
    cells = {cell.id: cell for cell in cells_of(path)}
    for note in filter(is_note, cells.values()):
        for name in re.findall(r"\bcell-\d+", note.source):
            assert name in cells and cells[name].cell_type == "code", (note.id, name)


def test_no_two_sections_are_told_the_same():
    notes = [note for path in LESSONS for note in cells_of(path) if is_note(note)]
    said = [text for note in notes for text in parts(note).values()]
    assert sorted(said) == sorted(set(said))


@every_lesson
def test_a_student_sees_no_note(path):
    cells = cells_of(path)
    assert any(map(is_note, cells))
    copy = make_copy(path)["cells"]
    assert len(copy) == len(cells) - sum(map(is_note, cells))
    assert not any("notes" in cell["metadata"].get("tags", []) for cell in copy)
    assert not any(f"**{lead}**" in "".join(cell["source"]) for cell in copy for lead in LEADS)
