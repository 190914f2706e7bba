"""The cells tagged "teach" are barer than the library; here each gives the library's numbers.

A cell runs by itself, after the imports of its lesson and with what it is given here.
"""

import functools
from pathlib import Path

import nbformat
import pytest
import torch
from torch.testing import assert_close

import diffutils
from diffutils import (
    IdealDenoiser,
    NoiseSchedule,
    denoise_add_noise,
    guess_noise,
    linear_schedule,
    perturb_input,
    predict_x0,
)
from diffutils.pixels import fold, to_float
from diffutils.sprites import bob, forge_sprites
from diffutils.votes import PaletteUnet

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = sorted(path.name[:2] for path in NOTEBOOKS.glob("*.ipynb"))
SCHEDULE = linear_schedule(500)
ONES, ZEROS = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
COMPARISONS = {}


@functools.cache
def code_cells(lesson):
    """The code cells of a lesson; the imports are in the second."""
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def cell_with(lesson, words):
    (cell,) = (c for c in code_cells(lesson) if words in c.source)
    return cell


def run(lesson, *words, **given):
    """What stands after the imports and the cells that hold these words, one after another."""
    names = {}
    exec(code_cells(lesson)[1].source, names)
    names |= given
    for each in words:
        torch.manual_seed(0)
        exec(cell_with(lesson, each).source, names)
    return names


def compares(lesson, words):
    """The function compares the teach cell that holds these words with the library."""

    def keep(function):
        COMPARISONS[lesson, words] = function
        return function

    return keep


def pixel(value):
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def some_sprites(n):
    images, contexts, _ = forge_sprites(n, seed=3)
    return to_float(images), torch.from_numpy(contexts)


def small_network():
    """An untrained network whose answers depend on all of its input."""
    torch.manual_seed(1)
    nn_model = PaletteUnet(channels=16).eval()
    with torch.no_grad():
        for parameter in nn_model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return nn_model


@compares("01", "heights = torch.exp")
def shares_of_two_pixels(cell):
    names = cell(schedule=SCHEDULE)
    ideal = IdealDenoiser(names["world"].view(2, 1, 1, 1), schedule=SCHEDULE)
    assert_close(names["shares"], ideal.shares(pixel(0.3), 250)[0])
    assert_close(names["shares"] @ names["world"], ideal.guess_x0(pixel(0.3), 250)[0, 0, 0, 0])


@compares("02", "totals = torch.tensor")
def two_coins(cell):
    assert cell()["variance"] == 3**2 + 4**2


@compares("02", "def walk(x, step)")
def small_steps_add_up_to_the_jump(cell):
    names = cell()
    step, x, variance = names["small_step"], ONES.double(), ZEROS.double()
    faded = names["walk"](ONES, lambda x, i, z: step(x, i, 0))
    for i in (0, 1, 250, 500):
        assert_close(faded[i], perturb_input(ONES, i, ZEROS, schedule=SCHEDULE))
        assert_close(names["only_add"](ONES, i, ONES), 1 + SCHEDULE.beta[i].sqrt().float() * ONES)
    for i in range(1, 501):
        x = step(x, i, 0)
        variance = step(ZEROS, i, ONES) ** 2 + step(variance.sqrt(), i, 0) ** 2
    assert_close(x, perturb_input(ONES.double(), 500, 0 * x, schedule=SCHEDULE))
    assert_close(variance.sqrt(), perturb_input(0 * x, 500, ONES.double(), schedule=SCHEDULE))


@compares("02", "places = torch.tensor")
def one_large_step(cell):
    large = NoiseSchedule([0.36])
    for place, sign in zip(cell()["places"][:2], (1, -1), strict=True):
        assert_close(perturb_input(ONES, 1, sign * ONES, schedule=large), place * ONES)


@compares("02", "picture_left =")
def two_large_steps(cell):
    names, alpha_bar = cell(), NoiseSchedule([0.36, 0.36]).alpha_bar[2].item()
    assert names["picture_left"] ** 2 == pytest.approx(alpha_bar)
    assert names["noise_variance"] == pytest.approx(1 - alpha_bar)


@compares("03", "halves = torch.tensor")
def a_window_slides(cell):
    halves, edge = [0, 0, 0, 1, 1, 1], [-1, 0, 1]  # three equal rows under the window
    wanted = [3 * sum(w * halves[k + n] for n, w in enumerate(edge)) for k in range(4)]
    assert cell()["answer"][0, 0].tolist() == [wanted, wanted]


@compares("03", "numbered = torch.arange")
def the_fold(cell):
    names = cell()
    assert_close(names["folded"][0].permute(1, 2, 0), fold(names["numbered"])[0, ..., 0])


@compares("03", "def keep(name)")
def hooks_write_down_and_change_nothing(cell):
    nn_model, x, t = small_network(), torch.randn(2, 3, 16, 16), torch.tensor([0.3])
    before = nn_model(x, t)
    names = cell(nn_model=nn_model)
    assert torch.equal(nn_model(x, t), before)
    assert set(names["maps"]) == {name for name, _ in nn_model.named_children()}
    glimpse = nn_model.glance(x.flatten(1))
    assert torch.equal(names["maps"]["glance"], glimpse)
    assert torch.equal(names["maps"]["embed"], nn_model.embed(t, torch.zeros(1, 5), glimpse))


@compares("03", "def readable")
def what_can_be_read(cell):
    (x0, classes), maps, seen = some_sprites(700), {}, [0]

    def guess_x0(nn_model, some, level):
        maps["middle"] = classes[sum(seen) :][: len(some), :, None, None]
        seen.append(len(some))

    names = cell(x0=x0, classes=classes, noises=torch.randn_like(x0), schedule=SCHEDULE, maps=maps,
                 guess_x0=guess_x0, nn_model=None)  # fmt: skip
    assert names["from_maps"] == 1 and names["readable"](torch.zeros(700, 2)) < 0.5


@compares("03", "def layers_to_cross")
def one_pixel_a_layer(cell):
    assert [cell()["layers_to_cross"](size) for size in (2, 5, 16)] == [1, 4, 15]


@compares("03", "def influence")
def the_influence_of_an_echo(cell):
    x0, _ = some_sprites(64)
    names = cell(nn_model=lambda x, t: x, maps={}, schedule=SCHEDULE, x0=x0, noises=x0)
    found = names["influence"]("guess", 250)
    mix = torch.randn(3, generator=torch.Generator().manual_seed(1))
    slope = predict_x0(ONES, 250, ONES, schedule=SCHEDULE)[0, 0, 0, 0]
    assert_close(found[8, 8], slope * mix.norm())
    assert found.count_nonzero() == 1


@compares("03", "def remember(layer")
def the_cuts(cell):
    nn_model = small_network()
    names = cell(nn_model=nn_model)
    names["remember"](None, (2 * ONES,))
    assert torch.equal(names["CUTS"]["no skip"][1](None, None, 5 * ONES), 3 * ONES)
    assert torch.equal(names["CUTS"]["no deep road"][1](None, None, ONES), 0 * ONES)
    parts = [part for part, _ in names["CUTS"].values()]
    assert parts == [nn_model.grow, nn_model.grow, nn_model.glance]


@compares("03", "by_hand = x")
def a_block_by_hand(cell):
    nn_model = small_network()
    maps = {"up": torch.zeros(1, 16, 8, 8)}
    names = cell(nn_model=nn_model, maps=maps, x_t=torch.randn(1, 3, 16, 16))
    assert_close(names["by_hand"], nn_model.up(names["x"], names["e"]))


@compares("03", "pixel_says =")
def a_vote_on_two_colours(cell):
    names, nn_model = cell(schedule=SCHEDULE), PaletteUnet()
    nn_model.learn_palette(torch.tensor([[-1.0, 0, 0], [1.0, 0, 0]]))
    x, votes = torch.zeros(1, 1, 1, 4, 3), torch.zeros(4, 128)
    x[..., 0], votes[:, 0], votes[:, -1] = 0.3, 2.0, -1e4  # two votes for black, no other colour
    alpha_bar = SCHEDULE.alpha_bar[250].float().view(1, 1, 1, 1, 1)
    noise = nn_model.noise_from(x, torch.zeros_like(x), votes, alpha_bar)
    x0 = (x - (1 - alpha_bar).sqrt() * noise) / alpha_bar.sqrt()
    wanted = (names["shares"] @ names["colours"]).float()
    assert_close(x0[0, 0, 0, :, 0], wanted.expand(4), rtol=0, atol=1e-5)


@compares("03", "batch_norm, group_norm")
def company_and_size(cell):
    x0, _ = some_sprites(64)
    names = cell(x0=x0, noises=torch.randn_like(x0), schedule=SCHEDULE, nn_model=small_network())
    one = torch.nn.functional.group_norm(names["crowd"][:1], 1)
    assert_close(names["group_norm"](names["crowd"])[:1], one)
    assert names["sizes"] == {size: (1, 3, size, size) for size in (8, 24, 32)}


@compares("04", "noise, guess = 0.7, 0.4")
def the_pixel_that_was_black(cell):
    names = cell()
    x_t = perturb_input(pixel(-1.0), 250, pixel(0.7), schedule=SCHEDULE)
    assert_close(names["x_t"], x_t[0, 0, 0, 0])
    believed = (names["x_t"] - names["spread"] * names["guess"]) / names["signal"]
    assert_close(believed, predict_x0(x_t, 250, pixel(0.4), schedule=SCHEDULE)[0, 0, 0, 0])


@compares("04", "def loss_of(w)")
def the_slope_of_one_weight(cell):
    names = cell(schedule=SCHEDULE, device="cpu")
    sprites, noise, errors = names["batch"], names["noise"], []
    for k, level in enumerate(names["i"].tolist()):
        x_t = perturb_input(sprites[k : k + 1], level, noise[k : k + 1], schedule=SCHEDULE)
        errors.append(((0.3 * x_t - noise[k]) ** 2).mean())
    assert_close(names["loss_of"](0.3), torch.stack(errors).mean())
    assert_close(names["w"].grad, -2 * (names["x_t"] * noise).mean())


class OneWeight(torch.nn.Module):
    """A network that answers w times what it sees."""

    def __init__(self, schedule):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(0.4))

    def forward(self, x, t):
        return self.w * x


@compares("04", "def teach(nn_model")
def the_loop_asks_what_the_library_asks(cell):
    x0, _ = some_sprites(40)
    names = cell(schedule=SCHEDULE, device="cpu", x0=x0, ContextUnet=OneWeight)
    torch.manual_seed(3)
    first, later = names["teach"](OneWeight(SCHEDULE), rate=0.01, rounds=2)
    torch.manual_seed(3)
    w = OneWeight(SCHEDULE)
    optimizer = torch.optim.AdamW(w.parameters(), lr=0.01)
    for found in (first, later):
        sprites = x0[torch.randint(len(x0), (16,))]
        levels, noise = torch.randint(1, 501, (16,)), torch.randn_like(sprites)
        errors = []
        for k, level in enumerate(levels.tolist()):
            x_t = perturb_input(sprites[k : k + 1], level, noise[k : k + 1], schedule=SCHEDULE)
            errors.append(((w(x_t, level / 500) - noise[k]) ** 2).mean())
        loss = torch.stack(errors).mean()
        assert found == pytest.approx(loss.item(), rel=1e-5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@compares("05", "put_back = beta**0.5")
def the_step_of_one_pixel(cell):
    names = cell(schedule=SCHEDULE)
    step = denoise_add_noise(pixel(0.8), 250, pixel(0.5), pixel(-0.3), schedule=SCHEDULE)
    assert names["scaled"] + names["put_back"] == pytest.approx(step.item())


@compares("05", "share = (last @ total)")
def the_share_of_the_last_noise(cell):
    beta, alpha, alpha_bar = (float(v[250]) for v in
                              (SCHEDULE.beta, SCHEDULE.alpha, SCHEDULE.alpha_bar))  # fmt: skip
    share = cell(schedule=SCHEDULE, beta=beta, alpha=alpha, alpha_bar=alpha_bar)["share"]
    mean = denoise_add_noise(pixel(0.0), 250, pixel(1.0), 0, schedule=SCHEDULE).item()
    assert share * (1 - alpha_bar) ** 0.5 == pytest.approx(-mean * alpha**0.5, abs=1e-3)


@compares("05", "def sample_ddpm")
def the_original_sampler(cell):
    names = run("05", "timesteps, height = 500, 16", schedule=SCHEDULE)
    kept = {k: names[k] for k in ("timesteps", "height", "denoise_add_noise", "schedule")}
    sampler = cell(nn_model=lambda x, t: t * x, **kept)["sample_ddpm"]
    torch.manual_seed(7)
    theirs = sampler(2, "cpu")
    torch.manual_seed(7)
    ours, _ = diffutils.sample_ddpm(2, nn_model=lambda x, t: t * x, schedule=SCHEDULE,
                                    progress=False)  # fmt: skip
    assert torch.equal(theirs, ours)


@compares("05", "fog = sprites.mean")
def belief_before_a_fog(cell):
    sprites, _ = some_sprites(30)
    ideal = IdealDenoiser(sprites, schedule=SCHEDULE)
    names = cell(sprites=sprites, schedule=SCHEDULE, ideal=ideal)
    signal, variance = SCHEDULE.alpha_bar[400].sqrt(), 1 - SCHEDULE.alpha_bar[400]
    x_t = signal * names["fog"].double()
    distance = ((x_t - signal * sprites.double()) ** 2).sum((1, 2, 3))
    shares = torch.softmax(-distance / (2 * variance), dim=0)
    assert names["believed"][0] == pytest.approx(float(shares @ names["away"]), abs=1e-6)


@compares("05", "def error_of_bob")
def the_last_step(cell):
    x_bob = to_float(bob()[None])
    errors = cell(schedule=SCHEDULE, x_bob=x_bob)["errors"]
    only_bob = IdealDenoiser(x_bob, schedule=SCHEDULE)
    samples, _ = diffutils.sample_ddpm(16, nn_model=only_bob, schedule=SCHEDULE, progress=False)
    assert errors[False] == pytest.approx(float((samples - x_bob).square().mean().sqrt()), abs=1e-5)
    assert errors[True] == pytest.approx(float(SCHEDULE.beta[1].sqrt()), rel=0.05)


@compares("05", "def coarser")
def fewer_and_longer_steps(cell):
    nn_model = small_network()
    short, ask = cell(schedule=SCHEDULE, nn_model=nn_model)["coarser"](25)
    levels = list(range(0, 501, 20))
    assert_close(short.alpha_bar, SCHEDULE.alpha_bar[levels])
    x = torch.randn(2, 3, 16, 16)
    for k in (1, 12, 25):
        wanted = guess_noise(nn_model, x, levels[k], schedule=SCHEDULE)
        assert_close(guess_noise(ask, x, k, schedule=short), wanted)


@pytest.mark.parametrize(("lesson", "words"), COMPARISONS, ids=lambda part: part)
def test_a_teach_cell_gives_the_numbers_of_the_library(lesson, words):
    assert "teach" in cell_with(lesson, words).metadata.tags
    COMPARISONS[lesson, words](functools.partial(run, lesson, words))


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_teach_cell_is_compared_once(lesson):
    for cell in code_cells(lesson):
        if "teach" in cell.metadata.get("tags", []):
            found = [words for of, words in COMPARISONS if of == lesson and words in cell.source]
            assert len(found) == 1, cell.source
