"""The cells tagged "teach" are barer than the library; here each gives the library's numbers.

A cell runs by itself, after the imports of its lesson and with what it is given here.
"""

import functools

import pytest
import torch
from cells import NOTEBOOKS, cell_with, code_of, functions_of
from torch.testing import assert_close

import diffutils
from diffutils import (
    ContextUnet,
    IdealDenoiser,
    NoiseSchedule,
    denoise_add_noise,
    denoise_ddim,
    linear_schedule,
    perturb_input,
    predict_x0,
)
from diffutils.pixels import to_float
from diffutils.sprites import bob, forge_sprites
from diffutils.sprites.judge import Share, shares_apart
from diffutils.stage.checks.asked_of_training import answers
from diffutils.votes import PaletteUnet

LESSONS = sorted(path.name[:2] for path in NOTEBOOKS.glob("*.ipynb"))
SCHEDULE = linear_schedule(500)
ONES, ZEROS = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
COMPARISONS = {}


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


@compares("03", "ones = answers, torch.linalg.lstsq")
def two_windows_by_hand(cell):
    names = cell()
    first, second, picture = (names[k][0, 0] for k in ("first", "second", "dots"))
    for k, answer in enumerate(names["answers"].flatten()):  # of the last stack, with silu
        row, column = divmod(k, 5)
        picture = torch.zeros(5, 5)
        picture[row, column] = 1
        seen = torch.stack([
            torch.stack([(picture[r : r + 3, c : c + 3] * first).sum() for c in range(3)])
            for r in range(3)
        ])  # fmt: skip
        assert_close(answer, (seen * seen.sigmoid() * second).sum())
    x, y = (names[k].flatten(1).double() for k in ("pictures", "y"))
    best = torch.linalg.solve(x.T @ x, x.T @ y)  # the normal equations
    assert_close(names["ones"][1].double(), best, rtol=1e-3, atol=1e-4)


@compares("03", "def layers_to_cross")
def one_pixel_a_layer(cell):
    assert [cell()["layers_to_cross"](size) for size in (2, 5, 16)] == [1, 4, 15]


def stirred_plain():
    """An untrained plain network whose answers depend on all of its input."""
    torch.manual_seed(1)
    nn_model = ContextUnet(channels=16, hidden=32).eval()
    with torch.no_grad():
        for parameter in nn_model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return nn_model


@compares("03", "def forward(network")
def the_network_in_full(cell):
    nn_model, x = stirred_plain(), torch.randn(2, 3, 16, 16)
    forward = cell(nn_model=nn_model, x_t=x, device="cpu")["forward"]
    with torch.no_grad():
        for t, c in ((torch.tensor([0.1, 0.9]), torch.eye(5)[:2]), (torch.tensor([0.5]), None)):
            given = torch.zeros(1, 5) if c is None else c
            assert_close(forward(nn_model, x, t, given), nn_model(x, t, c))
        for scissors in ({"skip": 0}, {"below": 0}):
            cut = forward(nn_model, x, torch.tensor([0.3]), torch.zeros(1, 5), **scissors)
            assert_close(cut, answers(nn_model, x, 150, **scissors))  # cut by hooks


@compares("03", "def block_by_hand")
def a_block_by_hand(cell):
    nn_model = ContextUnet(schedule=SCHEDULE).eval()
    for block in (nn_model.up1, nn_model.up2):
        torch.nn.init.normal_(block.conv2.weight, std=0.1)
    given = {"nn_model": nn_model, "device": "cpu", "anything": torch.zeros(1, 5)}
    names = cell(t=torch.tensor([0.3]), **given)
    x = torch.randn(2, 192, 4, 4)
    assert_close(names["block_by_hand"](nn_model.up2, x, names["e"]), nn_model.up2(x, names["e"]))


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
    sampler = cell(nn_model=lambda x, t: t * x, schedule=SCHEDULE)["sample_ddpm"]
    torch.manual_seed(7)
    theirs = sampler(2, "cpu")
    torch.manual_seed(7)
    ours, _ = diffutils.sample_ddpm(2, nn_model=lambda x, t: t * x, schedule=SCHEDULE,
                                    progress=False)  # fmt: skip
    assert torch.equal(theirs, ours)


@compares("05", "def error_of_bob")
def the_last_step(cell):
    errors = cell(schedule=SCHEDULE, device="cpu")["errors"]
    x_bob = to_float(bob()[None])
    only_bob = IdealDenoiser(x_bob, schedule=SCHEDULE)
    samples, _ = diffutils.sample_ddpm(16, nn_model=only_bob, schedule=SCHEDULE, progress=False)
    assert errors[False] == pytest.approx(float((samples - x_bob).square().mean().sqrt()), abs=1e-5)
    assert errors[True] == pytest.approx(float(SCHEDULE.beta[1].sqrt()), rel=0.05)


@compares("06", "wrong = torch.rand(10_000, 100)")
def none_of_a_hundred(cell):
    none, draws = cell()["none"], 10_000
    assert abs(none - 0.97**100) < 4 * (0.05 * 0.95 / draws) ** 0.5
    assert Share(0, 100).high == pytest.approx(1.96**2 / (100 + 1.96**2), abs=1e-4)


@compares("06", "by_hand = columns[:, 0]")
def the_columns_of_a_context(cell):
    nn_model = small_network()
    with torch.no_grad():
        names = cell(nn_model=nn_model)
        assert_close(names["by_hand"], nn_model.embed.context(names["mixed"])[0])
        t = torch.tensor([0.3])
        level = nn_model.embed(t, names["mixed"]) - nn_model.embed(t, torch.zeros(1, 5))
        assert level.abs().max() > 1e-3  # and it makes a difference


@compares("06", "with_class, without = 0.50, 0.20")
def three_scales_by_hand(cell):
    names = cell()
    said = {None: names["without"], 1: names["with_class"]}

    def nn_model(x, t, c=None):
        return torch.full_like(x, said[None if c is None else 1])

    for scale in (0, 1, 3):
        guess = diffutils.guess_noise(nn_model, pixel(0.0), 100, schedule=SCHEDULE,
                                      context=torch.ones(1, 1), guidance=scale)  # fmt: skip
        wanted = names["without"] + scale * (names["with_class"] - names["without"])
        assert guess.item() == pytest.approx(wanted)
    assert names["step"] == pytest.approx(guess.item() - names["without"])


@compares("07", "lower = signal[200]")
def one_step_of_ddim(cell):
    names = cell(schedule=SCHEDULE)
    step = denoise_ddim(pixel(0.8), 250, 200, pixel(0.5), schedule=SCHEDULE).item()
    assert names["lower"] == pytest.approx(step)
    assert names["sprite"] == pytest.approx(
        predict_x0(pixel(0.8), 250, pixel(0.5), schedule=SCHEDULE).item()
    )


def rooted(schedule):
    """What the cells of lesson 07 call signal, noise and sigma."""
    bar = schedule.alpha_bar
    return {"signal": bar.sqrt().tolist(), "noise": (1 - bar).sqrt().tolist(),
            "sigma": ((1 - bar) / bar).sqrt().tolist()}  # fmt: skip


def bent(x, t, c=None):
    """A network whose answers depend on the picture and on the level, not in a straight line."""
    return torch.tanh(x) + 0.1 * torch.sin(3 * x + 5 * t)


@compares("07", "def follow(x, levels)")
def ddim_at_any_levels(cell):
    seeded = torch.Generator().manual_seed
    given = {"nn_model": bent, "schedule": SCHEDULE, "seeded": seeded, **rooted(SCHEDULE)}
    names = cell(**given)
    same = {"nn_model": bent, "schedule": SCHEDULE, "start": names["start"], "progress": False}
    for levels in (names["by_20"], [500, 333, 40, 0]):
        ours, _ = diffutils.sample_ddim(8, levels=list(levels), **same)
        assert_close(names["follow"](names["start"], levels), ours, atol=1e-4, rtol=1e-4)
    assert list(names["by_16"])[-1] == -12 and names["spoiled"].std() > 0.9


@compares("07", "y = pixel / signal")
def one_step_of_euler(cell):
    cell(pixel=0.8, eps=0.5, **rooted(SCHEDULE), lower=denoise_ddim(
        pixel(0.8), 250, 200, pixel(0.5), schedule=SCHEDULE).item())  # fmt: skip


@compares("07", "def remember(x, levels, guess)")
def the_solver_that_remembers(cell):
    start = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    names = cell(nn_model=bent, schedule=SCHEDULE, start=start, **rooted(SCHEDULE))
    levels = [500, 400, 300, 200, 100, 0]
    ours, _ = diffutils.sample_dpm(2, levels=levels, nn_model=bent, schedule=SCHEDULE, height=4,
                                   start=start, progress=False)  # fmt: skip
    assert_close(names["by_memory"], ours, atol=1e-4, rtol=1e-4)


@compares("07", "p1, p2 = ours")
def two_shares_by_hand(cell):
    rows = {("DPM-Solver++", 10): 420, ("DDPM", 500): 455, ("DDIM", 500): 433}
    names = cell(find=lambda *setting: {"flawless": rows[setting]})
    apart = shares_apart(Share(420, 500), Share(433, 500))
    assert (names["p1"] - names["p2"]) / names["error"] == pytest.approx(apart)


@compares("08", "share, count = 96 / 120")
def an_interval_by_hand(cell):
    names = cell(Share=Share)
    ones = torch.tensor([1.0] * 96 + [0.0] * 24, dtype=torch.float64)
    assert names["std"] == pytest.approx(ones.std(correction=0).item() / 120**0.5)
    wilson, hand = Share(96, 120), 1.96 * names["std"]
    assert abs((wilson.high - wilson.low) / (2 * hand) - 1) < 0.05


@pytest.mark.parametrize(("lesson", "words"), COMPARISONS, ids=lambda part: part)
def test_a_teach_cell_gives_the_numbers_of_the_library(lesson, words):
    assert "teach" in cell_with(lesson, words).metadata.tags
    COMPARISONS[lesson, words](functools.partial(functions_of, lesson, words))


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_teach_cell_is_compared_once(lesson):
    for cell in code_of(lesson):
        if "teach" in cell.metadata.get("tags", []):
            found = [words for of, words in COMPARISONS if of == lesson and words in cell.source]
            assert len(found) == 1, cell.source
