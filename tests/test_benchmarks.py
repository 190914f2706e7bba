"""The scripts under tests/benchmarks measure what they say, on tiny input."""

import functools
import importlib
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from diffutils import ContextUnet, PaletteUnet, fit, linear_schedule, save_weights
from diffutils.sprites import forge_sprites

ROOT = Path(__file__).parents[1]


@pytest.fixture
def bench(monkeypatch):
    """Imports a script by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module


@pytest.fixture
def networks(bench):
    return bench("networks")


def stirred(network):
    torch.manual_seed(0)
    nn_model = network(channels=16, hidden=32)
    with torch.no_grad():
        for parameter in nn_model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return nn_model.eval()


@pytest.mark.parametrize("name", ["frechet", "memory", "networks", "race", "recipe", "speed"])
def test_every_script_can_be_imported(bench, name):
    assert callable(bench(name).main)


def test_every_script_is_tried():
    found = {path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py")}
    assert found == {"frechet", "memory", "networks", "race", "recipe", "reference_network",
                     "speed"}


def test_moving_down_and_right_lets_white_in_above_and_left(networks):
    x0 = -torch.ones(1, 3, 4, 4)
    assert networks.moved(x0, 2, 1)[0, 0].tolist() == [
        [1, 1, 1, 1], [1, 1, 1, 1], [1, -1, -1, -1], [1, -1, -1, -1]]
    assert networks.moved(x0, -1, 0)[0, 0, :, 0].tolist() == [-1, -1, -1, 1]
    assert torch.equal(networks.moved(x0, 0, 0), x0)


def test_a_sprite_with_two_white_rows_below_stays_whole_when_it_moves_down(networks):
    x0 = -torch.ones(2, 3, 8, 8)
    x0[0, :, 6:] = 1
    assert networks.stays_whole(x0, 2, 0).tolist() == [True, False]
    assert networks.stays_whole(x0, -2, 0).tolist() == [False, False]


def test_a_row_tells_whole_sprites_from_cut_ones(networks):
    still, there = torch.tensor([0.1, 0.1, 0.2]), torch.tensor([0.3, 0.5, 1.0])
    cells = networks.compared(still, there, torch.tensor([True, True, False]))
    assert cells == "2 | 0.100 | 0.400 | 4.0 | 1 | 0.200 | 1.000 | 5.0"
    assert networks.compared(still, there, torch.zeros(3, dtype=torch.bool)).startswith("0 | – |")


def test_losses_are_those_of_the_measure(networks):
    from diffutils.measure import loss_by_level

    nn_model, x0 = stirred(ContextUnet), networks.sprites(4)
    expected = loss_by_level(nn_model, x0, [60], schedule=nn_model.schedule, seed=networks.SEED)
    assert networks.losses(nn_model, x0, 60).mean().item() == pytest.approx(expected.item())


def test_losses_are_those_of_votes_as_trained_and_conviction_stays(networks):
    nn_model, x0 = stirred(PaletteUnet), networks.sprites(4)
    nn_model.learn_palette(torch.rand(100, 3) * 2 - 1)
    expected = networks.losses(nn_model, x0, 60)
    nn_model.conviction = 20.0
    assert torch.equal(networks.losses(nn_model, x0, 60), expected)
    assert nn_model.conviction == 20


def test_cutting_the_skips_of_the_plain_network_puts_zeros_in_their_half(networks):
    nn_model, x, t = stirred(ContextUnet), torch.randn(2, 3, 16, 16), torch.tensor(0.5)
    heard = []
    nn_model.up1.register_forward_pre_hook(lambda block, given: heard.append(given[0]))
    whole = nn_model(x, t)
    with networks.skips_cut(nn_model):
        cut = nn_model(x, t)
        nn_model.up1.register_forward_pre_hook(lambda block, given: heard.append(given[0]))
        nn_model(x, t)
    assert (whole - cut).abs().max() > 1e-3
    assert heard[-1][:, :16].any() and not heard[-1][:, 16:].any()
    assert torch.equal(nn_model(x, t), whole)


def test_cutting_the_skip_of_the_palette_network_leaves_what_comes_from_below(networks):
    nn_model, x, t = stirred(PaletteUnet), torch.randn(2, 3, 16, 16), torch.tensor(0.5)
    nn_model.learn_palette(torch.rand(100, 3) * 2 - 1)
    whole, seen = nn_model(x, t), {}
    with networks.skips_cut(nn_model):
        nn_model.grow.register_forward_hook(lambda layer, given, out: seen.update(below=out))
        nn_model.up.register_forward_pre_hook(lambda block, given: seen.update(given=given[0]))
        cut = nn_model(x, t)
    assert torch.equal(seen["given"], seen["below"])
    assert (whole - cut).abs().max() > 1e-3
    assert torch.equal(nn_model(x, t), whole)


def test_colours_are_counted_with_the_tolerance_of_the_judge(networks):
    flat = torch.ones(1, 3, 16, 16)
    two = flat.clone()
    two[..., :3] = -1
    shaky = two + 0.1 * torch.rand(two.shape)  # 13 grey levels
    three = two.clone()
    three[0, 1, 5, 5] = 0.0
    counts = networks.colours_used(torch.cat([flat, two, shaky, three]))
    assert counts.tolist() == [1, 2, 2, 3]
    smooth = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
    assert networks.colours_used(smooth).item() > 3


def test_a_shorter_schedule_has_the_noise_of_the_levels_it_keeps(networks):
    long = linear_schedule()
    short = networks.shorter(long, 25)
    assert short.timesteps == 25
    torch.testing.assert_close(short.alpha_bar, long.alpha_bar[::20])
    with pytest.raises(SystemExit, match="divisor of 500"):
        networks.shorter(long, 30)


def test_both_rows_start_from_the_same_noise(networks):
    seen = []

    def record(x, t, c=None):
        if t == 1:
            seen.append(x.clone())
        return 0 * x

    record.schedule = linear_schedule()
    put_back, none = networks.draw_both(record, 2, 5)
    assert torch.equal(*seen) and not torch.equal(put_back, none)


def test_training_sprites_are_all_right_and_flawless(networks):
    cells = networks.seen_in(networks.sprites(8), networks.sprites(20, 1))
    assert cells[-2:] == ["100.0 ± 0.0 %", "100.0 ± 0.0 %"] and len(cells) == 6


def checkpoint_of(nn_model, folder):
    """A checkpoint of one step, and the network it should give back."""
    x0 = torch.from_numpy(forge_sprites(8, 0)[0]).permute(0, 3, 1, 2) / 127.5 - 1
    run = fit(nn_model, x0, schedule=nn_model.schedule, steps=1, batch_size=4,
              checkpoint=folder / "run.checkpoint")
    list(run)
    return folder / "run.checkpoint", run.model


@pytest.mark.parametrize("network", [ContextUnet, PaletteUnet])
def test_a_checkpoint_gives_the_averaged_network(networks, tmp_path, network):
    path, expected = checkpoint_of(network(), tmp_path)
    found = networks.load(str(path))
    assert type(found) is network
    assert all(torch.equal(value, expected.state_dict()[name])
               for name, value in found.state_dict().items())


def test_all_sections_are_printed_for_a_weights_file(networks, tmp_path, capsys):
    save_weights(tmp_path / "mine.safetensors", stirred(ContextUnet))
    networks.main([str(tmp_path / "mine.safetensors"), "--sprites", "5", "--samples", "8",
                   "--steps", "2", "--context", "--pictures", str(tmp_path)])
    said = capsys.readouterr().out
    assert [said.count(f"| {i} |") for i in (60, 150, 300, 40)] == [6, 6, 5, 1]
    assert "training sprites" in said and "nan" not in said
    with Image.open(tmp_path / "mine.png") as picture:
        width, height = picture.size
    assert width > 8 * 16 * 4 and height > 2 * 16 * 4


def test_only_the_sections_asked_for_are_printed(networks, tmp_path, capsys):
    save_weights(tmp_path / "mine.safetensors", stirred(ContextUnet))
    networks.main([str(tmp_path / "mine.safetensors"), "--sections", "skips", "--sprites", "5"])
    said = capsys.readouterr().out
    assert "skips cut" in said and "moved by" not in said and "put back" not in said


@pytest.mark.parametrize("name", ["as shipped", "no glance", "min-SNR-5", "two looks, hidden 160",
                                  "attention at 4x4"])
def test_a_recipe_trains_a_step(bench, monkeypatch, name):
    recipe = bench("recipe")
    monkeypatch.setattr(recipe, "IMAGES", recipe.BATCH)
    x0 = recipe.unseen(8)
    nn_model, steps, _ = recipe.train(lambda n, generator: (x0[:1].expand(n, -1, -1, -1), None),
                                      **recipe.VARIANTS[name])
    assert steps == 1
    assert all(0 < error < 3 for error in recipe.errors(nn_model, x0, linear_schedule()))


def test_a_recipe_learns_with_its_own_level_weights(bench, monkeypatch):
    recipe = bench("recipe")
    monkeypatch.setattr(recipe, "IMAGES", recipe.BATCH)
    asked = []

    def weights(schedule):
        asked.append(schedule.timesteps)
        return torch.ones(schedule.timesteps + 1)

    x0 = recipe.unseen(8)
    recipe.train(lambda n, generator: (x0[:1].expand(n, -1, -1, -1), None), level_weights=weights)
    assert asked == [500]


def test_speed_prints_a_row_for_each_network_and_three_lines_for_ours(bench, monkeypatch, capsys):
    speed, rounds = bench("speed"), []
    monkeypatch.setattr(speed, "train_rate", lambda nn_model, **options: rounds.append(1) or 100.0)
    monkeypatch.setattr(speed, "sample_seconds", lambda nn_model, sampler, **options: 2.0)
    monkeypatch.setattr(speed, "convolution_rate", lambda: 10.0)
    monkeypatch.setattr(speed, "time_in_products", lambda nn_model: 0.5)
    monkeypatch.setattr(speed, "load_pretrained", lambda kind: (speed.fresh(kind), None))
    monkeypatch.setattr(speed, "pretrained_path", lambda kind: Path(__file__))
    monkeypatch.setattr(speed, "diffusers_unet", speed.ReferenceUnet)  # importing theirs is slow
    speed.main(["1", "2"])
    said = capsys.readouterr().out
    assert re.search(r"the judge reads a spoiled sprite in \d+\.\d ms\n$", said)
    assert "1 threads, best of 2 alternating rounds" in said and len(rounds) == 2 * (4 + 2)
    for name in ("plain", "palette", "reference", "diffusers"):
        assert f"\n{name:12}" in said
    for name in ("plain", "palette"):
        assert f"{name} trains 1.0 times as fast as the reference, samples 1.0 times" in said


def test_the_rate_of_training_is_that_of_a_network_that_learns(bench):
    speed = bench("speed")
    nn_model = speed.fresh("plain")
    before = [p.clone() for p in nn_model.parameters()]
    assert speed.train_rate(nn_model, steps=1) > 0
    assert any((p != b).any() for p, b in zip(nn_model.parameters(), before, strict=True))
    assert speed.flops_of(nn_model) > 1e6


def test_frechet_trains_by_cpu_seconds(bench):
    frechet = bench("frechet")
    x0 = frechet.SCHEDULE.alpha_bar.new_zeros(8, 3, 16, 16).float()
    nn_model, images = frechet.train_ours(x0, torch.eye(5)[torch.arange(8) % 5], 0.2)
    assert images >= 48 and type(nn_model) is PaletteUnet
    assert frechet.frechet(frechet.features(x0), frechet.features(x0)) == pytest.approx(0, abs=1e-6)


class Given:
    """A run that the judge finds flawless in so many samples, more after each judgement."""

    def __init__(self, steps):
        self.steps, self.model = steps, torch.nn.Identity()

    def __iter__(self):
        return iter(range(self.steps))


class Beats:
    """A clock that counts one unit for each stretch, and steps that take no time."""

    units, unit = 0.0, 0.0

    def add(self, seconds):
        self.units += 1


def test_a_race_tells_when_each_bar_was_first_reached(bench, monkeypatch):
    race, said = bench("race"), []
    shares = iter([0.1, 0.6, 0.4, 0.85, 0.95, 1.0])
    monkeypatch.setattr(race, "flawless", lambda nn_model, n: (1.0, next(shares)))
    reached, correct, share = race.race(Given(100), Beats(), 50, 1, 10, said.append)
    assert reached == {0.5: 2, 0.8: 4, 0.9: 5} and share == 0.95 and len(said) == 5
    assert race.row("mine", reached, Beats(), 1.0, 0.95).startswith("| mine | 2 | 4 | 5 | 100.0%")


@pytest.mark.parametrize("units, steps, turns", [(3, 100, 3), (50, 2, 3)])
def test_a_race_ends_with_its_units_or_with_its_run(bench, monkeypatch, units, steps, turns):
    race, said = bench("race"), []
    monkeypatch.setattr(race, "flawless", lambda nn_model, n: (0.5, 0.0))
    reached, _, _ = race.race(Given(steps), Beats(), units, 1, 10, said.append)
    assert reached == {} and len(said) == turns
    assert "| – | – | – |" in race.row("mine", reached, Beats(), 0.5, 0.0)


def test_a_unit_is_the_time_of_1000_images_before_and_after(bench, monkeypatch):
    race = bench("race")
    monkeypatch.setattr(race.Clock, "train", lambda self, batches: None)
    times = iter([2.0, 4.0, 4.0])
    monkeypatch.setattr(race.Clock, "measure", lambda self: next(times))
    clock = race.Clock()
    clock.add(30)
    assert clock.units == 10 and clock.unit == 4
    clock.add(8)
    assert clock.units == 12


def test_a_small_race_is_run_to_its_row(bench, monkeypatch, capsys):
    race = bench("race")
    x0, c = bench("networks").sprites(20), torch.eye(5).repeat(4, 1)
    monkeypatch.setattr(race, "forged", lambda seed: lambda n, generator: (x0[:4], c[:4]))
    monkeypatch.setattr(race, "Clock", functools.partial(race.Clock, batches=1))
    monkeypatch.setitem(race.ENTRIES, "plain", race.as_the_command_does("plain", batch_size=4))
    race.main(["plain", "--units", "0.05", "--every", "0.05", "--samples", "4", "--threads", "1"])
    said = capsys.readouterr().out
    assert " units (" in said and "| plain | – | – | – |" in said


def test_judging_leaves_the_conviction_of_a_run_as_it_was(bench, monkeypatch):
    race, asked = bench("race"), []
    nn_model = stirred(PaletteUnet).train()
    monkeypatch.setattr(race, "sample_ddim", lambda count, nn_model, **options: asked.append(
        (nn_model.conviction, nn_model.training)) or (torch.ones(count, 3, 16, 16), None))
    race.flawless(nn_model, 3)
    assert asked == [(race.CONVICTION, False)]
    assert nn_model.conviction == 1 and nn_model.training
