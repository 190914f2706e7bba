"""What a class sees: decks from disk, measured slide by slide, and two windows in step.

A sample of lessons and cuts is measured at 1280x720 always; every slide of every cut of every
lesson, at 1920x1080 too, waits for DIFFUTILS_SLOW_TESTS=1.
"""

import os
import re

import nbformat
import pytest

from diffutils.stage.deck import make_deck
from diffutils.stage.handout import make_handout
from diffutils.stage.sections import CUTS, find_lessons, read_lesson

LESSONS = sorted(find_lessons())
SIZES = [(1280, 720), (1920, 1080)]
slow = pytest.mark.skipif("DIFFUTILS_SLOW_TESTS" not in os.environ,
                          reason="measures every deck; set DIFFUTILS_SLOW_TESTS=1")
ALWAYS = [("02", 45, SIZES[0]), ("04", 45, SIZES[0]), ("05", 20, SIZES[0])]
DECKS = ALWAYS + [pytest.param(number, minutes, size, marks=slow) for number in LESSONS
                  for minutes in CUTS for size in SIZES if (number, minutes, size) not in ALWAYS]
MEASURE = """() => [...document.querySelectorAll('.slide')].flatMap((slide, k) => {
  const edge = slide.getBoundingClientRect(), scale = edge.height / 720, found = [];
  for (const e of slide.querySelectorAll('*')) {
    const box = e.getBoundingClientRect(), name = `slide ${k + 1}, ${e.tagName} ${e.className}: `;
    if (!box.width || !box.height || e.tagName === 'SCRIPT') continue;
    if (box.left < edge.left - 1 || box.top < edge.top - 1 || box.right > edge.right + 1 ||
        box.bottom > edge.bottom + 1) found.push(name + 'over the edge');
    const inner = slide.querySelector('.body').getBoundingClientRect();
    if (!slide.matches('.check, .tall') && e.closest('.prose, .said, pre') &&
        (box.top < inner.top - 2 || box.bottom > inner.bottom + 2))
      found.push(name + 'over the body');
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (own && parseFloat(getComputedStyle(e).fontSize) < 17.9)
      found.push(name + getComputedStyle(e).fontSize);
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflow === 'hidden' &&
        !e.matches('header')) found.push(name + 'cut off');
  }
  return found;
})"""
AT = "() => [...document.querySelectorAll('.slide')].findIndex(s => s.matches('.now')) + 1"


@pytest.fixture(scope="module")
def deck_of(tmp_path_factory):
    """deck_of(number, minutes): the address of the file, made once."""
    folder, made = tmp_path_factory.mktemp("decks"), {}

    def address(number, minutes):
        if (number, minutes) not in made:
            path = folder / f"{number}_{minutes}.html"
            path.write_text(make_deck(read_lesson(number), minutes), encoding="utf-8")
            made[number, minutes] = path.as_uri()
        return made[number, minutes]

    return address


def open_deck(page, address):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    return requests


def go_to(page, selector):
    """Turns to the first slide that holds this."""
    at = page.evaluate("s => [...document.querySelectorAll('.slide')].findIndex(e => "
                       "e.matches(s) || e.querySelector(s)) + 1", selector)  # fmt: skip
    assert at > 0, selector
    while page.evaluate(AT) != at:
        page.keyboard.press("PageDown" if page.evaluate(AT) < at else "PageUp")
    return at


def wait_at(page, at):
    page.wait_for_function(f"() => ({AT})() === {at}", timeout=5000)


@pytest.mark.parametrize(("number", "minutes", "size"), DECKS)
def test_nothing_runs_over_the_edge_and_every_text_can_be_read(
    deck_of, watched, photograph, number, minutes, size
):
    page = watched(*size, offline=True)
    requests = open_deck(page, deck_of(number, minutes))
    assert page.evaluate(MEASURE) == []
    shrunk = "() => [...document.querySelectorAll('.body')].filter(b => b.style.fontSize).length"
    assert page.evaluate(shrunk) == 0, "with the font that was measured with nothing has to shrink"
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    broken = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.evaluate(broken) == 0
    count = page.locator(".slide").count()
    assert f"All {count} slides fit" in page.inner_text("#fits")
    if "DIFFUTILS_SCREENSHOTS" in os.environ:
        for k in range(count):
            photograph(page, f"deck_{number}_{minutes}_{size[1]}_{k + 1:03d}")
            page.keyboard.press("PageDown")


def test_the_first_slide_tells_what_does_not_fit(deck_of, watched):
    page = watched(offline=True)
    open_deck(page, deck_of("05", 20))
    page.evaluate("document.querySelectorAll('.prose')[3].style.minWidth = '1400px'")
    page.set_viewport_size({"width": 1000, "height": 700})
    page.wait_for_timeout(200)
    assert "Over the edge: slides" in page.inner_text("#fits")
    assert "The window is 1000 x 700" in page.inner_text("#size")


def test_keys_turn_the_slides_and_a_player_keeps_its_own(deck_of, watched):
    page = watched(offline=True)
    open_deck(page, deck_of("05", 20))
    for key, at in (("ArrowRight", 2), (" ", 3), ("ArrowLeft", 2), ("PageDown", 3), ("Home", 1)):
        page.keyboard.press(key)
        assert page.evaluate(AT) == at, key
    page.keyboard.press("End")
    last = page.evaluate(AT)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(AT) == last == page.locator(".slide").count()
    at = go_to(page, "input[type=range]")
    slider = page.locator(".now input[type=range]")
    slider.focus()
    before = int(slider.input_value())
    page.keyboard.press("ArrowLeft")
    assert int(slider.input_value()) == before - 1 and page.evaluate(AT) == at
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    assert slider.input_value() == slider.get_attribute("max")
    page.locator(".now canvas").first.click()
    page.keyboard.press("Home")
    assert slider.input_value() == "0" and page.evaluate(AT) == at
    play = page.locator(".now button")
    play.focus()
    page.keyboard.press(" ")
    assert play.inner_text() == "Pause" and page.evaluate(AT) == at
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(AT) == at + 1, "once the player is left, arrows turn the slides again"


def test_a_live_slide_keeps_its_picture_behind_a_key(deck_of, watched):
    page = watched(offline=True)
    open_deck(page, deck_of("04", 45))
    go_to(page, ".held")
    held = page.locator(".now .held img").first
    assert not held.is_visible()
    page.keyboard.press("p")
    assert held.is_visible() and held.bounding_box()["height"] > 150
    page.keyboard.press("p")
    assert not held.is_visible()


def test_the_timer_of_an_exercise_runs_and_stops(deck_of, watched):
    page = watched(offline=True)
    open_deck(page, deck_of("05", 45))
    go_to(page, ".timer")
    timer = page.locator(".now .timer")
    assert re.match(r"3:00", timer.inner_text())
    page.keyboard.press("t")
    page.wait_for_timeout(1300)
    assert timer.inner_text() in ("2:59", "2:58")
    timer.click()
    stopped = timer.inner_text()
    assert stopped.startswith("2:5")
    page.wait_for_timeout(1200)
    assert timer.inner_text() == stopped
    page.evaluate("Date.now = (real => () => real() + 4 * 60000)(Date.now)")
    timer.click()
    page.evaluate("Date.now = (real => () => real() + 4 * 60000)(Date.now)")
    page.wait_for_timeout(600)
    assert timer.inner_text() == "0:00" and "over" in timer.get_attribute("class")


@pytest.fixture
def two_windows(deck_of, watched):
    """(the projector's page, the presenter's window) of lesson 05 in 45 minutes."""
    page = watched(offline=True)
    open_deck(page, deck_of("05", 45))
    with page.context.expect_page() as opened:
        page.keyboard.press("w")
    desk = opened.value
    desk.wait_for_selector("html[data-ready]", state="attached")
    wait_at(desk, 1)
    return page, desk


def test_notes_are_in_the_presenters_window_alone(watched, tmp_path, photograph):
    notebook = nbformat.read(find_lessons()["05"], as_version=4)
    notebook.cells = [c for c in notebook.cells if "notes" not in c.metadata.get("tags", [])]
    begins = [k for k, cell in enumerate(notebook.cells) if "lesson" in cell.metadata]
    for number, k in reversed(list(enumerate(begins))):
        note = (f"**Say.** This is note {number}, in two sentences. It ends here.\n\n"
                "**Ask.** Why?\n\n"
                "**Wrong answers.**\n- *It is random.* Run it again.\n- *Small.* Measure it.\n\n"
                "**When late.** Leave out the exercise.\n\n**On stage.** The run takes a while.")
        cell = nbformat.v4.new_markdown_cell(note, metadata={"tags": ["notes"]})
        notebook.cells.insert(k + 1, cell)
    nbformat.write(notebook, tmp_path / "05_sampling.ipynb")
    path = tmp_path / "deck.html"
    text = make_deck(read_lesson(str(tmp_path / "05_sampling.ipynb")), 45)
    path.write_text(text, encoding="utf-8")
    page = watched(offline=True)
    open_deck(page, path.as_uri())
    with page.context.expect_page() as opened:
        page.keyboard.press("w")
    desk = opened.value
    desk.wait_for_selector("html[data-ready]", state="attached")
    desk.locator("#map li").nth(6).click()
    wait_at(page, desk.evaluate(AT))
    for _ in range(2):
        assert "This is note 6" in desk.inner_text("#notes")
        assert desk.locator("#notes strong").all_inner_texts() == [
            "Say.", "Ask.", "Wrong answers.", "When late.", "On stage."]
        page.keyboard.press("ArrowRight")
        wait_at(desk, page.evaluate(AT))
    photograph(desk, "desk_with_notes")
    assert "This is note" not in page.inner_text("body")


def test_two_windows_are_in_step_both_ways(two_windows, photograph):
    page, desk = two_windows
    for k in range(2, 6):
        page.keyboard.press("ArrowRight")
        wait_at(desk, k)
    desk.keyboard.press("ArrowRight")
    wait_at(page, 6)
    desk.locator("#map li").nth(7).click()
    jumped = desk.evaluate(AT)
    assert jumped > 20
    wait_at(page, jumped)
    photograph(desk, "desk_05")
    desk.click("#skip")
    wait_at(page, desk.evaluate(AT))
    assert desk.evaluate(AT) > jumped
    page.keyboard.press("Home")
    wait_at(desk, 1)
    page.keyboard.press("b")
    desk.wait_for_selector("body.black", state="attached")


def test_a_player_moved_in_one_window_moves_in_the_other(two_windows):
    page, desk = two_windows
    wait_at(desk, go_to(page, "input[type=range]"))
    for here, there, value in ((page, desk, "0"), (desk, page, "7"), (page, desk, "12")):
        slider, other = (w.locator(".now input[type=range]") for w in (here, there))
        slider.fill(value)
        there.wait_for_function(
            f"() => document.querySelector('.now input[type=range]').value === '{value}'")
        assert slider.input_value() == other.input_value() == value
    page.evaluate("window.echoes = 0; addEventListener('message', "
                  "event => { if (event.data.range) window.echoes++; })")
    page.locator(".now button").click()
    page.wait_for_timeout(1000)
    assert page.evaluate("window.echoes") == 0, "what one window tells comes back to it"
    assert int(page.locator(".now input[type=range]").input_value()) > 14, "it plays on"


def test_a_window_that_was_loaded_again_finds_its_way_back(two_windows):
    page, desk = two_windows
    desk.locator("#map li").nth(3).click()
    at = desk.evaluate(AT)
    wait_at(page, at)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.evaluate(AT) == at
    desk.wait_for_timeout(2500)
    desk.keyboard.press("ArrowRight")
    wait_at(page, at + 1)
    page.keyboard.press("ArrowRight")
    wait_at(desk, at + 2)


def test_the_clock_tells_how_late_it_is_and_what_to_skip(two_windows):
    page, desk = two_windows
    assert "starts with the next slide" in desk.inner_text("#pace")
    desk.locator("#map li").nth(2).click()  # section 2 begins after 4 minutes; 3 to 6 may be spared
    desk.wait_for_function("() => document.getElementById('pace').textContent.includes('ahead')")
    late = "Date.now = (real => () => real() + 11.5 * 60000)(Date.now)"
    page.evaluate(late)
    desk.evaluate(late)
    desk.wait_for_function("() => document.getElementById('pace').textContent.includes('behind')")
    told = re.fullmatch(r"(\d) minutes behind; skip to section (\d)", desk.inner_text("#pace"))
    assert told and 6 <= int(told[1]) <= 7 and told[2] == ("4" if told[1] == "6" else "5")
    assert re.match(r"11:\d\d of 45", desk.inner_text("#elapsed"))
    assert desk.inner_text("#cut").startswith("Next cut: section 3, Why so little")
    desk.locator("#map li").nth(5).click()
    assert "behind" not in desk.inner_text("#pace")
    desk.locator("#map li").nth(12).click()
    assert desk.inner_text("#cut") == "Next cut: none from here on"


@pytest.mark.parametrize("number", LESSONS)
def test_a_handout_is_two_printed_pages_and_nothing_is_cut_off(watched, tmp_path, number):
    path = tmp_path / "handout.html"
    path.write_text(make_handout(read_lesson(number)), encoding="utf-8")
    page = watched(offline=True)
    page.goto(path.as_uri())
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2
    over = """() => [...document.querySelectorAll('.page')].flatMap(page =>
      [...page.querySelectorAll('*')].filter(e => e.getBoundingClientRect().bottom >
        page.getBoundingClientRect().bottom + 1).map(e => e.tagName))"""
    assert page.evaluate(over) == []
    small = """() => [...document.querySelectorAll('.stills')].map(s => s.clientHeight)
      .filter(height => height < 150)"""
    assert page.evaluate(small) == [], "a picture that can be read on paper"
