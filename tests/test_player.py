"""The player: one HTML output, small, self-contained, true to its frames, the same each time.

What it does in a browser is tested in tests/browser.
"""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from diffutils.stage.player import lay_out, play, smallest_png, strip


def frames(count=4, batch=3, seed=0):
    return np.random.default_rng(seed).integers(
        0, 256, (count, batch, 16, 16, 3), dtype=np.uint8
    )


def data(player):
    """What the script is given."""
    return json.loads(re.search(r'\("player-\w+",(\{.*\})\)</script>$', player.html).group(1))


def frame(player, k):
    """Frame k, taken out of the strip as the script does."""
    parts = data(player)
    png = base64.b64decode(parts["strip"].split(",")[1])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[k :: parts["frames"]]


def test_every_frame_comes_back_out_of_the_strip():
    pictures = frames(5, 1)
    player = play(pictures)
    for k in range(5):
        assert (frame(player, k) == pictures[k, 0]).all()


def test_pictures_stand_on_a_grid_one_pixel_apart():
    pictures = frames(2, 4)
    grid = lay_out("", pictures, 2, 1)
    assert grid.shape == (2, 33, 33, 3)
    assert (grid[1, 17:, :16] == pictures[1, 2]).all()
    assert (grid[:, 16] == 255).all() and (grid[:, :, 16] == 255).all()


def test_panes_lie_side_by_side_and_may_hold_different_numbers():
    player = play({"x_t": frames(3, 1), "x0": frames(3, 2, seed=1)}, columns=1)
    assert data(player)["panes"] == [[0, 16, 16], [16, 16, 33]]
    assert (frame(player, 2)[:16, :16] == frames(3, 1)[2, 0]).all()
    assert (frame(player, 2)[:16, 16:] == frames(3, 2, seed=1)[2, 0]).all()


def test_floats_go_through_the_one_pixel_map():
    player = play(torch.tensor([-2.0, 0.0, 1.0]).reshape(3, 1, 1, 1, 1).expand(3, 1, 3, 16, 16))
    assert [int(frame(player, k)[0, 0, 0]) for k in range(3)] == [0, 128, 255]


def test_a_usual_player_is_at_most_150_kb(generator):
    noisy = torch.randn(26, 8, 3, 16, 16, generator=generator)
    noisy[-1] = 1
    assert len(play(noisy, [f"level {k}" for k in range(26)]).html) < 150_000


def test_large_strips_lose_at_most_4_of_255():
    pictures = frames(26, 8)
    grid = lay_out("", pictures, None, 2)
    player = play(pictures)
    worst = max(np.abs(frame(player, k).astype(int) - grid[k]).max() for k in range(26))
    assert 0 < worst <= 4


def test_small_strips_are_exact():
    lines = frames(3, 1).reshape(-1, 16, 3)
    held = np.asarray(Image.open(io.BytesIO(smallest_png(lines))).convert("RGB"))
    assert (held == lines).all()
    assert len(strip([frames(3, 1)[:, 0]])) < 4000


def test_the_same_frames_give_the_same_bytes_and_others_another_id():
    one, same, other = play(frames()), play(frames()), play(frames(seed=1))
    assert one.html == same.html
    key = re.compile(r'id="(player-[0-9a-f]{12})"')
    assert key.search(one.html).group(1) != key.search(other.html).group(1)


def test_nothing_is_fetched_from_anywhere():
    assert not re.search(r"https?:|//cdn|src=\"(?!data:)|@import|url\(", play(frames()).html)


def test_without_the_script_a_still_stands_with_its_label_and_text():
    player = play(frames(4, 1), ["a", "b", "c", "d"], title="Bob drowns", still=1)
    bare = re.sub(r"<script>.*</script>", "", player.html, flags=re.S)
    assert "Bob drowns" in bare and ">b<" in bare
    assert f'alt="{player.text}"' in bare
    png = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', bare).group(1))
    still = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert still.shape[0] >= 4 * 16
    scale = still.shape[0] // 16
    assert (still[::scale, ::scale] == frames(4, 1)[1, 0]).all()
    assert "button" not in bare and "input" not in bare


def test_the_slider_starts_at_the_still_counted_from_either_end():
    assert [data(play(frames(4, 1), still=still))["start"] for still in (1, -1)] == [1, 3]


def test_the_twin_tells_frames_panes_and_labels():
    player = play({"x_t": frames(2), "x0": frames(2)}, ["level 500", "level 0"], title="A run")
    assert repr(player) == (
        "A run. A player of 2 frames, from level 500 to level 0, with the panes x_t | x0. "
        "The still shows level 0."
    )
    assert player._repr_mimebundle_() == {"text/plain": player.text, "text/html": player.html}


def test_texts_cannot_break_the_page():
    player = play(frames(2, 1), ["</script><b>", '"&'], title="<i>")
    assert player.html.count("</script>") == 1
    assert "&lt;i&gt;" in player.html
    assert data(player)["labels"] == ["</script><b>", '"&']


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: play(frames()[0]), r"frames is \(3, 16, 16, 3\); expected \(K, B, C, H, W\)"),
        (lambda: play([1, 2]), "frames is list"),
        (lambda: play(frames(2), ["a"]), "labels has 1; expected 2"),
        (lambda: play({"a": frames(2), "b": frames(3)}), r"frames\['b'\] has 3 frames; expected 2"),
        (lambda: play(frames(2), still=2), "still is 2; expected an index of the 2 frames"),
        (lambda: play(frames(2).astype(float)), "holds float64"),
    ],
)
def test_bad_input_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
