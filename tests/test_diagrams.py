"""The pictures in diagrams/: all there, of today's art and weights, and the same when redrawn."""

import copy
import io
import os

import numpy as np
import pytest
import torch
from PIL import Image

from diffutils import diagrams
from diffutils.diagrams import FOLDER, PICTURES, Page, about, draw, drawn_from
from diffutils.measure import loss_by_level
from diffutils.pixels import to_float
from diffutils.sprites import bob, forge_sprites

NOTES = (
    "add_noise", "no_idea_level_of_noise", "sampling", "sample", "sampling_iteration_details",
    "sample_and_noise",
)  # fmt: skip
QUICK = ("add_noise", "sprites")  # no sampling with the network
every_picture = pytest.mark.parametrize("name", list(PICTURES))


def committed(name):
    return (FOLDER / f"{name}.png").read_bytes()


def opened(name):
    return Image.open(io.BytesIO(committed(name)))


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def assert_same_picture(png, kept):
    """The same bytes on the machine that drew it; on others no more than a few pixels off."""
    if png == kept:
        return
    one, other = pixels(png), pixels(kept)
    assert one.shape == other.shape
    assert (np.abs(one - other).max(-1) > 24).mean() < 0.02


def test_the_six_pictures_of_the_notes_are_drawn():
    assert set(NOTES) < set(PICTURES)


@every_picture
def test_a_picture_is_committed_readable_and_not_too_large(name):
    assert opened(name).width == 1600 and 300 <= opened(name).height <= 1200
    assert len(committed(name)) < 200_000


@every_picture
def test_a_picture_carries_its_text_twin(name):
    assert len(opened(name).text["Description"]) > 40


@every_picture
def test_a_picture_was_drawn_from_the_art_and_the_weights_of_today(name):
    assert opened(name).text["Source"] == drawn_from(), (
        "draw it again: python -m diffutils.diagrams"
    )


@pytest.mark.parametrize("name", QUICK)
def test_drawing_again_changes_nothing(name, tmp_path):
    draw([name], tmp_path)
    assert_same_picture((tmp_path / f"{name}.png").read_bytes(), committed(name))


@pytest.mark.skipif(
    "DIFFUTILS_SLOW_TESTS" not in os.environ,
    reason="1000 steps of the network, 20 s or more; set DIFFUTILS_SLOW_TESTS=1 to run it",
)
def test_drawing_all_of_them_again_changes_nothing(tmp_path):
    draw(None, tmp_path)
    for name in PICTURES:
        assert_same_picture((tmp_path / f"{name}.png").read_bytes(), committed(name))


def test_the_guesses_in_the_pictures_are_the_best_that_the_network_can_give():
    nn_model, schedule = diagrams.best_guesser()
    x0 = to_float(forge_sprites(64, seed=9)[0])

    def loss(conviction):
        bolder = copy.deepcopy(nn_model)
        bolder.conviction *= conviction
        with torch.no_grad():
            return loss_by_level(bolder, x0, [400], schedule=schedule).item()

    assert loss(1) < min(loss(0.5), loss(2))


def test_a_sprite_on_a_page_is_crisp_and_where_it_was_put():
    page = Page(400, 300)
    page.sprite(50, 40, to_float(bob()[None]), 7, "Bob")
    figure = page.finish("Bob on a page.")
    wanted = bob().repeat(7, 0).repeat(7, 1).astype(int)
    assert (pixels(figure.png)[40 : 40 + 112, 50 : 50 + 112] == wanted).all()
    assert figure.text == "Bob on a page."


@pytest.mark.parametrize(("count", "said"), [(1.0, "1"), (3.94, "3.9"), (63.2, "about 63"),
                                             (826.0, "about 830")])  # fmt: skip
def test_counts_are_told_coarsely(count, said):
    assert about(count) == said


def test_an_unknown_picture_is_named_and_nothing_is_drawn(tmp_path):
    with pytest.raises(ValueError, match="names has 'nothing'; expected some of"):
        draw(["sprites", "nothing"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_drew(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(diagrams, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["diagrams", "sprites"])
    diagrams.main()
    assert capsys.readouterr().out.startswith("diagrams/sprites.png: Ten sprites of each class")
