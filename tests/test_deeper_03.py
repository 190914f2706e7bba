"""What the deeper notebooks of lesson 03 write by hand gives the numbers of a reference."""

import torch
from cells import functions_of
from torch.testing import assert_close

from diffutils import ContextUnet, guess_noise, linear_schedule, load_pretrained, predict_x0
from diffutils.stage.checks import choices

SCHEDULE = linear_schedule()


def test_the_influence_of_a_network_that_echoes_is_one_pixel():
    names = functions_of("deeper/03_reach.ipynb", "def influence")
    names["nn_model"] = lambda x, t: x
    found = names["influence"]("guess", 250)
    assert found.count_nonzero() == 1 and found[8, 8] > 0
    mix = torch.randn(3, generator=torch.Generator().manual_seed(1))
    one = torch.ones(1, 3, 2, 2)
    slope = predict_x0(one, 250, one, schedule=SCHEDULE)[0, 0, 0, 0].abs()
    assert_close(found[8, 8], slope * mix.norm())


def test_a_slope_is_the_change_by_a_nudge():
    names = functions_of("deeper/03_reach.ipynb", "def influence")
    few = {"x0": names["x0"][:1].double(), "noise": names["noise"][:1].double()}
    names |= few | {"nn_model": names["nn_model"].double()}
    found = names["influence"]("enter", 250)
    mix = torch.randn(48, generator=torch.Generator().manual_seed(1)).double()
    x_t = names["perturb_input"](few["x0"], 250, few["noise"], schedule=SCHEDULE)

    def answer(x):
        names["nn_model"](x, torch.tensor([0.5]))
        return (names["maps"]["enter"][0, :, 4, 4] * mix).sum()

    with torch.no_grad():
        for row, column in ((8, 8), (6, 9), (2, 2)):
            slopes = []
            for channel in range(3):
                nudged = x_t.clone()
                nudged[0, channel, row, column] += 1e-3
                slopes.append((answer(nudged) - answer(x_t)) / 1e-3)
            assert_close(found[row, column], torch.stack(slopes).norm(), rtol=1e-4, atol=1e-8)


def test_half_of_the_say():
    given = {"stops": ("enter", "middle", "up1"), "influence": stages}
    count = functions_of("deeper/03_reach.ipynb", "def pixels_for_half", **given)["pixels_for_half"]
    assert count(torch.ones(16, 16)) == 128
    one = torch.full((16, 16), 1e-6)
    one[3, 3] = 1
    assert count(one) == 1


def stages(stop, level):
    """An influence that passes the asserts of the cell."""
    view = torch.full((16, 16), 0.0 if stop == "enter" else 1.0)
    view[:6, :6] += 1
    return view * torch.linspace(1, 0, 256).view(16, 16) ** 30 if stop == "up1" else view


def test_opinions_together_are_the_networks_guess():
    nn_model, _ = load_pretrained("palette")
    nn_model.conviction = 1.0
    known = (nn_model.palette <= 1).all(dim=1)
    names = functions_of("deeper/03_votes.ipynb", "def opinions", nn_model=nn_model, known=known,
                         schedule=SCHEDULE, palette=nn_model.palette[known])  # fmt: skip
    for level in (60, 300):
        x_t = names["perturb_input"](names["x_bob"], level, names["noise"], schedule=SCHEDULE)
        with torch.no_grad():
            eps = guess_noise(nn_model, x_t, level, schedule=SCHEDULE)
        wanted = predict_x0(x_t, level, eps, schedule=SCHEDULE)
        off = names["opinions"](x_t, level)[2] - wanted  # its vote for "none of these" is left out
        assert off.square().mean() < 1e-4 and off.abs().max() < 0.15


def test_training_moves_sprites_by_as_much_as_it_says():
    start = ContextUnet(channels=8, hidden=16, schedule=SCHEDULE)
    seen = []
    names = functions_of("deeper/03_moved.ipynb", "def trained")
    names["load_pretrained"] = lambda kind: (start, SCHEDULE)
    names["train"] = torch.zeros(4, 3, 16, 16)
    names["train"][..., 8, 8] = 1
    noisy = names["perturb_input"]

    def watch(x0, i, noise, *, schedule):
        seen.extend((one[0].argmax() // 16 - 8, one[0].argmax() % 16 - 8) for one in x0)
        return noisy(x0, i, noise, schedule=schedule)

    names["perturb_input"] = watch
    before = [p.clone() for p in start.parameters()]
    trained = names["trained"](2, steps=3)
    assert {int(move) for pair in seen for move in pair} == {-2, -1, 0, 1, 2}
    assert any(not torch.equal(a, b) for a, b in zip(before, trained.parameters(), strict=True))
    seen.clear()
    names["trained"](0, steps=1)
    assert {int(move) for pair in seen for move in pair} == {0}


def test_the_experiments_on_the_plain_network_say_what_the_replies_claim():
    skips = choices.find("why-skips").measure()
    assert skips["details"] > 0.7 > 0.2 > abs(skips["strangers"])
    assert skips["whole_noise"] > 0.95 and skips["cut_noise"] < 0.05
    assert skips["cut_150"] > 2 * skips["other_150"] and skips["cut_300"] > 5 * skips["other_300"]
    assert skips["told_60"] > 2.5 * skips["told_300"]
    places = choices.find("why-lost").measure()
    assert places["window"] < 1e-5 and places["ring_gap_8"] < 1e-6
    assert min(places["net_2"], places["net_8"]) > 5 * places["net_0"]
    assert places["ring_gap_2"] > 0.2 and places["ring_0"] > 4 * places["net_0"]

