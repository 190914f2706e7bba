"""A lesson on two printed pages: what to remember, the pictures, the exercises; no code.

    page = make_handout(read_lesson("04"))

HTML that prints on two sheets of A4, from disk, without a network. Three pictures take what room
the first page has, a fourth stands above the exercises; the room under those is for writing.
"""

import html
import re
from pathlib import Path

from diffutils.stage.cues import choices_of, is_live, split_exercise
from diffutils.stage.deck import MARK
from diffutils.stage.packing import slide_blocks
from diffutils.stage.sections import CUTS
from diffutils.stage.showing import picture_html, picture_scale

PICTURES = 4  # more would be too small to read on paper
REMEMBER = "What to remember"


def make_handout(lesson):
    """The HTML of a lesson's handout, a str; ValueError where it has nothing to remember."""
    folder = lesson.path.parent
    name, _, rest = lesson.title.partition(":")
    things = remember(lesson, folder)
    exercises = "".join(f"<li>{text}</li>" for text in exercises_of(lesson, folder))
    pictures = [f"<figure>{picture}<figcaption>{html.escape(title)}</figcaption></figure>"
                for title, picture in pictures_of(lesson, folder)]  # fmt: skip
    style = Path(__file__).with_name("handout.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
{MARK}
<title>{html.escape(name)}, on two pages</title>
<style>
{style}</style></head><body>
<section class="page"><h1>{html.escape(name)}</h1>
<p class="subtitle">{html.escape(rest.strip())}</p>
<h2>{REMEMBER}</h2><ol class="things">{things}</ol>
<div class="pictures">{"".join(pictures[:-1])}</div></section>
<section class="page"><div class="pictures">{"".join(pictures[-1:])}</div>
<h2>Exercises</h2><p>The notebook has a place for each, and checks it.</p>
<ul class="exercises">{exercises}</ul></section>
</body></html>
"""


def remember(lesson, folder):
    """The things to remember, as items."""
    for section in lesson.sections:
        if section.title == REMEMBER:
            parts = [b for cell in section.cells if cell.kind == "markdown"
                     and "notes" not in cell.tags for b in slide_blocks(cell.source, folder)]
            return "".join(re.sub(r"</?[ou]l[^>]*>", "", b.html) for b in parts if b.kind == "item")
    raise ValueError(f"{lesson.path} has no section {REMEMBER!r}, so there is nothing to hand out")


def pictures_of(lesson, folder):
    """[(section's title, picture)]: one of each section, those of the shortest cut first in line.

    A section's first picture that is wider than high is taken, else the first.
    """
    found = []
    for place, section in enumerate(lesson.sections):
        shown = [part for cell in section.cells if not is_live(cell) for part in cell.html()]
        shown += [b.html for cell in section.cells if cell.kind == "markdown"
                  and "notes" not in cell.tags for b in slide_blocks(cell.source, folder)
                  if b.kind == "picture"]  # fmt: skip
        shown = [part for part in shown if "<img " in part]
        if shown and section.minutes and section.title != REMEMBER:
            best = next((part for part in shown if picture_scale(part, 575) > 1), shown[0])
            rank = sum(cut not in section.cuts for cut in CUTS)
            title = section.title if place else section.title.partition(": ")[2]
            found.append((rank, place, title or section.title, stills(best)))
    chosen = sorted(sorted(found)[:PICTURES], key=lambda each: each[1])
    return [(title, picture) for _, _, title, picture in chosen]


def stills(part):
    """The pictures of an output, side by side: a player has one a pane."""
    images = re.findall(r"<img [^>]*>", part)
    pictures = "".join(picture_html(image) for image in images)
    return f'<div class="stills">{re.sub("</?figure>", "", pictures)}</div>'


def exercises_of(lesson, folder):
    """The text of each exercise, with the answers to choose from, as HTML."""
    cells = [cell for section in lesson.sections for cell in section.cells
             if "notes" not in cell.tags]  # fmt: skip
    for cell, after in zip(cells, cells[1:], strict=False):
        if cell.kind == "markdown" and "exercise" in after.tags:
            _, parts = split_exercise(slide_blocks(cell.source, folder))
            text = "".join(re.sub(r"<(/?)h\d", r"<\1h3", b.html) for b in parts)
            choices = "".join(f"<li>{html.escape(c)}</li>" for c in choices_of(after))
            yield text + (f'<ol class="choices" type="a">{choices}</ol>' if choices else "")
