"""The pictures in diagrams/: all there, of today's art and weights, and the same when redrawn."""

import copy
import dataclasses
import io
import os

import numpy as np
import pytest
import torch
from PIL import Image

from diffutils import linear_schedule
from diffutils.measure import distance_to_average, loss_by_level, variety
from diffutils.pixels import to_float, to_uint8
from diffutils.sprites import bob, forge_sprites
from diffutils.stage import diagrams, frontier
from diffutils.stage.diagrams import FOLDER, PICTURES, Page, about, draw, drawn_from

NOTES = (
    "add_noise", "no_idea_level_of_noise", "sampling", "sample", "sampling_iteration_details",
    "sample_and_noise",
)  # fmt: skip
SCHEDULE = linear_schedule()
QUICK = ("add_noise", "sprites")  # no sampling with the network
every_picture = pytest.mark.parametrize("name", list(PICTURES))


def committed(name):
    return (FOLDER / f"{name}.png").read_bytes()


def opened(name):
    return Image.open(io.BytesIO(committed(name)))


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def assert_same_picture(png, kept):
    """The same bytes on the machine that drew it; elsewhere the same at an eighth of the size.

    Another matplotlib brings another FreeType, which draws the edges of letters differently.
    """
    if png == kept:
        return
    one, other = (Image.open(io.BytesIO(data)).convert("RGB") for data in (png, kept))
    assert one.size == other.size
    one, other = (np.asarray(picture.reduce(8)).astype(int) for picture in (one, other))
    assert (np.abs(one - other).max(-1) > 24).mean() < 0.015


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
        "draw it again: python -m diffutils.stage.diagrams"
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


class Average:
    """The best network for pixels N(average, 0.5^2): cheap, and it collapses without noise."""

    def __init__(self, average):
        self.average, self.conviction = average, 1.0

    def __call__(self, x, t, c=None):
        alpha_bar = SCHEDULE.alpha_bar[round(float(t.flatten()[0]) * 500)].float()
        apart = x - alpha_bar.sqrt() * self.average
        return (1 - alpha_bar).sqrt() * apart / (0.25 * alpha_bar + 1 - alpha_bar)


def forget():
    """Nothing that was drawn before is known any more."""
    for value in vars(diagrams).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


@pytest.fixture(scope="module")
def of_another_network():
    """({picture: (text twin, sprites on it)}, a run, a run without noise) of another network."""
    drawn = {}
    with pytest.MonkeyPatch.context() as patch:
        forget()
        network = Average(diagrams.world().mean(0, keepdim=True))
        patch.setattr(diagrams, "load_pretrained", lambda kind: (network, SCHEDULE))
        patch.setattr(Page, "finish", lambda page, text: (text, [s[2] for s in page.sprites]))
        for name in PICTURES:
            drawn[name] = PICTURES[name]() if name not in QUICK else None
        runs = diagrams.new_sprites(), diagrams.new_sprites(inject_noise=False)
        forget()
    return drawn, *runs


def shows(picture, image, scale):
    """Whether a sprite (3, H, W) stands on the page at this scale."""
    wanted = to_uint8(image[None])[0].repeat(scale, 0).repeat(scale, 1)
    return any(np.array_equal(wanted, pixels) for pixels in picture[1])


def followed(picture, run):
    """Which of the eight samples of a run end on this page."""
    return [k for k in range(8) for scale in (10, 12) if shows(picture, run.x[-1, k], scale)]


def test_one_run_is_shown_as_it_was_at_every_level_of_its_picture(of_another_network):
    figures, run, _ = of_another_network
    (picked,) = followed(figures["sample"], run)
    for level in (500, 460, 400, 340, 280, 200, 100, 0):
        at = run.levels.index(level)
        for part in (run.x, run.x0, run.eps) if level else (run.x, run.x0):
            assert shows(figures["sample"], part[at, picked], 10)


def test_many_small_steps_and_one_big_one_start_at_the_same_noise(of_another_network):
    figures, run, _ = of_another_network
    (picked,) = followed(figures["sampling"], run)
    assert shows(figures["sampling"], run.x0[0, picked], 12)  # the blur
    for level in (500, 400, 300, 200, 100):
        assert shows(figures["sampling"], run.x[run.levels.index(level), picked], 12)


def test_the_step_in_detail_tells_the_numbers_of_its_level(of_another_network):
    beta, alpha_bar = float(SCHEDULE.beta[200]), float(SCHEDULE.alpha_bar[200])
    text, _ = of_another_network[0]["sampling_iteration_details"]
    out, scale_up, back = beta / (1 - alpha_bar) ** 0.5, (1 - beta) ** 0.5, beta**0.5
    assert f"(x - {out:.4f} eps) / {scale_up:.4f} + {back:.4f} z" in text


def test_the_two_rows_with_and_without_noise_are_the_runs_that_were_measured(of_another_network):
    figures, run, bare = of_another_network
    figure, world = figures["sample_and_noise"], diagrams.world()
    for samples in (run.x[-1], bare.x[-1]):
        assert all(shows(figure, sample, 7) for sample in samples[:8])
        assert f"{float(distance_to_average(samples, world).mean()):.2f}" in figure[0]
        assert f"{float(variety(samples).mean()):.2f}" in figure[0]


def test_fewer_calls_are_shown_from_the_same_starts_with_the_shares_of_the_table(
    of_another_network,
):
    figure, network = of_another_network[0]["few_calls"], Average(diagrams.world().mean(0))
    for sampler in ("DDPM", "DDIM"):
        for n in (500, 25, 10, 5):
            same = {"nn_model": network, "schedule": SCHEDULE, "seed": 6, "dice": 1}
            drawn, _ = frontier.draw(sampler, n, 3, **same)
            assert all(shows(figure, one, 6) for one in drawn.clamp(-1, 1))
            row = frontier.find(sampler, n)
            said = f"{row['flawless'] / row['samples']:.0%}"
            assert f"{sampler} in {n} calls: {said}" in figure[0]


def test_samples_that_do_not_show_what_the_picture_says_are_not_drawn(
    of_another_network, monkeypatch
):
    _, run, _ = of_another_network
    mean = diagrams.world().mean(0)
    nearer = dataclasses.replace(run, x=mean + 0.999 * (run.x - mean))  # no more than by chance
    runs = {True: run, False: nearer}
    monkeypatch.setattr(
        diagrams, "new_sprites", lambda inject_noise=True, kind="": runs[inject_noise]
    )
    with pytest.raises(RuntimeError, match="do not show what the picture says"):
        diagrams.sample_and_noise()


def test_new_sprites_start_from_noise_alone(of_another_network):
    figures, run, _ = of_another_network
    figure = figures["no_idea_level_of_noise"]
    assert sum(shows(figure, run.x[-1, k], 12) for k in range(8)) == 4
    assert sum(shows(figure, run.x[0, k], 12) for k in range(8)) == 1
    assert shows(figure, to_float(bob()[None])[0], 12)


def test_the_cover_is_a_wall_of_twenty_sprites_a_class_from_noise_to_sprites(of_another_network):
    _, sprites = of_another_network[0]["cover"]
    assert len(sprites) == 5 * 20 and sprites[0].shape == (80, 80, 3)
    spread = np.std(sprites, axis=(1, 2, 3)).reshape(5, 20)
    assert spread[:, :4].min() > spread[:, -4:].max()


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
