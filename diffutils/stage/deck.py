"""The slides as one HTML file for the projector, with the presenter's window in it.

    page = make_deck(read_lesson("04"), minutes=45)

The file needs no network and says so: its security policy lets it load nothing. `deck.js` turns the
slides, keeps a second window of the same file in step (`#presenter`), and measures whether every
slide fits; `deck.css` is its look.
"""

import hashlib
import html
import json
import re
from dataclasses import asdict
from pathlib import Path

from diffutils.stage.sections import CUTS
from diffutils.stage.slides import make_slides

HERE = Path(__file__).parent
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
MARK = '<meta name="generator" content="diffutils.present">'
FIRST = 2  # the number of the first slide after that of the check
CELL = re.compile(r"<code[^>]*>(cell-[0-9]+)</code>")
KEYS = {
    "right, left": "next slide, one back",
    "w": "the presenter's window",
    "f": "full screen",
    "p": "on a live slide: the picture made beforehand",
    "t": "an exercise's timer: start, stop",
    "tab": "into a player; there the arrows move it",
    "b": "black screen",
}
CHECK = f"""<div class=corners></div><p class=lead>Before the class</p>
<h1 id=fits></h1><div class=prose><p id=size></p>
<p id=smallest>This is the smallest writing there is. Can it be read from the last row?</p></div>
<dl class=keys>{"".join(f"<dt>{key}</dt><dd>{what}</dd>" for key, what in KEYS.items())}</dl>"""


def make_deck(lesson, minutes):
    """The HTML of a lesson's cut, a str."""
    slides = make_slides(lesson, minutes)
    say_slides(slides, lesson)
    sections = lesson.cut(minutes)
    body = [slide_html(-1, "check", CHECK, "", "")]
    for slide in slides:
        look = slide.kind + " opening" * is_opening(slide)
        body.append(slide_html(slide.section, look, slide.html, running_head(slide), slide.cell))
    plan = {
        "minutes": minutes,
        "shorter": max((cut for cut in CUTS if cut < minutes), default=0),
        "sections": [{"title": s.title, "minutes": s.minutes, "cuts": s.cuts} for s in sections],
        "slides": [{"section": -1, "notes": "", "seconds": 0}] + [
            {key: value for key, value in asdict(slide).items()
             if key in ("section", "notes", "seconds")} for slide in slides],
    }  # fmt: skip
    inner = "\n".join(body)
    plan["deck"] = hashlib.sha256(inner.encode()).hexdigest()[:12]
    data = json.dumps(plan, ensure_ascii=False).replace("<", "\\u003c")
    title = html.escape(f"{lesson.title.partition(':')[0]}, {minutes} minutes")
    page = (HERE / "deck.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": title, "MARK": MARK, "POLICY": POLICY, "SLIDES": inner, "PLAN": data,
        "STYLE": (HERE / "deck.css").read_text(encoding="utf-8"),
        "SCRIPT": (HERE / "deck.js").read_text(encoding="utf-8"),
    }  # fmt: skip
    head, *rest = page.split("{{")
    for piece in rest:
        name, after = piece.split("}}", 1)
        head += parts[name] + after
    return head


def say_slides(slides, lesson):
    """In the notes, a cell's name becomes the number of its slide, or the title of its section."""
    places = {cell.id: f"the notebook, in &quot;{html.escape(section.title)}&quot;"
              for section in lesson.sections for cell in section.cells}
    places |= {slide.cell: f"slide {k}" for k, slide in reversed([*enumerate(slides, FIRST)])}
    for slide in slides:
        slide.notes = CELL.sub(lambda found: places.get(found[1], found[0]), slide.notes)


def running_head(slide):
    """What stands above a slide that does not begin with its section's heading."""
    return "" if is_opening(slide) or not slide.section else slide.title


def is_opening(slide):
    """Whether a slide begins with a heading."""
    return re.match(r"<div class=prose[^>]*><h[123]|<h1", slide.html) is not None


def slide_html(section, kind, body, head, cell):
    number = f"{section} · " if section > 0 else ""
    running = f"<header>{number}{html.escape(head)}</header>" if head else ""
    timer = '<p class=timer role=timer></p>' if kind.startswith("exercise") else ""
    return (f'<section class="slide {kind}" data-section="{section}" data-cell="{cell}">'
            f"{running}<div class=body>{body}{timer}</div><footer></footer></section>")
