"""Frames that are already computed, as one HTML output that plays without kernel or network.

    play({"x_t": run.x, "the network's x0": run.x0}, [f"level {i}" for i in run.levels])

Play button, slider, arrow keys; several panes move on one slider. All frames travel as a single
PNG of their true size, enlarged by the browser. Where scripts do not run (a notebook that is not
trusted, a page that strips them) a still of one frame stands alone, with its label and its text.
The same frames give the same bytes. What Python must recompute as a control moves is in `widgets`.
"""

import hashlib
import html
import io
import json
import zlib

import numpy as np
import torch
from PIL import Image

from diffutils.expect import as_array, check_count, check_images, check_present
from diffutils.pixels import to_uint8
from diffutils.stage.given import as_bytes, check_length, check_look, check_size
from diffutils.stage.look import as_png, data_uri
from diffutils.stage.words import sentences

__all__ = ["Player", "play"]

PAGE_WIDTH = 860  # pixels that all panes together may take
STRIP_BYTES = 90_000  # a strip larger than this keeps 6 bits a channel, or 5


class Player:
    """What `play` returns: shows itself in a notebook as HTML, and in words as its text twin."""

    def __init__(self, html, text):
        self.html, self.text = html, text

    def __repr__(self):
        return self.text

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.text, "text/html": self.html}


def play(frames, labels=None, *, title=None, columns=None, scale=None, still=-1, text=None):
    """A player of K frames, each a grid of B pictures.

    frames    (K, B, C, H, W) floats in [-1, 1] or uint8 (K, B, H, W, 3); or {pane title: frames},
              panes side by side on one slider, all with K frames
    labels    K texts, such as "level 480"; by default "frame 1 of K"
    title     one line above
    columns   pictures a row in each pane; by default what leaves no gap and fits the page
    scale     screen pixels a picture's pixel; by default as many as fit, 2..8
    still     index of the frame that is shown first, and alone where scripts do not run
    text      the text twin; by default made from the title, the panes and the labels

        samples, run = sample_ddpm(8, nn_model=nn_model, schedule=schedule)
        play(run.x, [f"level {i}" for i in run.levels], title="From noise to sprites")
    """
    check_look("play", title, text, columns=columns, scale=scale)
    panes = frames if isinstance(frames, dict) else {"": frames}
    if not panes or not all(isinstance(name, str) for name in panes):
        raise TypeError("play: frames names its panes with something else than texts")
    shape = 1 if len(panes) > 1 else 2  # a pane that is alone may be twice as wide as high
    grids = [lay_out(name, pane, columns, shape) for name, pane in panes.items()]  # (K, h, w, 3)
    count = len(grids[0])
    for name, grid in zip(panes, grids, strict=True):
        if len(grid) != count:
            raise ValueError(f"play: frames[{name!r}] has {len(grid)} frames; expected {count}")
    labels = [f"frame {k + 1} of {count}" for k in range(count)] if labels is None else labels
    check_length("play", "labels", labels, count, "one for each of frames")
    check_count("play", "still", still, lowest=-count)
    if still >= count:
        raise ValueError(f"play: still is {still}; expected an index of the {count} frames")
    labels, still = [str(label) for label in labels], still % count
    width = sum(grid.shape[2] for grid in grids)
    scale = scale or max(2, min(8, (PAGE_WIDTH - 16 * len(grids)) // width))
    check_size("play", width * scale, grids[0].shape[1] * scale, "scale and columns")
    shown = f"A player of {count} frames, from {labels[0]} to {labels[-1]}"
    named = [name for name in panes if name]
    shown += f", with the panes {' | '.join(named)}" if named else ""
    text = text or sentences(title, shown, f"The still shows {labels[still]}")
    return Player(page(list(panes), grids, labels, title, scale, still, text), text)


def lay_out(name, frames, columns, shape):
    """(K, B, ...) pictures as K grids, uint8 (K, h, w, 3), one white pixel between neighbours."""
    where = f"frames[{name!r}]" if name else "frames"
    if getattr(frames, "ndim", 0) != 5:
        shape = tuple(getattr(frames, "shape", ())) or type(frames).__name__
        raise ValueError(f"play: {where} is {shape}; expected (K, B, C, H, W) or (K, B, H, W, 3)")
    if 0 in frames.shape:
        raise ValueError(f"play: {where} has shape {tuple(frames.shape)}: it holds no pictures")
    if isinstance(frames, torch.Tensor):
        check_present("play", where, frames)
    if isinstance(frames, torch.Tensor) and frames.is_floating_point():
        check_images("play", where, frames.flatten(0, 1))
        frames = to_uint8(frames.flatten(0, 1)).reshape(*frames.shape[:2], *frames.shape[3:], -1)
    frames = as_array("play", where, frames)
    pictures = as_bytes("play", where, frames.reshape(-1, *frames.shape[2:]))
    count, batch = frames.shape[:2]
    high, wide = pictures.shape[1:3]
    columns = min(columns, batch) if columns else min(
        range(1, min(batch, 8) + 1), key=lambda c: (-batch % c, abs(c - (batch * shape) ** 0.5))
    )
    rows = -(-batch // columns)
    grids = np.full((count, rows * columns, high + 1, wide + 1, 3), 255, np.uint8)
    grids[:, :batch, :high, :wide] = pictures.reshape(count, batch, high, wide, 3)
    grids = grids.reshape(count, rows, columns, high + 1, wide + 1, 3).swapaxes(2, 3)
    return grids.reshape(count, rows * (high + 1), columns * (wide + 1), 3)[:, :-1, :-1]


def strip(grids):
    """All frames as one picture: line r of frame k is line r * K + k.

    Equal lines of successive frames lie under one another, where PNG compresses best.
    returns   PNG bytes; the frames exactly, or where that would be large in 6 or 5 bits a
              channel, which is off by at most 2 or 4 of 255
    """
    high = max(grid.shape[1] for grid in grids)
    padded = [
        np.pad(grid, ((0, 0), (0, high - grid.shape[1]), (0, 0), (0, 0)), constant_values=255)
        for grid in grids
    ]
    lines = np.concatenate(padded, axis=2).swapaxes(0, 1)  # (h, K, w, 3)
    lines = np.ascontiguousarray(lines).reshape(-1, *lines.shape[2:])
    for top in (255, 63, 31):
        png = smallest_png(np.round(np.round(lines * (top / 255)) * (255 / top)).astype(np.uint8))
        if len(png) <= STRIP_BYTES:
            break
    return png


def smallest_png(pixels):
    """uint8 (h, w, 3) as PNG bytes, by the way of compressing that is shortest."""
    picture = Image.fromarray(pixels)
    ways = []
    for kind in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY):
        held = io.BytesIO()
        picture.save(held, "PNG", compress_level=9, compress_type=kind)
        ways.append(held.getvalue())
    return min([*ways, as_png(picture)], key=len)


def page(names, grids, labels, title, scale, still, text):
    """The HTML: stills with their texts, then the script that brings them to life."""
    parts = {
        "frames": len(labels), "labels": labels, "start": still, "strip": data_uri(strip(grids)),
        "panes": [], "title": title or "frames",
    }  # fmt: skip
    figures, x = [], 0
    for name, grid in zip(names, grids, strict=True):
        high, wide = grid.shape[1:3]
        parts["panes"].append([x, wide, high])
        x += wide
        big = grid[still].repeat(scale, 0).repeat(scale, 1)
        alt = text if not figures else f"{name}, {labels[still]}"
        head = block(name, "font-weight:600")
        figures.append(
            f'<div style="display:inline-block;vertical-align:top;margin:0 16px 4px 0">{head}'
            f'<img src="{data_uri(as_png(Image.fromarray(big)))}" alt="{html.escape(alt)}" '
            f'width="{wide * scale}" height="{high * scale}" '
            f'style="max-width:100%;height:auto;image-rendering:pixelated;margin:0"></div>'
        )
    data = json.dumps(parts, separators=(",", ":")).replace("<", "\\u003c")
    key = hashlib.sha256((data + "".join(figures)).encode()).hexdigest()[:12]
    head = block(title, "font-weight:700;font-size:18px")
    return (
        f'<div id="player-{key}" style="font-family:DejaVu Sans,system-ui,sans-serif;'
        f'font-size:16px;line-height:1.5">{head}<div>{"".join(figures)}</div>'
        f"<div>{html.escape(labels[still])}</div></div>\n"
        f'<script>{SCRIPT}("player-{key}",{data})</script>'
    )


def block(text, look):
    """A line of text in HTML, or nothing for no text."""
    return f'<div style="{look}">{html.escape(text)}</div>' if text else ""


SCRIPT = """(function(id,d){
function start(root){
 if(root.dataset.started)return;root.dataset.started=1;
 root.setAttribute("data-lm-suppress-shortcuts","true");
 var make=function(tag,css){var e=document.createElement(tag);e.style.cssText=css;return e};
 var label=root.lastElementChild,canvases=[];
 [].forEach.call(root.querySelectorAll("img"),function(img,n){
  var c=make("canvas",img.style.cssText+";display:block;outline:1px solid #d9d9d9;cursor:pointer");
  c.width=d.panes[n][1];c.height=d.panes[n][2];
  c.style.width=img.getAttribute("width")+"px";
  c.style.aspectRatio=c.width+"/"+c.height;
  c.setAttribute("role","img");c.setAttribute("aria-label",img.alt);
  canvases.push([c,img])});
 var bar=make("div","display:flex;align-items:center;gap:12px;max-width:100%;height:44px");
 var play=make("button","font:inherit;width:84px;height:36px;cursor:pointer;border-radius:6px;"+
  "border:1px solid #767676;background:transparent;color:inherit");
 play.type="button";play.textContent="Play";
 var range=make("input","flex:1;height:36px;margin:0;accent-color:#0072B2;cursor:pointer");
 range.type="range";range.min=0;range.max=d.frames-1;range.step=1;range.value=d.start;
 range.setAttribute("aria-label",d.title);
 bar.style.width=Math.max(480,canvases.reduce(function(sum,pair){
  return sum+pair[1].width+16},-16))+"px";
 bar.appendChild(play);bar.appendChild(range);
 label.style.cssText="min-height:1.5em;font-variant-numeric:tabular-nums";
 var strip=new Image(),timer=0;
 function draw(){
  var k=+range.value;
  canvases.forEach(function(pair,n){
   var p=d.panes[n],g=pair[0].getContext("2d");
   for(var r=0;r<p[2];r++)g.drawImage(strip,p[0],r*d.frames+k,p[1],1,0,r,p[1],1)});
  label.textContent=d.labels[k];range.setAttribute("aria-valuetext",d.labels[k])}
 function stop(){clearInterval(timer);timer=0;play.textContent="Play"}
 function step(by){range.value=+range.value+by;draw()}
 function toggle(){
  if(timer)return stop();
  if(+range.value==d.frames-1){range.value=0;draw()}
  play.textContent="Pause";
  timer=setInterval(function(){
   if(!root.isConnected)return stop();
   step(1);if(+range.value==d.frames-1)stop()},Math.max(60,Math.min(400,6000/d.frames)))}
 play.onclick=toggle;
 range.oninput=function(){stop();draw()};
 root.addEventListener("keydown",function(e){
  var by={ArrowLeft:-1,ArrowDown:-1,ArrowRight:1,ArrowUp:1}[e.key];
  if(by){stop();step(by)}
  else if(e.key==" "&&e.target!=play)toggle();
  else{if(e.key!="Home"&&e.key!="End")return;stop();step(e.key=="Home"?-d.frames:d.frames)}
  e.preventDefault();e.stopPropagation()});
 strip.onload=function(){
  canvases.forEach(function(pair){
   pair[0].onclick=function(){range.focus()};
   pair[1].parentNode.replaceChild(pair[0],pair[1])});
  root.appendChild(bar);draw()};
 strip.src=d.strip}
[].forEach.call(document.querySelectorAll('[id="'+id+'"]'),start)
})"""
