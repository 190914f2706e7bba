"""The cells of a lesson's cut as slides: one idea each, pictures large, predictions before answers.

    for slide in make_slides(read_lesson("04"), 45): print(slide.kind, slide.html)

Prose is cut at the borders of its paragraphs. Code is shown where a cell is tagged `teach`, at most
12 lines a slide. Of other cells only what they drew or printed is shown, as the committed notebook
holds it: nothing is run. A cell that is alive in class, a control or a run that one watches, keeps
its picture behind a key. A prediction is a slide of its own, and so is an exercise, with a timer.
"""

import html
import re
from dataclasses import dataclass

from diffutils.stage.cues import (
    asked,
    belongs_to,
    choices_of,
    is_live,
    is_note,
    is_silent,
    leads_in,
    predict_html,
    revealed,
    split_exercise,
)
from diffutils.stage.packing import group_html, packed, slide_blocks
from diffutils.stage.prose import as_html
from diffutils.stage.showing import (
    CODE_LINES,
    PLAYER_HEIGHT,
    code_html,
    code_pieces,
    is_player,
    live_html,
    picture_html,
    picture_scale,
    player_html,
    printed_html,
    printed_pages,
)


@dataclass
class Slide:
    """A slide: its kind, what is on it, its section's place in the cut, and the speaker's notes."""

    kind: str
    html: str
    section: int
    title: str
    cell: str
    notes: str = ""
    seconds: int = 0  # of an exercise's timer


class Teller:
    """Makes the slides of one lesson's cut."""

    def __init__(self, lesson, minutes):
        self.folder, self.sections = lesson.path.parent, lesson.cut(minutes)
        self.slides, self.questions = [], {}
        self.lead, self.said = [], []  # what goes on the next slide: a short text, printed lines
        for section in lesson.sections:
            self.questions |= dict(filter(None, (asked(cell) for cell in section.cells)))

    def tell(self):
        """All slides, in order."""
        for place, section in enumerate(self.sections):
            self.place, self.section, self.named = place, section, False
            cells = shown_cells(section.cells, first=place == 0)
            begin = len(self.slides)
            told = [cell for cell in cells if "notes" not in cell.tags]
            for cell, after in zip(told, [*told[1:], None], strict=True):
                self.cell = cell
                self.tell_cell(cell, after)
            if self.said:  # nothing has explained it
                self.add_printed(self.said, [])
                self.said = []
            share_notes(self.slides[begin:], cells, self.folder)
        return self.slides

    def add(self, kind, body, **more):
        """One slide; the section's title runs above it, unless it begins with it."""
        self.slides.append(Slide(kind, body, self.place, self.section.title, self.cell.id, **more))

    def tell_cell(self, cell, after):
        if cell.kind == "markdown":
            self.tell_prose(cell, after)
        elif cell.kind != "code":
            return
        elif "predict" in cell.tags:
            self.add("predict", predict_html(cell))
        elif "exercise" not in cell.tags:
            self.tell_code(cell, after)

    def tell_prose(self, cell, after):
        parts = slide_blocks(cell.source, self.folder)
        if parts and parts[0].html.startswith("<h1"):
            return self.tell_title(parts)
        exercise = []
        if after is not None and "exercise" in after.tags:
            parts, exercise = split_exercise(parts)
        if parts and parts[-1].text.endswith(":") and is_silent(after):
            parts = parts[:-1]  # it announces what is not shown
        groups = packed(parts)
        if groups and leads_in(groups[-1], after):
            self.lead = [block for block in groups.pop() if block.kind != "heading"]
        for group in groups:
            self.add_group(group)
        if exercise:
            self.tell_exercise(exercise, after)

    def add_group(self, group):
        """A slide of prose, below what the cell before it has printed."""
        if group[0].kind == "picture":
            return self.add_picture(group[0].html)
        self.add("text", printed_html(self.said) + group_html(group, 1.7 * len(self.said)))
        self.said = []

    def tell_title(self, parts):
        name, _, rest = parts[0].text.partition(":")
        wanted = [b for b in parts[1:] if b.kind == "item" or b.text.endswith(" you will")]
        self.add("title", f"<h1>{html.escape(name)}</h1><p class=subtitle>"
                          f"{html.escape(rest.strip())}</p><div class=prose>"
                          + "".join(b.html for b in wanted) + "</div>")
        for block in parts:
            if block.kind == "picture":
                self.add_picture(block.html)

    def tell_exercise(self, parts, cell):
        minutes = self.section.minutes if parts[0].kind == "heading" else \
            max(2, -(-self.section.minutes // 2))
        groups = packed(parts)
        for group in groups[:-1]:
            self.add_group(group)
        choices = "".join(f"<li>{html.escape(text)}</li>" for text in choices_of(cell))
        below = f'<ol class=choices type=a>{choices}</ol>' if choices else ""
        if name := re.search(r"^def (\w+)", cell.source, re.MULTILINE):
            below = f"<p class=hint>In the notebook: <code>{name[1]}</code></p>"
        self.cell = cell
        self.add("exercise", group_html(groups[-1], 3 if choices else 0) + below,
                 seconds=60 * minutes)

    def tell_code(self, cell, after):
        printed, answers = self.read_printed(cell)
        if "teach" in cell.tags:
            printed = self.tell_teach(cell, printed, answers)
        shown = cell.html()
        if is_live(cell):
            return self.add("live", live_html(shown, self.take_lead("question")))
        tall = bool(shown) and picture_scale(shown[0], 575 - 45 * len(printed + answers)) < 0.9
        if printed and not (answers or shown or self.lead) and belongs_to(printed, after):
            self.said = printed
            return None
        caption = bool(shown) and len(printed) <= 2 and not tall
        below = printed_html(printed) + "".join(answers) if caption else ""
        if not caption and not tall:
            self.add_printed(printed, answers)
        for k, part in enumerate(shown):
            self.add_shown(part, "" if k else below, 34 * len(printed) + 55 * len(answers))
        if tall:
            self.add_printed(printed, answers)
        return None

    def add_printed(self, printed, answers):
        """Slides of printed lines, the answers under the last of them."""
        pages = printed_pages(printed, answers, self.lead) if printed or answers else []
        for k, lines in enumerate(pages):
            below = "".join(answers) if k == len(pages) - 1 else ""
            self.add("printed", self.take_lead() + printed_html(lines) + below)

    def add_shown(self, part, below, taken):
        """A picture or a player; what stands below takes so many pixels of its height."""
        if is_player(part):
            self.add("player", player_html(part, PLAYER_HEIGHT - taken * bool(below)) + below)
        else:
            self.add_picture(part, below)

    def add_picture(self, part, below=""):
        tall = picture_scale(part, 575) < 1
        self.add("tall picture" if tall else "picture",
                 self.take_lead() + picture_html(part) + below)

    def tell_teach(self, cell, printed, answers):
        """Slides of code; returns the printed lines for which the last had no room."""
        *pieces, last = code_pieces(cell.source)
        for piece in pieces:
            self.add("code", self.take_lead() + code_html(piece))
        room = CODE_LINES - last.count("\n") - len(printed) - 2 * len(self.lead)
        together = room >= 0 and not answers and 0 < len(printed) <= 4
        body = self.take_lead() + code_html(last)
        self.add("code", body + (printed_html(printed) if together else ""))
        return [] if together else printed

    def take_lead(self, look="prose leading"):
        lead, self.lead = self.lead, []
        return f'<div class="{look}">{"".join(b.html for b in lead)}</div>' if lead else ""

    def read_printed(self, cell):
        """(lines that a cell printed, [HTML of each answer that it revealed])."""
        names = revealed(cell)
        lines, answers = [], []
        for line in cell.printed():
            if found := re.fullmatch(r"Measured: (.*?)\.?", line):
                question = self.questions.get(names.pop(0) if names else None, "")
                answers.append(f"<p class=answer><span>{html.escape(question)}</span> "
                               f"<b>{html.escape(found[1])}</b></p>")
            elif not is_note(line):
                lines.append(line)
        return lines, answers


def make_slides(lesson, minutes):
    """The slides of a lesson's cut, a list; ValueError for a notebook that was not run."""
    if not any(cell.outputs for section in lesson.sections for cell in section.cells):
        raise ValueError(f"{lesson.path} holds no outputs: a deck shows what was computed. "
                         "Run the notebook first, or take the lesson by its number")
    return Teller(lesson, minutes).tell()


def shown_cells(cells, first):
    """The cells without those that set up: up to the imports, but for the title."""
    if not first:
        return cells
    code = [k for k, cell in enumerate(cells) if cell.kind == "code"]
    begins = code[1] + 1 if len(code) > 1 else 1
    kept = [cell for cell in cells[1:begins] if "notes" in cell.tags]
    return [*cells[:1], *kept, *cells[begins:]]


def share_notes(slides, cells, folder):
    """Gives each slide the notes of its place: of the cell above them, and on until the next."""
    current, at, due = "", {}, []
    for cell in cells:
        if "notes" in cell.tags:
            current = as_html(cell.source, folder)
            if due:
                at[due[-1]] = current
            continue
        due.append(cell.id)
        at[cell.id] = current
    for slide in slides:
        slide.notes = at.get(slide.cell, "")
