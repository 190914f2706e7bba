"""The instructor's kit: slides with notes, a timetable, a check of the room, a handout, marks.

    python -m diffutils.present 04 --minutes 45     slides for the projector, one file
    python -m diffutils.present 04 --handout        two pages to print
    python -m diffutils.present --plan 45           all lessons in classes of 45 minutes
    python -m diffutils.present --check 04          is this machine ready? exit status 1 if not
    python -m diffutils.present --ledgers handed_in what the class predicted, one page
    python -m diffutils.present --assignments course    the exercises, for nbgrader

The slides need no network: open the file in a browser, and press w there for the presenter's
window. --plan and --check run the lessons, to see how long their cells take on this machine.
"""

import argparse
import sys
from pathlib import Path

from diffutils.commands import Parser, count, run_command
from diffutils.stage.deck import MARK, make_deck
from diffutils.stage.desk import write
from diffutils.stage.sections import CUTS, find_lessons, read_lesson

PROGRAM = "python -m diffutils.present"


def main(arguments=None):
    options = parse(arguments)
    if options.ledgers:
        return show_class(options)
    if options.assignments:
        return set_assignments(options.assignments)
    names = [options.lesson] if options.lesson is not None else list(find_lessons())
    lessons = [read_lesson(name) for name in names]
    if options.check:
        check(lessons)
    elif options.plan:
        plan(lessons, options)
    elif options.handout:
        hand_out(lessons[0], options.output)
    else:
        make_slides(lessons[0], options)


def make_slides(lesson, options):
    page = make_deck(lesson, options.minutes)
    path = options.output or Path(f"{lesson.name}_{options.minutes}.html")
    save(path, page)
    print(f"{path}: {page.count('<section class=')} slides for {options.minutes} minutes, "
          f"{len(page) / 1e6:.1f} MB. Open it in a browser; w opens the presenter's window.")


def hand_out(lesson, path):
    from diffutils.stage.handout import make_handout

    path = path or Path(f"{lesson.name}_handout.html")
    save(path, make_handout(lesson))
    print(f"{path}: two pages. Open it in a browser and print it.")


def show_class(options):
    from diffutils.stage.class_page import class_page, read_ledgers

    ledgers, refused = read_ledgers(options.ledgers)
    path = options.output or Path("class.html")
    save(path, class_page(ledgers, names=options.names))
    print("\n".join([*refused, f"{path}: the predictions of {len(ledgers)} students."]))


def set_assignments(folder):
    from diffutils.stage.grading import lay_out

    names = lay_out(folder)
    print(f"{folder}: {len(names)} assignments. Go on there with nbgrader (pip install nbgrader): "
          f"nbgrader generate_assignment {names[0]}")


def plan(lessons, options):
    from diffutils.stage.timetable import in_words, lay_classes

    classes = lay_classes(lessons, options.plan, options.minutes)
    rehearsals = {} if options.no_run else rehearse_all(lessons)
    print("\n".join(in_words(classes, options.plan, rehearsals)))
    for lesson in lessons:
        done = rehearsals.get(lesson.number)
        if done is not None and done.failed:
            sys.exit(f"lesson {lesson.number} stopped on the way: {done.failed[1]}")


def check(lessons):
    from diffutils.stage.preflight import in_words, look_at_lesson, look_at_machine

    findings = look_at_machine()
    rehearsals = rehearse_all(lessons)
    for lesson in lessons:
        findings += look_at_lesson(lesson, rehearsals[lesson.number])
    print("\n".join(in_words(findings)))
    sys.exit(any(finding.to_do for finding in findings))


def rehearse_all(lessons):
    """{lesson's number: Rehearsal}; says on the other stream what it is at."""
    from diffutils.stage.rehearsal import rehearse

    found = {}
    for lesson in lessons:
        print(f"running lesson {lesson.number} ...", file=sys.stderr, flush=True)
        found[lesson.number] = rehearse(lesson)
    return found


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
    add("lesson", nargs="?", help="its number, such as 04, or the path of a notebook; with --plan "
        "and --check all lessons if none is named")
    add("--minutes", type=int, choices=CUTS, default=45,
        help="the cut: 20, 45 (the default) or 90 minutes of a lesson")
    add("--output", type=Path, metavar="FILE", help="where the slides or the handout go; by "
        "default into a file here that is named after the lesson")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--handout", action="store_true", help="two pages to print instead of slides")
    what.add_argument("--plan", type=count(), metavar="MINUTES",
                      help="print the timetable in classes of so many minutes")
    what.add_argument("--check", action="store_true", help="look at this machine before the class")
    what.add_argument("--ledgers", type=Path, metavar="FOLDER", help="a page with a histogram for "
                      "each prediction, from the students' predictions.json in a folder")
    what.add_argument("--assignments", type=Path, metavar="FOLDER",
                      help="a new folder with an assignment of nbgrader for each lesson")
    add("--names", action="store_true", help="with --ledgers: how each student did, by name")
    add("--no-run", action="store_true", help="with --plan: run nothing, tell the minutes alone")
    options = parser.parse_args(arguments)
    of_a_class = options.ledgers or options.assignments
    if options.lesson is None and not (options.plan or options.check or of_a_class):
        parser.error("which lesson? Give its number, such as 04")
    if options.output is not None and (options.plan or options.check or options.assignments):
        parser.error("--output is for slides, handouts and what the class predicted")
    return options


if __name__ == "__main__":
    run_command(main, PROGRAM)
