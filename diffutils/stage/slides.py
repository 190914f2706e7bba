"""The cells of a lesson's cut as slides: one idea each, pictures large, predictions before answers.

    for slide in make_slides(read_lesson("04"), 45): print(slide.kind, slide.html)

Prose is cut at the borders of its paragraphs. Code is shown where a cell is tagged `teach`, at most
12 lines a slide. Of other cells only what they drew or printed is shown, as the committed notebook
holds it: nothing is run. A cell that is alive in class, a control or a run that one watches, keeps
its picture behind a key. A prediction is a slide of its own, and so is an exercise, with a timer.
"""

import ast
import html
import json
import re
from dataclasses import dataclass

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from diffutils.stage.prose import SIZE, Block, as_html, blocks, count_lines, letters

FULL, LIST, MOST = 9.5, 12.5, 15.0  # lines that fill a slide of prose, of a list; the most
SIZES = {8.0: 38, 10.7: 34, 13.0: 30, 16.5: 27, 99.0: 24}  # up to so many lines: letters so large
CODE_LINES, CODE_WIDTH = 12, 1140  # of a slide of code: lines, and pixels across
CODE_SIZES = range(30, 20, -1)  # of its letters; lines that are too long for the smallest wrap
SMALLEST = min(CODE_SIZES)
SAID_WIDTH, SAID_HEIGHT = 1110, 560  # pixels that printed lines may take
LETTER = 0.605  # the width of a letter of code, in parts of its height
DROPPED = re.compile(r"Sources\.|(previous|next): |back to ")
ASIDE = re.compile(r" ?\((?:[^()]|\([^()]*\))*\]\(deeper/[^)]*\)(?:[^()]|\([^()]*\))*\)")
POINTER = "](deeper/"  # in a clause that points to another notebook
PLAYER_WIDTH, PLAYER_HEIGHT = 1150, 410  # pixels that a player's panes may take on a slide


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
            for cell, after in zip(cells, [*cells[1:], None], strict=True):
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
        if cell.kind == "markdown" and "notes" not in cell.tags:
            self.tell_prose(cell, after)
            return
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
            self.lead = groups.pop()
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


# --- prose ----------------------------------------------------------------------------------------


def slide_blocks(source, folder):
    """The blocks of a cell without what is for a reader alone: sources, ways to other notebooks."""
    kept = [without_pointers(part) for part in re.split(r"\n\n+", ASIDE.sub("", source))]
    return [b for b in blocks("\n\n".join(kept), folder) if not DROPPED.match(b.text)]


def without_pointers(part):
    """A paragraph without the clauses that point to another notebook; a list stays as it is."""
    if POINTER not in part or re.match(r"[-*#|>]|\d+\.", part):
        return part
    clauses = [c for c in re.split(r"(?<=[.?!;])\s+", part) if POINTER not in c]
    return re.sub(r";$", ".", " ".join(clauses))


def packed(parts):
    """Blocks in groups that fit a slide; a heading begins one, a picture has one to itself."""
    pieces = [piece for part in parts for piece in smaller(part)]
    groups, lines = [], 0.0
    for k, block in enumerate(pieces):
        alone = block.kind == "picture" or groups and groups[-1][0].kind == "picture"
        whole = lines + list_lines(pieces[k:]) <= MOST  # a list that fits
        limit = MOST if whole else LIST if block.kind == "item" else FULL
        full = lines + block.lines > limit and not only_heading(groups)
        if not groups or alone or full or block.kind == "heading":
            groups.append([])
            lines = 0.0
        groups[-1].append(block)
        lines = total_lines(groups[-1])
    return groups


def list_lines(parts):
    """How long the list is with which these blocks begin, or more than a slide if with none."""
    items = []
    for block in parts:
        if block.kind != "item":
            break
        items.append(block.lines)
    return sum(items) if items else 99.0


def total_lines(group):
    return sum(block.lines + (1.0 if block.kind == "heading" else 0) for block in group)


def only_heading(groups):
    return bool(groups) and all(block.kind == "heading" for block in groups[-1])


def smaller(block):
    """The block, or, where it is longer than a slide, its sentences in pieces."""
    if block.kind != "paragraph" or block.lines <= MOST:
        return [block]
    sentences = re.split(r"(?<=[.?])\s+(?=[A-Z<])", block.html.removeprefix("<p>")[:-4])
    half = len(sentences) // 2
    if not half:
        return [block]
    cut = [" ".join(sentences[:half]), " ".join(sentences[half:])]
    halves = [Block("paragraph", f"<p>{part}</p>", part, count_lines(part) + 0.6) for part in cut]
    return [piece for half in halves for piece in smaller(half)]


def group_html(group, more=0):
    """The blocks in letters as large as their lines allow, and so many lines more."""
    if group[0].kind == "picture":
        return picture_html(group[0].html)
    lines = total_lines(group) + more
    size = next(size for most, size in SIZES.items() if lines <= most)
    inner = "".join(block.html for block in group)
    return f'<div class=prose style="font-size:{size / SIZE:.3f}em">{inner}</div>'


def leads_in(group, after):
    """Whether the prose is to stand on the slide of the cell that comes next.

    A short sentence stands above code or a wide picture; a live cell's text says what to do. A
    question stays by itself, since the class is to think before it sees.
    """
    if after is None or len(group) > 1 or group[0].kind != "paragraph":
        return False
    if is_live(after):
        return group[0].lines < 9
    if "?" in group[0].text or "predict" in after.tags:
        return False
    if "teach" in after.tags:
        return group[0].lines < 4 and code_height(code_pieces(after.source)[0]) <= 10
    shown, below = after.html(), len(after.printed())
    if not shown:
        return group[0].lines < 3 and 0 < below <= 6 and "exercise" not in after.tags
    return group[0].lines < 3 and below <= 2 and not is_player(shown[0]) and (
        picture_scale(shown[0], 575 - 100 - 35 * below) > 1.05)


def belongs_to(printed, after):
    """Whether printed lines are few enough to stand above the prose that explains them."""
    return (len(printed) <= 3 and after is not None and after.kind == "markdown"
            and not after.source.startswith(("#", "!", "**Exercise")) and after.lesson is None)


def split_exercise(parts):
    """(what stands before an exercise, its text): from where its name is, or all of it."""
    for k, block in enumerate(parts):
        if block.text.startswith("Exercise"):
            before = parts[:k]
            if k and block.kind != "heading" and parts[k - 1].kind == "heading":
                return parts[: k - 1], parts[k - 1 :]
            return before, parts[k:]
    return parts[:-1], parts[-1:]


def is_silent(cell):
    """A code cell that shows nothing of its own on a slide."""
    return cell is not None and cell.kind == "code" and (
        "checks.ledger" in cell.source or not cell.outputs and "teach" not in cell.tags)


# --- cells of code --------------------------------------------------------------------------------


def asked(cell):
    """(name, question) of a prediction that a cell asks for, or None."""
    found = calls(cell, "predict")
    return (found[0][0], found[0][1]) if found and len(found[0]) > 1 else None


def revealed(cell):
    """The names of the predictions that a cell answers, in order."""
    return [arguments[0] for arguments in calls(cell, "reveal") if arguments]


def calls(cell, name):
    """The constant arguments of each call `checks.name(...)` in a cell."""
    if cell.kind != "code":
        return []
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return []
    return [[getattr(a, "value", None) for a in node.args] for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and node.func.attr == name]  # fmt: skip


def is_note(line):
    """A line that only a student's own kernel has a use for."""
    return line.startswith(("[setup]", "[order]", "Your prediction", "not done yet"))


def is_live(cell):
    """A control that needs a kernel, or a picture that changes while the cell is running."""
    return "scrub-still" in "".join(cell.html()) or "display_id=" in cell.source


def choices_of(cell):
    """The answers that an exercise offers."""
    return [line.strip()[3:] for line in cell.printed() if re.match(r"\s+[a-z]\) ", line)]


def predict_html(cell):
    _, question = asked(cell) or ("", cell.source)
    return f"<p class=lead>Your prediction</p><p class=question>{html.escape(question)}</p>"


def code_pieces(source):
    """Code in pieces of at most 12 lines, cut at empty lines where there are any.

    Without what is only for the notebook: the ledger of predictions, the asserts, the printing of
    lines that the slide shows as they were printed. A remark behind a long line goes above it.
    It is cut where that hurts least: rather before a line that stands far to the left.
    """
    lines = shown_lines(source)
    best = [(0, [])]  # for the first k lines: (what the cuts cost, where they are)
    for k in range(1, len(lines) + 1):
        ways = [(cost + 2 + 3 * depth(lines, j) ** 2, [*cuts, j])
                for j, (cost, cuts) in enumerate(best)
                if code_height("\n".join(lines[j:k]).strip("\n")) <= CODE_LINES]  # fmt: skip
        best.append(min(ways))
    starts = best[-1][1]
    ends = [*starts[1:], len(lines)]
    return ["\n".join(lines[j:k]).strip("\n") for j, k in zip(starts, ends, strict=True)]


def depth(lines, at):
    """How far to the right a line begins, in levels; 0 for the first, half more in a row."""
    if not at:
        return 0
    level = (len(lines[at]) - len(lines[at].lstrip())) / 4
    return level if not lines[at - 1].strip() else level + 0.5


def shown_lines(source):
    """The lines of a cell that stand on a slide."""
    lines, body = source.split("\n"), ast.parse(source).body
    aside = [node for node in body if isinstance(node, ast.Assert)
             or ast.unparse(node).startswith(("checks.", "print("))]  # fmt: skip
    left_out, kept = set(), []
    for node in aside if len(aside) < len(body) else ():
        left_out |= set(range(node.lineno, node.end_lineno + 1))
    for number, line in enumerate(lines, 1):
        if number in left_out or not line.strip() and (not kept or not kept[-1].strip()):
            continue
        found = re.fullmatch(r"( *)(\S.*?)  (# [^\"']*)", line)
        if found and len(line) > most_letters():
            kept.append(found[1] + found[3])
            line = found[1] + found[2]
        kept.append(line)
    return "\n".join(kept).strip("\n").split("\n")


def most_letters(size=SMALLEST):
    """How many letters of code a line holds."""
    return int(CODE_WIDTH / (LETTER * size))


def code_height(piece):
    """How many lines a piece of code takes on a slide, long ones wrapped."""
    return sum(-(-max(len(line), 1) // (most_letters() - 4)) if len(line) > most_letters() else 1
               for line in piece.split("\n"))


def code_html(piece):
    """Code in colours, as large as its longest line allows."""
    longest = max(len(line) for line in piece.split("\n"))
    size = next((size for size in CODE_SIZES if longest <= most_letters(size)), SMALLEST)
    coloured = highlight(piece, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n")
    rows = []
    for plain, line in zip(piece.split("\n"), coloured.split("\n"), strict=True):
        indent = len(plain) - len(plain.lstrip()) + 4
        rows.append(f'<span class=line style="padding-left:{indent}ch;text-indent:-{indent}ch">'
                    f"{line or ' '}</span>")
    return f'<pre class=code style="font-size:{size}px">{"".join(rows)}</pre>'


def printed_html(lines):
    """Printed lines, a row each, in letters that let the longest fit into its row if they can.

    Lines that were set in columns by several blanks stay so, in letters of one width.
    """
    if not lines:
        return ""
    rows = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    columns = " columns" if in_columns(lines) else ""
    size = said_size(lines) / SIZE
    return f'<ul class="said{columns}" style="font-size:{size:.3f}em">{rows}</ul>'


def in_columns(lines):
    return any("  " in line.strip() for line in lines)


def said_width(line, lines):
    """How wide a printed line is, in letters' heights."""
    return LETTER * len(line) if in_columns(lines) else letters().getlength(line) / SIZE


def said_size(lines):
    """How large the letters of printed lines are."""
    largest = {1: 46, 2: 38, 3: 34, 4: 32}.get(len(lines), 28)
    fitting = int(SAID_WIDTH / max(1, *(said_width(line, lines) for line in lines)))
    return min(largest, fitting if fitting >= 20 else 26 if len(lines) <= 4 else 20)


def said_height(lines):
    """How many pixels printed lines take, one under another, wrapped where they are long."""
    size = said_size(lines) if lines else 0
    rows = [max(1, -(-said_width(line, lines) * size // SAID_WIDTH)) for line in lines]
    return sum(size * (1.4 * row + 0.6) + 1 for row in rows)


def printed_pages(lines, answers, lead):
    """The lines of each slide, as many as fit it; the answers stand below the last ones."""
    pages, room = [[]], SAID_HEIGHT - (110 if lead else 0)
    below = 190 * bool(answers) + 60 * max(0, len(answers) - 1)
    for k, line in enumerate(lines):
        last = k == len(lines) - 1
        if pages[-1] and said_height([*pages[-1], line]) > room - below * last:
            pages.append([])
            room = SAID_HEIGHT
        pages[-1].append(line)
    return pages


def picture_html(part):
    """The picture of an output or of prose, without the size that it has on a page."""
    image = re.search(r"<img [^>]*>", part)
    if image is None:
        return f"<div class=output>{part}</div>"
    source, words = (re.search(rf'{name}="([^"]*)"', image[0]) for name in ("src", "alt"))
    return f'<figure><img src="{source[1]}" alt="{words[1] if words else ""}"></figure>'


def is_player(part):
    return "player-" in part[:80]


def picture_scale(part, high):
    """How many times as large as in the notebook a picture is where it may be so high."""
    found = re.search(r'<img [^>]*width="(\d+)" height="(\d+)"', part)
    if is_player(part) or found is None:
        return 1.0
    width, height = int(found[1]), int(found[2])
    return min(1160 / width, high / height)


def player_html(part, high=PLAYER_HEIGHT):
    """A player with larger letters, its panes as large as whole pixels allow."""
    found = re.search(r'"panes":(\[\[.*?\]\])', part)
    panes = json.loads(found[1])
    wide = sum(pane[1] for pane in panes)
    scale = min((PLAYER_WIDTH - 16 * len(panes)) // wide,
                high // max(pane[2] for pane in panes))
    sizes = iter(panes)

    def resized(match):
        _, width, height = next(sizes)
        return f'width="{width * scale}" height="{height * scale}"'

    head, script = part.split("<script>", 1)
    head = re.sub(r'width="\d+" height="\d+"', resized, head)
    head = head.replace("font-size:18px", "font-size:26px").replace(
        "font-size:16px", "font-size:22px")
    return f'<div class=player>{head}<script>{script}</div>'


def live_html(shown, told):
    """What to do live, and the picture that is ready for when it fails."""
    controls = re.search(r"<em>(Controls: .*?)\. They move", "".join(shown), re.DOTALL)
    below = f"<p class=hint>{controls[1]}</p>" if controls else ""
    pictures = "".join(picture_html(part) for part in shown if "<img " in part)
    told = told or "<p class=question>Run the cell.</p>"
    return (f"<p class=lead>Live, in the notebook</p>{told}{below}"
            "<p class=hint>Key p: the picture made beforehand</p>"
            f"<div class=held>{pictures}</div>")
