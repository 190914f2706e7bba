"""The instructor's kit: slides with notes, a timetable, a check of the room, a handout.

    python -m diffutils.present 04 --minutes 45     a deck of slides for the projector

The deck is one file that needs no network; open it in a browser, and press w there for the
presenter's window.
"""

import argparse
from pathlib import Path

from diffutils.commands import Parser, run_command
from diffutils.stage.deck import MARK, make_deck
from diffutils.stage.desk import write
from diffutils.stage.sections import CUTS, read_lesson

PROGRAM = "python -m diffutils.present"


def main(arguments=None):
    options = parse(arguments)
    lesson = read_lesson(options.lesson)
    page = make_deck(lesson, options.minutes)
    path = options.output or Path(f"{lesson.name}_{options.minutes}.html")
    save(path, page)
    print(f"{path}: {page.count('<section class=')} slides for {options.minutes} minutes, "
          f"{len(page) / 1e6:.1f} MB. Open it in a browser; w opens the presenter's window.")


def save(path, page):
    """Writes a page, whole or not at all, over nothing but a page of ours."""
    if path.exists() and (path.is_dir() or MARK not in path.read_text("utf-8", "replace")[:1000]):
        raise ValueError(f"--output {path} is there and was not made by {PROGRAM}; "
                         "it is left as it is. Give another name")
    write(path, page.encode())


def parse(arguments):
    parser = Parser(prog=PROGRAM, description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("lesson", nargs="?", help='its number, such as 04, or the path of a notebook')
    add("--minutes", type=int, choices=CUTS, default=45, help="the cut: 20, 45 (the default) or 90")
    add("--output", type=Path, metavar="FILE", help="where the page goes; by default it is named "
        "after the lesson, here")
    options = parser.parse_args(arguments)
    if options.lesson is None:
        parser.error("which lesson? Give its number, such as 04")
    return options


if __name__ == "__main__":
    run_command(main, PROGRAM)
