"""Markdown cells as blocks for a page without a network: headings, paragraphs, lists, pictures.

    for block in blocks(cell.source, folder): print(block.kind, block.html, block.lines)

mistune reads the Markdown. Links become plain text, since what they lead to is not in the room,
and pictures become part of the page. `lines` is how many lines a block takes on a slide, measured
with the widest font that one may meet there, DejaVu Sans of 30 pixels: with others it is less.
Formulas of the lessons are code spans, in ASCII; one in TeX is refused: nothing here draws it.
"""

import base64
import functools
import html
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import mistune
from mistune.core import BlockState
from PIL import Image, ImageFont

from diffutils.stage.desk import edition_folder
from diffutils.stage.look import SHARP, data_uri

SIZE, MEASURE = 30, 1100  # of the letters on a slide, and of a line of them, in pixels
TEX = re.compile(r"(?<!\\)\$[^$\s](?:[^$\n]*[^$\s])?\$|\\\(|\\\[")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A piece of prose that is not broken between two slides.

    kind    "heading", "paragraph", "item" of a list, "table", "picture", "code" or "quote"
    html    as HTML
    text    its words
    lines   how many lines it takes
    """

    kind: str
    html: str
    text: str
    lines: float


class Renderer(mistune.HTMLRenderer):
    """HTML without links, and with its pictures in it."""

    def __init__(self, folder):
        super().__init__(escape=True)
        self.folder = folder

    def codespan(self, text):
        code = super().codespan(text)
        return code if len(text) > 40 else code.replace("<code>", "<code class=short>")

    def link(self, text, url, title=None):
        return text

    def image(self, text, url, title=None):
        uri = picture(self.folder, url)
        width, height = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).size
        return (f'<img src="{uri}" alt="{html.escape(text)}" '
                f'width="{width // SHARP}" height="{height // SHARP}">')


def blocks(source, folder):
    """The blocks of a Markdown text; `folder` is where its pictures are looked for, or its parent.

    ValueError for a formula in TeX, FileNotFoundError for a picture that is not there.
    """
    if found := TEX.search(CODE.sub("", source)):
        raise ValueError(f"a slide cannot show the formula {found[0]!r} in TeX; "
                         "write it as code, `alpha_bar`")
    tokens = mistune.create_markdown(renderer="ast", plugins=["table"])(source)
    render = renderer(Path(folder))
    return [block for token in tokens for block in cut_up(token, render)]


def renderer(folder):
    """A function from tokens to HTML."""
    markdown = mistune.Markdown(renderer=Renderer(folder))
    mistune.plugins.table.table(markdown)
    return lambda *tokens: markdown.renderer(list(tokens), BlockState()).strip()


def as_html(source, folder):
    """A whole Markdown text as HTML."""
    return "\n".join(block.html for block in blocks(source, folder))


def cut_up(token, render):
    """The blocks that a token of mistune makes."""
    kind, children = token["type"], token.get("children", [])
    if kind in ("blank_line", "thematic_break"):
        return []
    if kind == "list":
        return list_items(token, render)
    if kind == "paragraph" and [child["type"] for child in children] == ["image"]:
        return [Block("picture", render(*children), words(token), 12)]
    text = words(token)
    if kind == "table":
        return [Block("table", render(token), text, table_lines(children))]
    if kind == "block_code":
        return [code_block(token["raw"])]
    names = {"heading": "heading", "block_quote": "quote"}
    return [Block(names.get(kind, "paragraph"), render(token), text, count_lines(text) + 0.6)]


def code_block(raw):
    """Code that stands in the prose, no line of it broken, in letters of at least 18 pixels."""
    rows = raw.rstrip("\n").split("\n")
    size = max(18, min(26, int((MEASURE - 40) / (0.605 * max(len(row) for row in rows)))))
    inner = html.escape("\n".join(rows))
    return Block("code", f'<pre style="font-size:{size}px"><code>{inner}</code></pre>', raw,
                 (len(rows) * 1.5 * size + 70) / (1.42 * SIZE))


def list_items(token, render):
    """One block for each item of a list, with its number."""
    ordered, start = token["attrs"]["ordered"], token["attrs"].get("start", 1)
    found = []
    for number, item in enumerate(token["children"], start):
        inner = render(*item["children"])
        inner = re.sub(r"^<p>(.*?)</p>", r"\1", inner, count=1, flags=re.DOTALL)
        text = words(item)
        mark = f'<ol start="{number}"><li>{inner}</li></ol>' if ordered else \
            f"<ul><li>{inner}</li></ul>"
        found.append(Block("item", mark, text, count_lines(text, MEASURE - 60) + 0.4))
    return found


def table_lines(parts):
    """How many lines a table takes: its rows, each as high as its fullest cell."""
    rows = [row for part in parts for row in
            (part["children"] if part["type"] == "table_body" else [part])]
    total = 0
    for row in rows:
        cells = [words(cell) for cell in row["children"]]
        total += max(count_lines(text, MEASURE / len(cells)) for text in cells) + 0.4
    return total


def words(token):
    """The text of a token and all that is in it."""
    if "raw" in token:
        short = token["type"] == "codespan" and len(token["raw"]) <= 40
        return token["raw"].replace(" ", "\u00a0") if short else token["raw"]
    if token["type"] in ("softbreak", "linebreak"):
        return " "
    gap = " " if token["type"] in ("list_item", "table_row", "block_quote") else ""
    return gap.join(map(words, token.get("children", [])))


@functools.cache
def letters():
    """The font that is measured with: the one that comes with matplotlib."""
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), SIZE)


def count_lines(text, width=MEASURE):
    """How many lines of that many pixels a text takes, word by word."""
    lines, place, space = 1, 0.0, letters().getlength(" ")
    for word in re.split(r"[ \n]+", text.strip()):
        long = letters().getlength(word) * 1.03  # code is a little wider
        if place and place + space + long > width:
            lines, place = lines + 1, 0.0
        place += long + (space if place else 0)
        lines, place = lines + math.floor(place / width), place % width
    return lines


def picture(folder, url):
    """A picture as part of the page; it lies where the lesson says, or beside the package."""
    if url.startswith("data:"):
        return url
    path = folder / url
    if not path.is_file():
        path = diagram(Path(url).name)
    return data_uri(path.read_bytes())


def diagram(name):
    """One of the pictures of the course, by its name."""
    path = edition_folder("diagrams") / name
    if not path.is_file():
        raise FileNotFoundError(f"there is no picture {name} beside the lesson, "
                                "nor among the diagrams of diffutils")
    return path
