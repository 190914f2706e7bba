"""Adding noise and taking it out, against algebra, statistics and diffusers."""

import pytest
import torch
from torch.testing import assert_close

from diffutils import linear_schedule, perturb_input, predict_x0, rescale_zero_terminal_snr

SCHEDULE = linear_schedule()


def images(generator, n=4, dtype=torch.float64):
    return torch.rand(n, 3, 16, 16, generator=generator, dtype=dtype) * 2 - 1


def test_noising_equals_diffusers_at_every_level(generator):
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(500, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    theirs.alphas_cumprod = SCHEDULE.alpha_bar[1:]  # the same table in float64
    x, noise = images(generator, 1), torch.randn(1, 3, 16, 16, generator=generator).double()
    for i in range(1, 501):
        ours = perturb_input(x, i, noise, schedule=SCHEDULE)
        assert_close(ours, theirs.add_noise(x, noise, torch.tensor([i - 1])), rtol=0, atol=1e-6)


def test_predict_x0_undoes_perturb_input_at_every_level(generator):
    x, noise = images(generator, 1), torch.randn(1, 3, 16, 16, generator=generator).double()
    for i in range(501):
        x_t = perturb_input(x, i, noise, schedule=SCHEDULE)
        assert_close(predict_x0(x_t, i, noise, schedule=SCHEDULE), x, rtol=0, atol=1e-12)


def test_level_0_leaves_the_sprite_as_it_is(generator):
    x, noise = images(generator), torch.randn(4, 3, 16, 16, generator=generator).double()
    assert torch.equal(perturb_input(x, 0, noise, schedule=SCHEDULE), x)
    assert torch.equal(predict_x0(x, 0, noise, schedule=SCHEDULE), x)


def test_the_noise_in_x_t_has_standard_deviation_root_of_1_minus_alpha_bar(generator):
    noise = torch.randn(200, 3, 16, 16, generator=generator)
    x_t = perturb_input(torch.zeros_like(noise), 50, noise, schedule=SCHEDULE)
    assert float(x_t.std()) == pytest.approx(float((1 - SCHEDULE.alpha_bar[50]).sqrt()), rel=0.01)


def test_one_level_an_image_is_the_same_as_one_image_a_call(generator):
    x, noise = images(generator), torch.randn(4, 3, 16, 16, generator=generator).double()
    levels = torch.tensor([1, 500, 0, 250])
    together = perturb_input(x, levels, noise, schedule=SCHEDULE)
    for n, i in enumerate(levels.tolist()):
        alone = perturb_input(x[n : n + 1], i, noise[n : n + 1], schedule=SCHEDULE)
        assert torch.equal(together[n : n + 1], alone)


def test_the_type_of_the_images_stays(generator):
    x = images(generator, dtype=torch.float32)
    assert perturb_input(x, 3, x, schedule=SCHEDULE).dtype == torch.float32


def test_a_level_without_signal_cannot_be_undone(generator):
    x = images(generator)
    remedy = "predict_x0: i names level 500, which has no signal .* such as linear_schedule"
    with pytest.raises(ValueError, match=remedy):
        predict_x0(x, 500, x, schedule=rescale_zero_terminal_snr(SCHEDULE))


def test_one_level_without_signal_among_others_cannot_be_undone_either(generator):
    x, levels = images(generator), torch.tensor([1, 500, 0, 250])
    with pytest.raises(ValueError, match="predict_x0: i names level 500, which has no signal"):
        predict_x0(x, levels, x, schedule=rescale_zero_terminal_snr(SCHEDULE))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"i": 501}, ValueError, "i has level 501; this schedule has levels 0..500"),
        ({"i": -1}, ValueError, "i has level -1"),
        ({"i": torch.tensor([0, 501, 1, 2])}, ValueError, "i has level 501"),
        ({"i": torch.tensor([1, 2, 3])}, ValueError, r"i has shape \(3,\); expected .*\(4,\)"),
        ({"i": 0.5}, TypeError, "i is 0.5"),
        ({"i": True}, TypeError, "i is True"),
        ({"i": torch.tensor(0.5)}, TypeError, "i holds torch.float32"),
        ({"x": torch.zeros(3, 16, 16)}, ValueError, r"x has shape \(3, 16, 16\)"),
        ({"x": torch.zeros(4, 3, 16, 16, dtype=torch.uint8)}, TypeError, "x holds torch.uint8"),
        ({"x": [1, 2]}, TypeError, "x is a list"),
        ({"noise": torch.zeros(1, 3, 16, 16)}, ValueError, r"noise has shape .* the shape of x"),
        ({"noise": 0}, TypeError, "noise is a int"),
        ({"schedule": SCHEDULE.alpha_bar}, TypeError, "schedule is a Tensor"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    good = {"x": torch.zeros(4, 3, 16, 16), "i": 1, "noise": torch.zeros(4, 3, 16, 16)}
    arguments = {"schedule": SCHEDULE, **good, **change}
    x, i, noise = (arguments.pop(name) for name in ("x", "i", "noise"))
    with pytest.raises(error, match="perturb_input: " + message):
        perturb_input(x, i, noise, **arguments)
