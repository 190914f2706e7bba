"""Code, printed lines, pictures and players as a slide shows them: HTML, as large as it fits."""

import ast
import html
import json
import re

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from diffutils.stage.prose import SIZE, letters

CODE_LINES, CODE_WIDTH = 12, 1140  # of a slide of code: lines, and pixels across
CODE_SIZES = range(30, 20, -1)  # of its letters; lines that are too long for the smallest wrap
SMALLEST = min(CODE_SIZES)
SAID_WIDTH, SAID_HEIGHT = 1110, 560  # pixels that printed lines may take
LETTER = 0.605  # the width of a letter of code, in parts of its height
PLAYER_WIDTH, PLAYER_HEIGHT = 1150, 410  # pixels that a player's panes may take on a slide


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
    smallest, wrapped = (18, 18) if in_columns(lines) else (20, 26 if len(lines) <= 4 else 20)
    return min(largest, fitting if fitting >= smallest else wrapped)


def said_height(lines):
    """How many pixels printed lines take, one under another, wrapped where they are long."""
    size = said_size(lines) if lines else 0
    rows = [max(1, -(-said_width(line, lines) * size // SAID_WIDTH)) for line in lines]
    return sum(size * (1.4 * row + 0.6) + 1 for row in rows)


def printed_pages(lines, answers, lead):
    """The lines of each slide, as many as fit it; the answers stand below the last ones."""
    pages, room = [], SAID_HEIGHT - (110 if lead else 0)
    below = 190 * bool(answers) + 60 * max(0, len(answers) - 1)
    while len(lines) > 1 and said_height(lines) > room - below:
        fitting = [k for k in range(1, len(lines)) if said_height(lines[:k]) <= room]
        cut = good_cut(lines, max(fitting, default=1))
        pages.append(lines[:cut])
        lines, room = lines[cut:], SAID_HEIGHT
    return [*pages, lines]


def good_cut(lines, most):
    """After how many lines to go on to another slide: not below a heading, not inside a group.

    Lines set in belong to the one above them; one without a number is the heading of a table.
    """
    for k in range(most, most // 2, -1):
        if not lines[k].startswith(" ") and re.search(r"\d", lines[k - 1]):
            return k
    return most


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
