"""The instructor's kit: slides from the cells, in order, self-contained; refusals in one line."""

import functools
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from diffutils import present
from diffutils.stage import (
    deck,
    handout,
    packing,
    preflight,
    prose,
    rehearsal,
    showing,
    slides,
    timetable,
)
from diffutils.stage.rehearsal import Rehearsal
from diffutils.stage.sections import CUTS, find_lessons, read_lesson

ROOT = Path(__file__).parents[1]

LESSONS = sorted(find_lessons())
every_cut = pytest.mark.parametrize(
    ("number", "minutes"), [(number, minutes) for number in LESSONS for minutes in CUTS])
PNG = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
       "rkJggg==")


def timing(minutes=3, cuts=("20", "45", "90")):
    return {"lesson": {"minutes": minutes, "in": list(cuts)}}


def code(source, printed="", tags=(), **more):
    outputs = [new_output("stream", text=printed)] if printed else []
    if "shown" in more:
        outputs.append(new_output("display_data", {"text/html": more["shown"]}))
    return new_code_cell(source, outputs=outputs, metadata={"tags": list(tags)})


SMALL = [
    new_markdown_cell("# 09 · Small: a lesson\n\nIn this lesson you will\n- see,\n- say."),
    code("from diffutils.stage import lesson\n\ndevice = lesson.setup(seed=0)", "[setup] seed 0"),
    new_markdown_cell("The tools."),
    code("import torch"),
    new_markdown_cell("## One\n\nA *first* thought.", metadata=timing()),
    new_markdown_cell("**Say.** Hello. **Ask.** Why?", metadata={"tags": ["notes"]}),
    code('checks.predict("09-two", "How many is one and one?", None)',
         "Your prediction: none yet. How many is one and one?", ["predict"]),
    code('total = 1 + 1\nprint(total)\nchecks.reveal("09-two", total)\nassert total == 2',
         "two is 2\nMeasured: 2.\n", ["teach"]),
    new_markdown_cell("## Two\n\n**Exercise 1.** Write it.", metadata=timing(4, ["45"])),
    code("def my_two():\n    return ...\n\n\nchecks.two(my_two)", "not done yet: my_two",
         ["exercise"]),
    code("scrub(look)", shown=f'<div class="scrub-still"><img src="data:image/png;base64,{PNG}" '
         'alt="A dot." width="9" height="9"><br><em>Controls: level 1 to 5. They move the picture '
         "while this notebook is running.</em></div>"),
    new_markdown_cell("A cook ([what](deeper/x.ipynb), and more), at last; [x](deeper/x.ipynb) has "
                      "0.5 of it. [More](deeper/y.ipynb).\n\n**Sources.** None."),
    new_markdown_cell("**When late.** Leave it out.", metadata={"tags": ["notes"]}),
    code('checks.ledger("09")', "Your predictions of lesson 09: none made."),
]  # fmt: skip


@pytest.fixture
def small(tmp_path):
    """The path of a small lesson."""
    nbformat.write(new_notebook(cells=SMALL), tmp_path / "09_small.ipynb")
    return tmp_path / "09_small.ipynb"


@functools.cache
def told(path, minutes=45):
    return slides.make_slides(read_lesson(str(path)), minutes)


@functools.cache
def page_of(number, minutes):
    return deck.make_deck(read_lesson(number), minutes)


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


# --- sections ---------------------------------------------------------------------------------


@every_cut
def test_a_cut_is_as_long_as_its_name_says_or_shorter(number, minutes):
    total = sum(section.minutes for section in read_lesson(number).cut(minutes))
    assert 0.6 * min(minutes, 60) <= total <= minutes


def test_a_section_has_its_title_minutes_and_cuts(small):
    title, one, two = read_lesson(str(small)).sections
    assert (title.title, title.minutes) == ("09 · Small: a lesson", 0)
    assert (one.title, one.minutes, one.cuts) == ("One", 3, (20, 45, 90))
    assert (two.title, two.minutes, two.cuts) == ("Two", 4, (45,))
    assert [s.title for s in read_lesson(str(small)).cut(20)] == [title.title, "One"]


# --- slides -----------------------------------------------------------------------------------


@every_cut
def test_a_prediction_is_a_slide_of_its_own_before_its_answer(number, minutes):
    asked = set()
    for slide in told(number, minutes):
        if slide.kind == "predict":
            asked.add(re.search(r"class=question>(.*?)</p>", slide.html)[1])
            assert "class=answer" not in slide.html
        for question in re.findall(r"class=answer><span>(.*?)</span>", slide.html):
            assert question in asked, question
    assert len(asked) >= 1


@every_cut
def test_code_is_shown_only_where_a_cell_teaches_and_in_few_large_lines(number, minutes):
    lesson = read_lesson(number)
    teach = {c.id for s in lesson.sections for c in s.cells if "teach" in c.tags}
    found = told(number, minutes)
    for slide in found:
        shown = re.findall(r'<pre class=code style="font-size:(\d+)px">(.*?)</pre>', slide.html,
                           re.DOTALL)
        assert bool(shown) == (slide.kind == "code")
        for size, piece in shown:
            assert slide.cell in teach and int(size) >= 20
            assert 1 <= piece.count("<span class=line") <= showing.CODE_LINES
            assert "checks." not in piece and "[setup]" not in piece


@every_cut
def test_every_picture_of_the_cut_is_on_a_slide(number, minutes):
    lesson = read_lesson(number)
    stored = "".join("".join(c.html()) for s in lesson.cut(minutes) for c in s.cells)
    shown = "".join(slide.html for slide in told(number, minutes))
    pictures = set(re.findall(r'src="(data:image[^"]+)"', stored))
    assert pictures and pictures <= set(re.findall(r'src="(data:image[^"]+)"', shown))


@every_cut
def test_a_deck_reaches_for_nothing_outside_itself(number, minutes):
    page = page_of(number, minutes)
    bare = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    assert not re.search(r"""<[^>]*\s(src|href|action)\s*=\s*["']?(?!data:)[a-z./]""", bare)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|<link|<iframe", bare)
    assert "default-src 'none'" in bare
    assert number > "01" or page == deck.make_deck(read_lesson(number), minutes)


def test_the_kinds_of_slides_in_their_order(small):
    assert [slide.kind for slide in told(small)] == [
        "title", "text", "predict", "code", "printed", "exercise", "live", "text"]
    assert [slide.kind for slide in told(small, 20)] == [
        "title", "text", "predict", "code", "printed"]


def test_what_is_only_for_the_notebook_stays_there(small):
    shown = " ".join(words(slide.html) for slide in told(small))
    for part in ("setup", "tools", "import", "Say", "When late", "assert", "print", "reveal",
                 "Sources", "deeper", "ledger", "none made", "not done"):
        assert part not in shown, part
    assert "A cook, at last." in shown and "total = 1 + 1" in shown and "two is 2" in shown


def test_an_answer_stands_beside_its_question(small):
    answer = next(slide for slide in told(small) if slide.kind == "printed")
    assert words(answer.html) == "two is 2 How many is one and one? 2"


def test_an_exercise_has_a_timer_and_a_live_slide_its_picture_behind_a_key(small):
    exercise, live = told(small)[-3:-1]
    assert exercise.seconds == 240 and "my_two" in exercise.html
    assert re.search(rf"class=held><figure><img src=\S+{re.escape(PNG)}", live.html)
    assert "Controls: level 1 to 5" in live.html


def test_notes_belong_to_the_cell_above_them_and_go_on_until_the_next(small):
    found = {slide.kind: words(slide.notes) for slide in told(small)}
    assert found["predict"] == found["printed"] == "Say. Hello. Ask. Why?"
    assert told(small)[1].notes and not told(small)[0].notes
    assert found["exercise"] == "" and found["text"] == "When late. Leave it out."


def test_notes_between_a_text_and_its_cell_change_no_slide(small):
    notebook = nbformat.read(small, as_version=4)
    for k in range(len(notebook.cells) - 1, 4, -1):
        if notebook.cells[k - 1].cell_type == "markdown":
            note = new_markdown_cell("**Say.** Go on.", metadata={"tags": ["notes"]})
            notebook.cells.insert(k, note)
    nbformat.write(notebook, small.with_name("10_noted.ipynb"))
    seen = [(slide.kind, slide.html, slide.seconds) for slide in told(small)]
    noted = told(small.with_name("10_noted.ipynb"))
    assert [(slide.kind, slide.html, slide.seconds) for slide in noted] == seen


def test_a_live_slide_says_what_to_do_under_its_sections_title(small):
    notebook = nbformat.read(small, as_version=4)
    text = new_markdown_cell("## Three\n\nTurn it all the way.", metadata=timing())
    notebook.cells.insert(10, text)
    nbformat.write(notebook, small.with_name("10_live.ipynb"))
    live = next(s for s in told(small.with_name("10_live.ipynb")) if s.kind == "live")
    assert "Turn it all the way." in live.html and "Three" not in live.html
    assert live.title == "Three"


def test_the_plan_in_the_deck_holds_sections_notes_and_the_next_shorter_cut(small):
    page = deck.make_deck(read_lesson(str(small)), 45)
    plan = json.loads(re.search(r'id="plan">(.*?)</script>', page, re.S)[1])
    assert [s["minutes"] for s in plan["sections"]] == [0, 3, 4] and plan["shorter"] == 20
    assert len(plan["slides"]) == page.count("<section class=") == 9
    assert [s["seconds"] for s in plan["slides"]].count(240) == 1


# --- prose and code ---------------------------------------------------------------------------


def test_long_prose_is_cut_at_paragraphs_and_a_list_that_fits_is_kept_whole(tmp_path):
    text = "## Title\n\n" + "\n\n".join("many words follow here. " * 15 for _ in range(5))
    groups = packing.packed(prose.blocks(text, tmp_path))
    assert len(groups) >= 4 and [b.kind for b in groups[0]] == ["heading", "paragraph"]
    assert all(packing.total_lines(group) <= packing.MOST for group in groups)
    listed = "Three things, and no more than three:\n\n" + "\n".join(
        f"{k}. {'words ' * 25}" for k in (1, 2, 3))
    (group,) = packing.packed(prose.blocks(listed, tmp_path))
    assert [b.kind for b in group] == ["paragraph", "item", "item", "item"]
    assert 'start="3"' in group[-1].html


def test_a_sentence_that_ends_in_a_formula_stays_on_its_slide(tmp_path):
    text = "many words follow here " * 22
    formula = "\n\n`beta = 1 - a`.\n\n" + "The rest. " * 20
    groups = packing.packed(prose.blocks(text + "with" + formula, tmp_path))
    assert [b.text[-1] for b in groups[0]] == ["h", "."]
    apart = packing.packed(prose.blocks(text + "with." + formula, tmp_path))
    assert len(apart[0]) == 1


def test_what_points_to_other_notebooks_is_no_slide(tmp_path):
    for text in ("Previous: [05](05.ipynb) · back to the first lesson: [01](01.ipynb)",
                 "**Going deeper.** [The law](deeper/x.ipynb) works it out. Some levels."):
        assert packing.slide_blocks(text, tmp_path) == []


def test_a_paragraph_longer_than_a_slide_is_cut_between_sentences(tmp_path):
    text = "This is a sentence of some words. " * 60
    pieces = packing.packed(prose.blocks(text, tmp_path))
    assert len(pieces) > 1 and all(packing.total_lines(group) <= packing.MOST for group in pieces)
    assert all(group[-1].html.endswith(".</p>") for group in pieces)


def test_code_is_cut_where_it_hurts_least():
    loop = "def f(n):\n    first = 1\n    for k in range(n):\n" + "        k += 1\n" * 11
    pieces = showing.code_pieces(loop + "    return first\n\n\nf(1)")
    assert [piece.split("\n")[0].strip() for piece in pieces] == [
        "def f(n):", "for k in range(n):", "return first"]
    assert pieces[-1] == "    return first\n\nf(1)"


def test_a_link_becomes_plain_text_and_code_is_escaped(tmp_path):
    (block,) = prose.blocks("see [there](../x.ipynb) `a < b` <script>1</script>", tmp_path)
    assert block.html == ("<p>see there <code class=short>a &lt; b</code> "
                          "&lt;script&gt;1&lt;/script&gt;</p>")


@pytest.mark.parametrize("text", ["a $x^2$ b", r"\(x\)", r"\[x\]"])
def test_a_formula_in_tex_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match="in TeX; write it as code"):
        prose.blocks(text, tmp_path)
    assert prose.blocks("`$x$` costs $5 and $6", tmp_path)


def test_many_printed_lines_are_cut_into_slides_and_the_answer_comes_last(small):
    notebook = nbformat.read(small, as_version=4)
    lines = [f"line {k}: " + "a word or two more " * (k % 7) for k in range(30)]
    notebook.cells[7].outputs[0].text = "\n".join([*lines, "Measured: 2."])
    nbformat.write(notebook, small.with_name("10_long.ipynb"))
    found = [slide.html for slide in told(small.with_name("10_long.ipynb"))
             if slide.kind == "printed"]
    assert len(found) > 2 and ["class=answer" in html for html in found[:-1]] == [False] * (
        len(found) - 1)
    assert "class=answer" in found[-1]
    assert [words(row) for html in found for row in re.findall("<li>(.*?)</li>", html)] == [
        line.strip() for line in lines]


def test_printed_lines_go_on_where_a_group_or_a_table_begins():
    table = ["the one", "scale  shares", *(f"{k}      {k}" for k in range(5))]
    pages = showing.printed_pages([*table, *table], [], [])
    assert [page[0] for page in pages] == ["the one", "the one"]
    groups = [line for k in range(6) for line in (f"mix {k}", "  network  1", "  exact  2")]
    pages = showing.printed_pages(groups, [], [])
    assert len(pages) > 1 and all(page[0].startswith("mix") for page in pages)
    assert [line for page in pages for line in page] == groups


def test_printed_columns_stay_in_columns():
    row = "certain classes   DDIM  scale 1: 0.06  scale 2: 0.10  scale 4: 0.16  scale 8: 0.27"
    assert "font-size:0.6" in showing.printed_html([row + "   more 1"] * 4), "18 px, not wrapped"
    assert "said columns" in showing.printed_html(["scale 1:   0.05", "scale 12:  0.10"])
    assert "columns" not in showing.printed_html(["scale 1: 0.05", "  scale 12: 0.10"])


# --- the command ------------------------------------------------------------------------------


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        present.run_command(lambda: present.main([str(a) for a in arguments]), present.PROGRAM)
    said = capsys.readouterr()
    assert end.value.code == 2 and said.err.count("\n") == 1 and not said.out
    return said.err


def test_the_command_writes_one_file_and_may_write_it_again(small, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        present.main([str(small), "--minutes", "20"])
    assert "09_small_20.html: 6 slides for 20 minutes" in capsys.readouterr().out
    assert (tmp_path / "09_small_20.html").read_text("utf-8").startswith("<!doctype html>")
    present.main([str(small), "--output", str(tmp_path / "new" / "deck.html")])
    assert (tmp_path / "new" / "deck.html").is_file()


def test_what_cannot_be_presented_is_refused_in_one_line(small, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "there are 01_intuition" in refused(capsys, "77")
    assert "there is no lesson ''" in refused(capsys, "")
    assert "No such file" in refused(capsys, "gone.ipynb")
    assert "choose from" in refused(capsys, "04", "--minutes", "30")
    (tmp_path / "text.ipynb").write_text("[1, 2]")
    assert "is not a notebook" in refused(capsys, "text.ipynb")
    notebook = nbformat.read(small, as_version=4)
    for cell in notebook.cells:
        cell |= {"outputs": []} if cell.cell_type == "code" else {}
    nbformat.write(notebook, tmp_path / "copy.ipynb")
    assert "holds no outputs" in refused(capsys, "copy.ipynb")
    notebook.cells[4].metadata["lesson"] = {"minutes": "many", "in": ["45"]}
    nbformat.write(notebook, tmp_path / "copy.ipynb")
    assert "expected minutes from 1" in refused(capsys, "copy.ipynb")
    nbformat.write(new_notebook(cells=SMALL[:3]), tmp_path / "copy.ipynb")
    assert "no sections with minutes" in refused(capsys, "copy.ipynb")
    (tmp_path / "mine.html").write_text("my page")
    assert "left as it is" in refused(capsys, small, "--output", "mine.html")
    assert "left as it is" in refused(capsys, small, "--output", tmp_path)
    assert (tmp_path / "mine.html").read_text() == "my page"


# --- the timetable ----------------------------------------------------------------------------


def lessons():
    return [read_lesson(number) for number in LESSONS]


@pytest.mark.parametrize("length", [10, 20, 45, 60, 90, 180])
@pytest.mark.parametrize("cut", CUTS)
def test_every_section_of_the_cut_is_taught_once_in_order_and_no_class_is_too_long(length, cut):
    classes = timetable.lay_classes(lessons(), length, cut)
    taught = [(lesson.number, s.title) for c in classes for lesson, s in c.places]
    assert taught == [(each.number, s.title) for each in lessons() for s in each.cut(cut)]
    assert all(0 < c.minutes <= length for c in classes)


def test_a_lesson_that_fits_into_a_class_is_not_torn_apart():
    classes = timetable.lay_classes(lessons(), 45, 45)
    assert len(classes) == len(LESSONS)
    classes = timetable.lay_classes(lessons(), 90, 45)
    assert [sorted({each.number for each, _ in c.places}) for c in classes][:2] == [
        ["01", "02"], ["03", "04"]]


def test_seconds_of_this_machine_stand_beside_the_minutes(small):
    lesson = read_lesson(str(small))
    one, other = (c.id for c in lesson.sections[1].cells if c.kind == "code")
    classes = timetable.lay_classes([lesson], 45, 45)
    said = "\n".join(timetable.in_words(classes, 45, {"09": Rehearsal({one: 0.25, other: 2.5})}))
    assert "class 1: 7 of 45 minutes" in said and "0:03   4 min  Two" in said
    assert "3 min  One  (2.8 s to run)" in said and "2.5 s  total = 1 + 1" in said


def test_the_plan_of_the_course_is_printed_without_running(capsys):
    present.main(["--plan", "45", "--no-run"])
    said = capsys.readouterr().out
    assert said.count("of 45 minutes") == len(LESSONS) and " s to run" not in said
    assert "7 min  What fit adds" in said
    assert "has a section of 7 minutes" in refused(capsys, "--plan", "6", "--no-run")
    assert "expected a whole number" in refused(capsys, "--plan", "0")
    assert "--output is for slides" in refused(capsys, "--plan", "45", "--output", "a.html")


# --- the machine ------------------------------------------------------------------------------


RUNS = [
    new_markdown_cell("# 09 · Runs"),
    code("import time"),
    new_markdown_cell("## One", metadata=timing()),
    code("import socket\nsocket.getaddrinfo('127.0.0.1', 80)\ntime.sleep(0.4)"),
    code("socket.getaddrinfo('192.0.2.7', 80)"),
    code("open('here', 'w').close()"),
]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """rehearsed(source): how a lesson with this as its last cell ran, in a kernel of its own."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # without the guard of the tests

    def rehearsed(source):
        cells = [*RUNS, code(source)]
        nbformat.write(new_notebook(cells=cells), tmp_path / "09_runs.ipynb")
        lesson = read_lesson(str(tmp_path / "09_runs.ipynb"))
        return lesson, rehearsal.rehearse(lesson)

    return rehearsed


def test_a_rehearsal_times_each_cell_and_notes_who_was_called(runs, tmp_path):
    lesson, done = runs("1 + 1")
    ids = [c.id for s in lesson.sections for c in s.cells if c.kind == "code"]
    assert list(done.seconds) == ids and done.failed is None
    assert 0.4 < done.seconds[ids[1]] < 5 and done.seconds[ids[0]] < done.seconds[ids[1]]
    assert done.reached == ["192.0.2.7"] and done.start > 0
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "ipython") == ["09_runs.ipynb"]


def test_a_rehearsal_names_the_cell_that_fails(runs):
    lesson, done = runs("import diffutils\n1 / 0")
    failed = lesson.sections[-1].cells[-1]
    assert done.failed[0] == failed.id and "ZeroDivisionError" in done.failed[1]
    said = "\n".join(preflight.in_words(preflight.look_at_lesson(lesson, done)))
    assert "stops at `import diffutils`" in said and said.endswith("to do")


def test_the_versions_that_are_checked_are_those_of_the_package():
    needs = re.findall(r'^    "([a-z]+)>=([0-9.]+)",', (ROOT / "pyproject.toml").read_text(), re.M)
    names = [name for name, _ in needs]
    assert preflight.LEAST == dict(needs[: names.index("jupyterlab") + 1])


def test_old_and_missing_packages_and_fonts_are_named():
    assert preflight.look_at_package("torch", "2.6").to_do == ""
    assert preflight.look_at_package("torch", "99").to_do == "pip install 'torch>=99'"
    assert "is not installed" in preflight.look_at_package("nosuchpackage", "1").seen
    assert preflight.numbers("2.13.0+cpu") > preflight.numbers("2.6rc1") >= [2, 6]
    assert preflight.look_at_font("DejaVu Sans").to_do == ""
    assert "install matplotlib again" in preflight.look_at_font("No Such Font").to_do


def quiet(monkeypatch, free=8e9, busy=3.0):
    """A machine with so many bytes free, and so much at work, in percent."""
    memory = type("Memory", (), {"available": free})
    monkeypatch.setattr(preflight.psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(preflight.psutil, "cpu_percent", lambda interval: busy)
    monkeypatch.setattr(preflight.psutil, "sensors_battery", lambda: None, raising=False)


def checked(monkeypatch, capsys, done):
    """(exit status, what was said) of --check on lesson 02, had it run like this."""
    monkeypatch.setattr(rehearsal, "rehearse", lambda lesson: done)
    with pytest.raises(SystemExit) as end:
        present.main(["--check", "02"])
    return int(end.value.code), capsys.readouterr().out.rstrip().split("\n")


def test_a_machine_is_ready_or_not_and_the_status_says_so(monkeypatch, capsys):
    cell = read_lesson("02").sections[1].cells[1].id
    quiet(monkeypatch)
    status, said = checked(monkeypatch, capsys, Rehearsal({cell: 3.0}, start=1.0))
    assert (status, said[-1]) == (0, "ready") and not any("[to do]" in line for line in said)
    assert "[ok]    lesson 02 reaches out to nobody" in said
    status, said = checked(monkeypatch, capsys, Rehearsal({cell: 130.0}, reached=["192.0.2.7"]))
    assert (status, said[-1]) == (1, "not ready: 2 to do")
    assert any("run it before class, or show its picture" in line for line in said)
    quiet(monkeypatch, free=3e8, busy=90.0)
    status, said = checked(monkeypatch, capsys, Rehearsal({cell: 3.0}))
    assert (status, said[-1]) == (1, "not ready: 2 to do")


# --- the handout ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", LESSONS)
def test_a_handout_has_three_things_four_pictures_all_exercises_and_no_code(number):
    lesson = read_lesson(number)
    page = handout.make_handout(lesson)
    things = re.search(r'<ol class="things">(.*?)</ol>', page, re.DOTALL)[1]
    assert things.count("<li>") == 3 and page.count("<figure>") == 4
    cells = [c for s in lesson.sections for c in s.cells if "exercise" in c.tags]
    asked = re.search(r'<ul class="exercises">(.*?)</ul>\s*</section>', page, re.DOTALL)[1]
    assert all(f"Exercise {k}" in asked for k in range(1, len(cells) + 1))
    assert "<pre" not in page and "<script" not in page
    assert "//" not in re.sub('base64,[^"]*', "", page)
    assert page.count("<figcaption>") == len(set(re.findall("<figcaption>(.*?)<", page)))


def test_a_handout_is_written_by_the_command(tmp_path, capsys, monkeypatch, small):
    monkeypatch.chdir(tmp_path)
    present.main(["05", "--handout"])
    assert "05_sampling_handout.html: two pages" in capsys.readouterr().out
    assert (tmp_path / "05_sampling_handout.html").is_file()
    assert "has no section 'What to remember'" in refused(capsys, small, "--handout")


@every_cut
def test_notes_name_slides_by_the_numbers_on_them(number, minutes):
    page = page_of(number, minutes)
    plan = json.loads(re.search(r'id="plan">(.*?)</script>', page, re.S)[1])
    count = len(plan["slides"])
    told = "".join(slide["notes"] for slide in plan["slides"])
    assert told and not re.search(r"cell-[0-9]", told)
    assert all(2 <= int(k) <= count for k in re.findall(r"\bslide ([0-9]+)", told))


def test_a_note_says_the_slide_of_a_cell_or_where_it_is_in_the_notebook():
    lesson = read_lesson("05")
    made, kept = slides.make_slides(lesson, 20), lesson.cut(20)
    left_out = next(section for section in lesson.sections if section not in kept)
    inside, outside = made[5].cell, left_out.cells[0].id
    first = [slide.cell for slide in made].index(inside)
    made[0].notes = "".join(f"<code class=short>{cell}</code>. "
                            for cell in (inside, outside, "cell-777"))
    deck.say_slides(made, lesson)
    assert made[0].notes == (f"slide {first + 2}. the notebook, in &quot;{left_out.title}&quot;. "
                             "<code class=short>cell-777</code>. ")
