import builtins
import json
import math
import re

import numpy
import pytest
import torch

from diffutils import denoise_add_noise, perturb_input
from diffutils.schedule import linear_schedule
from diffutils.stage import checks
from diffutils.stage.checks import (
    contexts,
    engine,
    levels,
    loops,
    losses,
    mixing,
    numbers,
    predictions,
    shares,
    steps,
)

EXERCISES = {
    "beta_schedule": levels.BETA_SCHEDULE,
    "alpha_bar": levels.ALPHA_BAR,
    "perturb_input": levels.PERTURB_INPUT,
    "predict_x0": levels.PREDICT_X0,
    "posterior_shares": shares.POSTERIOR_SHARES,
    "effective_number": shares.EFFECTIVE_NUMBER,
    "mixing_desk": mixing.MIXING_DESK,
    "training_loss": losses.TRAINING_LOSS,
    "sampler_loop": loops.SAMPLER_LOOP,
    "context_dropout": contexts.CONTEXT_DROPOUT,
    "guidance": contexts.GUIDANCE,
    "guidance, paper": contexts.GUIDANCE_AS_PAPER,
    "ddim_step": steps.DDIM_STEP,
    "ddim_levels": steps.DDIM_LEVELS,
}
BANK = [(name, m) for name, exercise in EXERCISES.items() for m in exercise.mistakes]
BANK_NAMES = [f"{name}: {mistake.name}" for name, mistake in BANK]
PLAIN = [name for name in EXERCISES if name not in ("training_loss", "sampler_loop",
                                                    "context_dropout", "ddim_levels")]  # fmt: skip


def check(name, function):
    """The public check of this exercise."""
    if name == "guidance, paper":
        return checks.guidance(function, convention="paper")
    return getattr(checks, name)(function)


def alpha_bar(i, timesteps=500, start=1e-4, end=0.02):
    """alpha_bar by a plain loop: an oracle that shares nothing with the library."""
    product = 1.0
    for k in range(i):
        product *= 1 - (start + (end - start) * k / (timesteps - 1))
    return product


# --- right answers, as a student would write them ------------------------------------------------


def my_beta(timesteps, beta_start, beta_end):
    return numpy.concatenate([[0], numpy.linspace(beta_start, beta_end, timesteps)])


def my_running_product(beta):
    left, product = [], 1.0
    for b in beta:
        product = product * (1 - b)
        left.append(float(product))
    return left


def my_perturb_input(x, i, noise, *, schedule):
    signal = schedule.alpha_bar[i] ** 0.5
    spread = (1 - schedule.alpha_bar[i]) ** 0.5
    return signal * x + spread * noise


def my_predict_x0(x_t, i, noise, *, schedule):
    return (x_t - (1 - schedule.alpha_bar[i]) ** 0.5 * noise) / schedule.alpha_bar[i] ** 0.5


def my_shares(x_t, x0, alpha_bar):
    exponents = -((x_t - math.sqrt(alpha_bar) * x0) ** 2).sum((1, 2, 3)) / (2 * (1 - alpha_bar))
    weights = torch.exp(exponents - exponents.max())
    return weights / weights.sum()


def my_effective_number(shares):
    return 1 / sum(float(share) ** 2 for share in shares)


def my_mixing_desk(h, scale, shift):
    return h + scale * h + shift


def my_loss(x0, *, nn_model, schedule):
    noise = torch.randn(x0.shape)
    i = torch.randint(1, schedule.timesteps + 1, (x0.shape[0],))
    x_t = perturb_input(x0, i, noise, schedule=schedule)
    guess = nn_model(x_t, i / schedule.timesteps)
    return torch.nn.functional.mse_loss(guess, noise)


def my_sample_ddpm(x, *, nn_model, schedule):
    for i in reversed(range(1, schedule.timesteps + 1)):
        z = torch.randn(x.shape)
        if i == 1:
            z = torch.zeros_like(x)
        eps = nn_model(x, i / schedule.timesteps)
        out = schedule.beta[i] / (1 - schedule.alpha_bar[i]) ** 0.5 * eps
        x = (x - out) / schedule.alpha[i] ** 0.5
        x = x + schedule.beta[i] ** 0.5 * z
    return x


def my_drop_context(c, probability):
    kept = torch.bernoulli(torch.full((c.shape[0], 1), 1 - probability))
    return c * kept


def my_guidance(eps_with, eps_without, w):
    return w * eps_with + (1 - w) * eps_without


def my_paper_guidance(eps_with, eps_without, w):
    return (1 + w) * eps_with - w * eps_without


def my_denoise_ddim(x, i, i_prev, pred_noise, *, schedule):
    x0 = my_predict_x0(x, i, pred_noise, schedule=schedule)
    return my_perturb_input(x0, i_prev, pred_noise, schedule=schedule)


def my_levels(n, timesteps):
    return [round(timesteps * (1 - k / n)) for k in range(n + 1)]


ANSWERS = {
    "beta_schedule": my_beta, "alpha_bar": my_running_product, "perturb_input": my_perturb_input,
    "predict_x0": my_predict_x0, "posterior_shares": my_shares,
    "effective_number": my_effective_number, "mixing_desk": my_mixing_desk,
    "training_loss": my_loss, "sampler_loop": my_sample_ddpm,
    "context_dropout": my_drop_context, "guidance": my_guidance,
    "guidance, paper": my_paper_guidance, "ddim_step": my_denoise_ddim, "ddim_levels": my_levels,
}  # fmt: skip


@pytest.mark.parametrize("name", EXERCISES)
def test_the_right_answer_passes_with_a_measured_fact(name, capsys):
    for function in (EXERCISES[name].right, ANSWERS[name]):
        result = check(name, function)
        assert result.passed and result.mistake is None
        assert result.require() is result
        assert capsys.readouterr().out == result.message + "\n"
        assert result.message.startswith("right: ") and re.search(r"\d", result.message)
        assert "nan" not in result.message and "{" not in result.message


# --- known mistakes ------------------------------------------------------------------------------


def test_there_are_many_known_mistakes_and_no_name_stands_for_two_of_them():
    assert len({(mistake.name, mistake.sentence) for _, mistake in BANK}) >= 250
    for exercise in EXERCISES.values():
        names = [mistake.name for mistake in exercise.mistakes]
        assert len(names) == len(set(names)) >= 7
        reserved = {"not-done", "error", "type", "shape", "not-finite", "dtype", "changed-input"}
        assert not reserved & {*names, "unknown"}


@pytest.mark.parametrize(("name", "mistake"), BANK, ids=BANK_NAMES)
def test_each_known_mistake_is_named_with_its_numbers(name, mistake, capsys):
    result = check(name, mistake.function)
    assert not result.passed
    assert result.mistake == mistake.name
    assert capsys.readouterr().out == result.message + "\n"
    assert result.message.startswith("not right yet: ") and "\n" not in result.message
    assert "{" not in result.message and not re.search(r"\bnan\b.*should", result.message)
    with pytest.raises(AssertionError, match=re.escape(result.message)):
        result.require()


@pytest.mark.parametrize("name", EXERCISES)
def test_no_two_mistakes_of_an_exercise_can_be_taken_for_each_other(name):
    exercise = EXERCISES[name]
    seen = [engine.run(exercise.observe, m.function) for m in exercise.mistakes]
    seen.append(engine.run(exercise.observe, exercise.right))
    for a, one in enumerate(seen):
        for other in seen[:a]:
            assert not engine.same(exercise, one, other)


@pytest.mark.parametrize("name", ["training_loss", "sampler_loop", "context_dropout"])
def test_a_mistake_is_named_whatever_numbers_the_student_happens_to_draw(name):
    exercise = EXERCISES[name]
    for mistake in exercise.mistakes:

        def function(*arguments, mistake=mistake, **keywords):
            torch.rand(17)
            return mistake.function(*arguments, **keywords)

        assert check(name, function).mistake == mistake.name


def test_the_messages_show_numbers_that_a_plain_loop_confirms():
    def message(name, mistake):
        functions = {m.name: m.function for m in EXERCISES[name].mistakes}
        return check(name, functions[mistake]).message

    variance = 1 - alpha_bar(125)
    text = message("perturb_input", "noise-root-missing")
    assert (
        f"at level 125 your noise has std {variance:.3f}, it should be {variance**0.5:.3f}" in text
    )
    text = message("perturb_input", "signal-unscaled")
    assert f"1.000, where {alpha_bar(250) ** 0.5:.3f}" in text
    text = message("predict_x0", "faded-twice")
    late = alpha_bar(400) ** 0.5
    assert f"by {late:.3f}, it should be {1 / late:.2f}" in text
    text = message("predict_x0", "noise-root-missing")
    back = 0.5 + (variance**0.5 - variance) / alpha_bar(125) ** 0.5
    assert f"comes back from level 125 as {back:.3f}" in text
    text = message("alpha_bar", "no-product")
    beta_250 = 1e-4 + (0.02 - 1e-4) * 249 / 499
    assert f"{1 - beta_250:.3f} at level 250" in text and f"{alpha_bar(250):.3f} is left" in text
    text = message("beta_schedule", "level-0-patched")
    assert "0.0001398" in text
    text = message("ddim_step", "same-level")
    before, here = (1 - alpha_bar(240)) ** 0.5, (1 - alpha_bar(260)) ** 0.5
    assert f"down to std {before:.4f}, yours is {here:.4f}" in text
    text = message("posterior_shares", "farthest-first")
    near, far = (math.exp(-3 * (0.1 - s * 0.6**0.5) ** 2 / 0.8) for s in (1, -1))
    assert f"gets {near / (near + far):.3f}, it should get {far / (near + far):.3f}" in text
    text = message("effective_number", "largest-only")
    assert f"{1 / 0.7:.2f}" in text and f"{1 / 0.54:.2f}" in text
    assert message("guidance", "paper-convention").count("it should count") == 2


def test_last_step_noise_is_measured_as_the_std_that_it_leaves():
    functions = {m.name: m.function for m in loops.SAMPLER_LOOP.mistakes}
    text = checks.sampler_loop(functions["noise-in-the-last-step"]).message
    left = float(re.search(r"You end ([\d.]+) from", text)[1])
    assert left == pytest.approx((5e-4 * 2 / math.pi) ** 0.5, rel=0.05)  # mean of |N(0, beta)|


def test_the_noise_put_back_is_read_off_the_pictures_as_it_was_drawn():
    drawn = []

    def draw(x, i):
        drawn.append(torch.randn_like(x) * (i > 1))
        return drawn[-1]

    oracle, samples, _ = loops.run_sampler(loops.loop(draw=draw))
    z = loops.noise_put_back(oracle, samples)
    torch.testing.assert_close(z, torch.stack(drawn), atol=2e-3, rtol=0)


def test_the_loss_in_a_message_is_that_of_the_network_it_speaks_of():
    functions = {m.name: m.function for m in losses.TRAINING_LOSS.mistakes}
    text = checks.training_loss(functions["root-of-mean-square"]).message
    wrong, right = (float(number) for number in re.findall(r"\d+\.\d+", text))
    assert wrong**2 == pytest.approx(right, rel=0.01)


# --- unknown mistakes ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("factor", [1.37, -0.73])
def test_a_multiple_of_the_right_answer_is_told_by_which_number(name, factor):
    right = EXERCISES[name].right
    result = check(name, lambda *a, **k: factor * right(*a, **k))
    assert not result.passed and result.mistake != "unknown"
    if name in ("beta_schedule", "alpha_bar"):
        assert result.mistake == "scaled" and f"{factor:.4g} times what it" in result.message


def test_a_hint_says_where_it_is_right_and_where_wrong():
    def wrong_late(x, i, noise, *, schedule):
        x_t = perturb_input(x, i, noise, schedule=schedule)
        return x_t + 0.25 * x_t.sin() if i == 125 else x_t

    result = checks.perturb_input(wrong_late)
    assert result.mistake == "unknown"
    assert "Wrong: level 125 of 500. Right: level 0 of 500, level 1 of 500" in result.message
    assert "times what it should be" not in result.message


def test_a_coefficient_that_is_wrong_is_told_apart_from_those_that_are_right():
    def wobbly(x, i, noise, *, schedule):
        return perturb_input(x, i, noise * (1 + i % 7 / 10), schedule=schedule)

    result = checks.perturb_input(wobbly)
    full = (1 - alpha_bar(250)) ** 0.5
    assert result.mistake == "noise-off"
    assert f"the noise counts {1.5 * full:.4g} at level 250, it should count {full:.4g}" in (
        result.message
    )
    assert "the sprite counts" not in result.message


def test_faults_of_a_sampler_a_loss_and_a_dropout_are_read_off_their_numbers():
    def every_third_level(x, *, nn_model, schedule):
        for i in range(schedule.timesteps, 0, -3):
            x = denoise_add_noise(x, i, nn_model(x, i / schedule.timesteps), 0, schedule=schedule)
        return x

    result = checks.sampler_loop(every_third_level)
    assert result.mistake == "levels-skipped" and "34 levels are asked for, 3 apart" in (
        result.message
    )
    result = checks.sampler_loop(loops.loop(draw=lambda x, i: torch.randn_like(x) / 3 * (i > 1)))
    assert result.mistake == "noise-of-the-wrong-size" and "0.33 of a step's std" in result.message
    result = checks.training_loss(losses.loss_with(loss=lambda n, g, *_: 2 * ((n - g) ** 2).mean()))
    assert result.mistake == "loss-scaled" and "2 times as much" in result.message
    result = checks.context_dropout(lambda c, p: contexts.right_drop(c, p / 2))
    assert result.mistake == "wrong-share-dropped" and "5 % of the contexts" in result.message
    result = checks.ddim_levels(lambda n, timesteps: [timesteps, *range(2 * n - 2, -1, -2)])
    assert result.mistake == "uneven" and "2 to 442 apart, it should be 16 to 17" in result.message


def test_a_generator_of_levels_is_as_good_as_a_list_and_no_levels_are_not_done():
    assert checks.ddim_levels(lambda n, timesteps: iter(my_levels(n, timesteps))).passed
    assert checks.ddim_levels(lambda n, timesteps: []).mistake == "not-done"


def test_a_loss_as_a_plain_number_is_told_that_nothing_is_learned_from_it():
    result = checks.training_loss(lambda *a, **k: my_loss(*a, **k).item())
    assert result.mistake == "no-gradient"


def test_a_nearly_right_loss_does_not_pass():
    nearly = losses.loss_with(loss=lambda n, g, *_: 1.01 * ((n - g) ** 2).mean())
    assert checks.training_loss(nearly).mistake == "unknown"


# --- unfinished stubs ----------------------------------------------------------------------------


def blank_formula(x, i, noise, *, schedule):
    signal = ...
    return signal * x + noise


def not_written(*arguments, **keywords):
    raise NotImplementedError


def blank_loop(x, *, nn_model, schedule):
    for i in ...:
        x = nn_model(x, i)
    return x


def blank_question(x, *, nn_model, schedule):
    return nn_model(x, ...)


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize(
    "stub",
    [None, ..., not_written, lambda *a, **k: None, lambda *a, **k: ...],
    ids=["no function", "dots for a function", "NotImplementedError", "None", "dots"],
)
def test_a_stub_says_not_done_yet_in_one_line_and_does_not_stop(name, stub, capsys):
    result = check(name, stub)
    printed = capsys.readouterr().out
    assert printed.startswith("not done yet: ") and printed.count("\n") == 1
    assert not result.passed and result.mistake == "not-done"
    with pytest.raises(AssertionError, match="not done yet"):
        result.require()


def test_blanks_left_in_a_formula_a_loop_or_a_call_are_not_errors():
    assert checks.perturb_input(blank_formula).mistake == "not-done"
    assert checks.sampler_loop(blank_loop).mistake == "not-done"
    assert checks.sampler_loop(blank_question).mistake == "not-done"
    assert checks.sampler_loop(lambda x, *, nn_model, schedule: x).mistake == "not-done"
    blank_step = loops.loop(step=lambda x, i, eps, z, *, schedule: denoise_add_noise(
        x, i, ..., z, schedule=schedule))  # fmt: skip
    assert checks.sampler_loop(blank_step).mistake == "not-done"
    assert checks.training_loss(lambda x0, *, nn_model, schedule: nn_model(x0, ...)).mistake == (
        "not-done"
    )


# --- answers of the wrong form -------------------------------------------------------------------


def test_an_error_is_reported_with_its_kind_its_words_and_its_line():
    def broken(x, i, noise, *, schedule):
        return x + torch.zeros(7, 7)

    result = checks.perturb_input(broken)
    line = broken.__code__.co_firstlineno + 1
    assert result.mistake == "error"
    told = f"broken stops in line {line}, `return x + torch.zeros(7, 7)`, with RuntimeError: The"
    assert told in result.message


def test_a_wrong_signature_is_reported_and_no_address_is_printed():
    assert "TypeError" in checks.perturb_input(lambda x: x).message

    def shout(x, i, noise, *, schedule):
        raise ValueError(f"what is {object()}?\nand a second line")

    message = checks.perturb_input(shout).message
    assert message.endswith("ValueError: what is <object object>?")


def test_stopping_the_kernel_is_not_swallowed():
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.perturb_input(interrupted)


def test_wrong_shape_kind_precision_and_nan_are_told_apart():
    def change(how):
        return lambda *a, **k: how(perturb_input(*a, **k))

    result = checks.perturb_input(change(lambda x: x.flatten(1)))
    assert result.mistake == "shape" and "(1, 48) where (1, 3, 4, 4)" in result.message
    result = checks.perturb_input(change(lambda x: "sprite"))
    assert result.mistake == "type" and "returns a str" in result.message
    result = checks.perturb_input(change(lambda x: ["a", "b"]))
    assert result.mistake == "type" and "returns a list" in result.message
    result = checks.perturb_input(change(lambda x: x / 0 * 0))
    assert result.mistake == "not-finite" and "48 of its 48 numbers are nan" in result.message
    assert checks.sampler_loop(loops.loop(finish=lambda x, eps: x[:1])).mistake == "shape"
    assert checks.context_dropout(lambda c, probability: c[0]).mistake == "shape"


def test_a_right_answer_of_another_kind_is_right_with_a_hint():
    def change(how):
        return checks.perturb_input(lambda *a, **k: how(perturb_input(*a, **k)))

    def in_place(x, i, noise, *, schedule):
        x *= schedule.alpha_bar[i].sqrt()
        x += (1 - schedule.alpha_bar[i]).sqrt() * noise
        return x

    for result, hint in (
        (change(lambda x: x.double()), "its numbers are float64"),
        (change(lambda x: x.numpy()), "it gives a numpy array"),
        (checks.perturb_input(in_place), "it changes the tensor it was given"),
    ):
        assert result.passed and hint in result.message and "variance of the two" in result.message
    assert "float64" not in change(lambda x: x).message


def test_a_wrong_answer_that_changes_what_it_is_given_is_told_so():
    def in_place(x, i, noise, *, schedule):
        x *= x.abs().sin()
        return x + noise * i * schedule.beta[i]

    assert checks.perturb_input(in_place).mistake == "changed-input"


@pytest.mark.parametrize("name", PLAIN)
def test_a_function_that_draws_its_own_noise_is_told_so_with_two_answers(name):
    right = EXERCISES[name].right
    message = check(name, lambda *a, **k: right(*a, **k) + 0.1 * torch.rand(1).item())
    assert message.mistake == "draws-its-own-noise"
    assert re.search(r": [-\d.]+ the first time, [-\d.]+ the second", message.message)
    numpys = check(name, lambda *a, **k: right(*a, **k) + 0.1 * numpy.random.rand())
    assert numpys.mistake == "draws-its-own-noise"


def test_an_argument_that_has_no_say_is_named():
    schedule = linear_schedule()

    def typed_in(x, i, noise, *, schedule=schedule):
        return perturb_input(x, i, noise, schedule=linear_schedule())

    def no_level(x, i, noise, *, schedule):
        return perturb_input(x, 250, noise, schedule=linear_schedule())

    assert checks.perturb_input(typed_in).mistake in ("ignores-schedule", "error")
    assert checks.perturb_input(lambda x, i, noise, *, schedule: 0.9 * x).mistake == "ignores-i"
    result = checks.ddim_step(
        lambda x, i, i_prev, eps, *, schedule: denoise_add_noise(x, 7, eps, 0, schedule=schedule)
    )
    assert result.mistake == "ignores-i" and "whatever i is" in result.message


@pytest.mark.parametrize("name", [name for name in PLAIN if EXERCISES[name].batched])
def test_a_function_that_depends_on_the_batch_is_told_so(name):
    right = EXERCISES[name].right

    def crowd(*arguments, **keywords):
        answer = right(*arguments, **keywords)
        return answer - answer.mean(0, keepdim=True) / 2

    result = check(name, crowd)
    assert result.mistake == "depends-on-the-batch"
    assert re.search(r"[-\d.]+ alone, [-\d.]+ in a batch of \d", result.message)


def test_what_stops_a_loop_is_told_with_its_line_unless_it_is_known():
    def broken(x, *, nn_model, schedule):
        for i in range(schedule.timesteps, 0, -1):
            x = x - nn_model(x, i / schedule.timesteps) @ torch.zeros(3)
        return x

    result = checks.sampler_loop(broken)
    line = broken.__code__.co_firstlineno + 2
    assert result.mistake == "error" and f"stops in line {line}, `x = x - nn_model" in (
        result.message
    )


def test_no_number_is_printed_that_was_not_measured():
    def explodes(x, *, nn_model, schedule):
        for i in range(schedule.timesteps, 0, -1):
            x = 1e30 * x - nn_model(x, i / schedule.timesteps)
        return x

    nothing = (
        checks.sampler_loop(explodes),
        checks.sampler_loop(lambda x, *, nn_model, schedule: 3 * nn_model(x, 0.77) + x),
        checks.perturb_input(lambda x, i, noise, *, schedule: x / (i - 125) * 1e20),
        checks.training_loss(lambda x0, *, nn_model, schedule: nn_model(x0 / 0, 0.5).sum()),
        checks.alpha_bar(lambda beta: (beta - 0.01).log()),
        checks.predict_x0(lambda x_t, i, noise, *, schedule: x_t * float("inf")),
        checks.mixing_desk(lambda h, scale, shift: h * float("nan")),
    )
    for result in nothing:
        assert not result.passed
        assert not re.search(r"(of|from|to|has|std|is|by) -?(nan|inf)|\d{9}", result.message), (
            result.message
        )


@pytest.mark.parametrize(("name", "mistake"), BANK, ids=BANK_NAMES)
def test_all_numbers_of_a_known_mistake_are_measured(name, mistake):
    yours = engine.run(EXERCISES[name].measure, mistake.function)
    for blank in re.findall(r"\{your_(\w+)", mistake.sentence):
        assert engine.measured(yours.get(blank)), blank


def test_a_call_in_place_of_the_function_is_told_so():
    result = checks.perturb_input(torch.zeros(2))
    assert result.mistake == "type" and "without brackets" in result.message


def test_a_loop_that_never_ends_is_stopped():
    def endless(x, *, nn_model, schedule):
        while True:
            nn_model(x, 1.0)

    assert not checks.sampler_loop(endless).passed


# --- what every check promises -------------------------------------------------------------------


def all_messages():
    for name, mistake in BANK:
        yield check(name, mistake.function).message
    for name in PLAIN:
        right = EXERCISES[name].right
        yield check(name, lambda *a, right=right, **k: 1.37 * right(*a, **k)).message
    for question in numbers.QUESTIONS:
        for wrong in question.wrong:
            yield checks.number(question.name, wrong.value()).message


def test_no_message_holds_code_that_gives_the_answer_away():
    code = r"torch\.|\*\*|sqrt|cumprod|softmax\(|\.exp|\[i\]|schedule\.|randint\(|\w \* \w|return "
    for message in all_messages():
        assert not re.search(code, message), message


def test_no_message_shows_an_address_or_a_worn_out_phrase():
    for message in all_messages():
        assert not re.search(r"0x[0-9a-f]{4}|!", message), message


@pytest.mark.parametrize("name", EXERCISES)
def test_a_check_leaves_the_global_random_state_as_it_was(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check(name, EXERCISES[name].right)
    check(name, EXERCISES[name].mistakes[-1].function)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_same_answer_gets_the_same_line_each_time(name):
    assert check(name, ANSWERS[name]).message == check(name, ANSWERS[name]).message


def test_a_result_shows_itself_plainly_and_leaves_no_output_of_a_cell():
    result = checks.perturb_input(None)
    assert repr(result) == (
        "Result(exercise='perturb_input', passed=False, mistake='not-done', "
        "message='not done yet: this exercise has no function yet')"
    )
    assert result._ipython_display_() is None


def test_an_unknown_convention_of_guidance_is_refused():
    with pytest.raises(ValueError, match="convention is 'mine'; expected 'scale' or 'paper'"):
        checks.guidance(my_guidance, convention="mine")


def test_adding_a_mistake_is_adding_an_entry():
    from dataclasses import replace

    new = engine.Mistake("doubled", lambda x, *a, **k: 2 * x, "twice: {your_signal:.1f}")
    exercise = replace(levels.PERTURB_INPUT, mistakes=(new,))
    assert engine.check(exercise, lambda x, *a, **k: 2 * x).message.endswith("twice: 2.0")


# --- numbers -------------------------------------------------------------------------------------

KNOWN = {
    "terminal-signal": alpha_bar(500) ** 0.5, "guidance-in-paper-terms": 2, "ddim-speedup": 20,
    "bits-of-1024": 10, "pixels-seen": 121, "odds-of-two-votes": 2.718281828**2,
    "times-seen": 288, "best-echo-half-way": alpha_bar(184),
}  # fmt: skip
WRONG = [(question, wrong) for question in numbers.QUESTIONS for wrong in question.wrong]


def test_every_question_has_a_right_answer_that_passes():
    names = [question.name for question in numbers.QUESTIONS]
    assert len(names) == len(set(names)) and KNOWN.keys() <= set(names)
    for question in numbers.QUESTIONS:
        assert checks.number(question.name, question.right()).passed


@pytest.mark.parametrize("name", KNOWN)
def test_the_right_number_passes_in_any_wrapping(name, capsys):
    for answer in (KNOWN[name], torch.tensor(float(KNOWN[name])), numpy.float64(KNOWN[name])):
        result = checks.number(name, answer)
        assert result.passed and re.match(r"right: [^{]*\d[^{]*$", result.message)
        assert capsys.readouterr().out == result.message + "\n"


@pytest.mark.parametrize(("question", "wrong"), WRONG, ids=lambda value: value.name)
def test_each_known_wrong_number_is_named_and_the_right_one_not_told(question, wrong):
    result = checks.number(question.name, wrong.value())
    assert result.mistake == wrong.name
    told = result.message.replace(f"{wrong.value():.4g}: ", "")
    assert f"{question.right():.3g}" not in re.findall(r"[\d.]*\d", told)


def test_terminal_signal_as_a_variance_is_told_apart_from_its_root():
    result = checks.number("terminal-signal", 0.0064)
    assert result.mistake == "variance"
    assert checks.number("terminal-signal", 0.0797).passed


def test_an_unknown_wrong_number_is_told_which_way_it_is_off():
    assert "too small, by far" in checks.number("ddim-speedup", 10).message
    assert "too large, by less than a tenth" in checks.number("ddim-speedup", 21).message
    assert "of the wrong sign" in checks.number("ddim-speedup", -20).message


@pytest.mark.parametrize(
    ("name", "answer", "mistake", "told"),
    [
        ("terminal-signal", 0.5, "of-another-level", "at level 262"),
        ("terminal-signal", 0.03, "too-little", "0.0064"),
        ("terminal-signal", 8, "no-part", "between 0 and 1"),
        ("echo-half-way", 0.33, "too-little", "costs more than that alone"),
        ("echo-half-way", 0.54, "noise-too-cheap", "costs more than"),
        ("echo-half-way", 0.9, "noise-too-dear", "is less"),
        ("echo-half-way", 1.2, "worse-than-0", "costs 1"),
        ("best-echo-half-way", 0.4, "too-good", "no w"),
        ("best-echo-half-way", 0.8, "not-the-best", "costs less"),
        ("best-echo-half-way", 2, "worse-than-0", "costs 1"),
        ("times-seen", 144, "other-count", "0.4 times in each"),
        ("times-seen", 400, "too-often", "1.1 times in each"),
        ("grey-of-a-loss", 0.4, "less-than-a-step", "off by 9 steps"),
        ("grey-of-a-loss", 5, "less-than-the-noise", "off by 9 steps"),
        ("grey-of-a-loss", 20, "other-factor", "grow 2.2 times"),
        ("pixels-seen", 81, "other-layers", "what 4 layers would see"),
        ("pixels-seen", 100, "no-middle", "10 by 10"),
        ("pixels-seen", 243, "no-square", "form a square"),
        ("odds-of-two-votes", 6, "other-votes", "1.8 votes"),
        ("odds-of-two-votes", 0.5, "less-likely", "-0.7 votes"),
        ("odds-of-two-votes", -2, "no-odds", "above 0"),
    ],
)
def test_a_number_that_nobody_foresaw_is_told_what_it_would_mean(name, answer, mistake, told):
    result = checks.number(name, answer)
    assert result.mistake == mistake and told in result.message
    right = numbers.find(name).right()
    assert f"{right:.3g}" not in re.findall(r"[\d.]*\d", result.message.split(": ", 2)[2])


def test_a_number_not_given_yet_repeats_the_question():
    result = checks.number("terminal-signal", None)
    assert result.message == f"not done yet: {checks.question('terminal-signal')}"
    assert checks.number("terminal-signal", "much").mistake == "type"
    assert checks.number("terminal-signal", float("nan")).mistake == "type"


def test_a_question_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="name is 'no-such'; expected one of terminal-signal"):
        checks.number("no-such", 1)


# --- the ledger ----------------------------------------------------------------------------------

ASK = "At level 250, how much of Bob is left?"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder as the notebook's, and a kernel that has just started."""
    monkeypatch.chdir(tmp_path)
    restart()
    yield tmp_path
    restart()


def restart():
    predictions.predicted.clear()
    predictions.memory.clear()


def lesson(guess):
    """What a lesson does with one prediction."""
    checks.predict("01-signal", ASK, guess)
    checks.reveal("01-signal", 0.53, within=0.05)
    checks.ledger("01")


def test_without_predictions_the_lines_are_the_same_whatever_the_file_holds(folder, capsys):
    lesson(None)
    plain = capsys.readouterr().out
    assert plain.count("\n") == 3 and not list(folder.iterdir())
    for content in ("{broken", json.dumps({"01-signal": {"guess": 3, "truth": 1, "within": 1}})):
        (folder / "predictions.json").write_text(content)
        lesson(None)
        assert capsys.readouterr().out == plain
        assert (folder / "predictions.json").read_text() == content


def test_a_prediction_is_scored_by_how_far_off_it_is(folder, capsys):
    lesson(0.5)
    out = capsys.readouterr().out
    assert "Measured: 0.53. You said 0.5: a hit, 0.03 too low (0.05 allowed)." in out
    assert "Your predictions of lesson 01: 1 of 1 points (1 hit, 0 close, 0 missed)" in out
    checks.predict("01-noise", ASK, 0.6)
    checks.reveal("01-noise", 0.5, within=0.05)
    checks.predict("01-colours", ASK, 100)
    checks.reveal("01-colours", 3)
    checks.predict("02-other", ASK, 1)
    capsys.readouterr()
    checks.ledger("01")
    out = capsys.readouterr().out
    assert "1.5 of 3 points (1 hit, 1 close, 1 missed)" in out and "02-other" not in out


def test_a_word_is_a_prediction_too(folder, capsys):
    for guess, verdict in (("Yes", "a hit"), ("no", "a miss"), (True, "a hit")):
        name = f"01-{guess}"
        checks.predict(name, "Is it normal?", guess)
        checks.reveal(name, "yes")
        assert capsys.readouterr().out.strip().endswith(f": {verdict}.")
    checks.predict("01-text", ASK, "0.5")
    checks.reveal("01-text", 0.52, within=0.05)
    assert "You said 0.5: a hit, 0.02 too low" in capsys.readouterr().out


def test_the_first_answer_stays_and_a_miss_may_be_tried_again(folder, capsys):
    checks.predict("01-signal", ASK, 0.1)
    checks.predict("01-signal", ASK, 0.2)  # a change of mind before the truth
    checks.reveal("01-signal", 0.53, within=0.05)
    restart()
    checks.predict("01-signal", ASK, 0.53)
    told = "Your prediction: 0.2, said before the answer was shown; it stays in the ledger. Your "
    assert told + "next try: 0.53. Noted." in capsys.readouterr().out
    checks.reveal("01-signal", 0.53, within=0.05)
    out = capsys.readouterr().out
    assert "You said 0.2: a miss, 0.33 too low (0.05 allowed). Tried again, 0.53: a hit" in out
    checks.ledger("01")
    out = capsys.readouterr().out
    assert "0 of 1 points" in out and "you said 0.2, measured 0.53: a miss" in out
    assert "tried again, 0.53: a hit" in out
    assert json.loads((folder / "predictions.json").read_text())["01-signal"]["guess"] == 0.2


def test_a_hit_is_not_tried_again(folder, capsys):
    lesson(0.52)
    capsys.readouterr()
    checks.predict("01-signal", ASK, 0.9)
    assert capsys.readouterr().out == (
        "Your prediction: 0.52, said before the answer was shown; it stays.\n"
    )


NUMBERS_AS_SAID = [
    ("768 numbers", 768), ("97%", 0.97), ("97 %", 0.97), ("97 percent", 0.97), ("0,53", 0.53),
    ("about 0.5", 0.5), ("half", 0.5), ("one half", 0.5), ("a third", 1 / 3),
    ("three quarters", 0.75), ("two hundred and fifty", 250), ("1,000", 1000), ("1 000", 1000),
    ("16 x 16 x 3", 768), ("16*16*3", 768), ("16x16x3 = 768", 768), ("between 3 and 5", 4),
    ("3-5", 4), ("1/2", 0.5), ("-0.5", -0.5), ("minus two", -2), ("seven hundred sixty-eight", 768),
    ("10^-3", 0.001), ("1e-3", 0.001), ("roughly 5 sprites", 5), ("twelve", 12), ("a dozen", 12),
    ("two and a half", 2.5), ("level 184", 184), ("12,288", 12288), ("nothing", 0),
    ("I'd say 0.97!", 0.97), ("~ 3.5?", 3.5), ("½", 0.5), ("−2", -2), ("50 per cent", 0.5),
    ("sqrt(25)", 5), ("√25", 5), ("root of 0.25", 0.5), ("twice", 2), ("twice as much", 2),
]  # fmt: skip
TWO, THREE = "is the loss lower or higher?", "variance above, below or one?"
WORDS_AS_SAID = [
    ("Below one", "below", THREE), ("below 1", "below", THREE), ("one", "one", THREE),
    ("No!", "no", "yes or no"), ("no way", "no", ""), ("nope", "no", ""), ("it will not", "no", ""),
    ("I don't think so", "no", ""), ("yes, no doubt", "yes", ""), ("Yes.", "yes", ""),
    ("the outline", "outline", "outline, detail or colour?"), ("the shape first", "outline", ""),
    ("less than half", "less", "less or more than half"), ("more than half", "more", ""),
    ("not smoother, sharper", "sharper", ""), ("not sharper", "smoother", ""),
    ("colour, not outline", "colour", ""), ("it goes up", "higher", TWO), ("Lower!", "lower", TWO),
    ("Blurred.", "blurred", ""), ("noise", "noisy", ""), ("better than 0", "better", ""),
    ("< 1", "below", THREE), (">1", "above", THREE), ("less sharp", "smoother", ""),
    ("fewer", "no", "more pixels right? yes or no"), ("I think so", "yes", "yes or no"),
    ("it looks further", "up", "up, down or level?"), ("it diverges", "higher", TWO),
]  # fmt: skip


@pytest.mark.parametrize(("said", "truth"), NUMBERS_AS_SAID)
def test_a_number_is_read_as_a_person_reads_it(folder, capsys, said, truth):
    checks.predict("01-signal", ASK, said)
    checks.reveal("01-signal", truth, within=1e-6)
    out = capsys.readouterr().out
    assert ": a hit" in out and f"Your prediction: {said}. Noted." in out.replace(
        f"Your prediction: {truth:.4g}. Noted.", f"Your prediction: {said}. Noted."
    )


@pytest.mark.parametrize(("said", "truth", "question"), WORDS_AS_SAID)
def test_a_word_is_read_as_a_person_reads_it(folder, capsys, said, truth, question):
    checks.predict("01-word", question, said)
    checks.reveal("01-word", truth)
    assert capsys.readouterr().out.strip().endswith(": a hit.")


@pytest.mark.parametrize(
    ("said", "truth"),
    [("above one", "below"), ("yes", "no"), ("not yes", "yes"), ("the colour", "outline"),
     ("more than half", "less"), ("sharper", "smoother"), ("no idea", "yes"), ("hm", "outline"),
     ("767", 768), ("3%", 0.3), ("lots", 3), ("a third", 0.5), ("minus two", 2)],
)  # fmt: skip
def test_what_is_not_the_answer_is_read_as_a_miss(folder, capsys, said, truth):
    checks.predict("01-word", THREE, said)
    checks.reveal("01-word", truth)
    assert ": a miss" in capsys.readouterr().out


def test_all_that_is_on_file_is_shown_after_a_restart(folder, capsys):
    lesson(0.5)
    checks.predict("02-later", ASK, 7)
    restart()
    capsys.readouterr()
    checks.ledger()
    out = capsys.readouterr().out
    assert "01-signal: you said 0.5, measured 0.53" in out
    assert "02-later: you said 7; not revealed yet" in out


@pytest.mark.parametrize(
    "content",
    [
        "{broken",
        "[]",
        '{"01": 3}',
        '{"01": {"guess": [1]}}',
        '{"01": {"guess": 1, "truth": 2}}',
        "",
    ],
)
def test_a_broken_file_is_set_aside_with_a_sentence(folder, content, capsys):
    (folder / "predictions.json").write_text(content)
    (folder / "predictions.broken-1.json").write_text("an older one")
    lesson(0.5)
    out = capsys.readouterr().out
    assert "predictions.json could not be read; it is now predictions.broken-2.json" in out
    assert (folder / "predictions.broken-2.json").read_text() == content
    assert json.loads((folder / "predictions.json").read_text())["01-signal"]["guess"] == 0.5


def test_bytes_that_are_no_text_are_set_aside(folder, capsys):
    (folder / "predictions.json").write_bytes(b"\xff\xfe\x00")
    lesson(0.5)
    assert "could not be read" in capsys.readouterr().out


def test_a_write_that_fails_leaves_the_old_file_whole_and_the_lesson_running(
    folder, monkeypatch, capsys
):
    lesson(0.5)
    before = (folder / "predictions.json").read_text()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(predictions.os, "replace", full)
    capsys.readouterr()
    checks.predict("01-more", ASK, 3)
    checks.reveal("01-more", 3)
    out = capsys.readouterr().out
    assert "could not be written (No space left on device)" in out and "You said 3: a hit" in out
    assert (folder / "predictions.json").read_text() == before
    assert [path.name for path in folder.iterdir()] == ["predictions.json"]


def test_a_file_that_can_neither_be_read_nor_moved_does_not_stop_the_lesson(
    folder, monkeypatch, capsys
):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    (folder / "predictions.json").write_text("{broken")
    monkeypatch.setattr(predictions.os, "replace", refuse)
    lesson(0.5)
    out = capsys.readouterr().out
    assert "predictions are kept until the kernel stops" in out and "1 of 1 points" in out
    assert (folder / "predictions.json").read_text() == "{broken"


def test_a_file_that_was_deleted_since_the_prediction_is_told(folder, capsys):
    checks.predict("01-signal", ASK, 0.5)
    (folder / "predictions.json").unlink()
    capsys.readouterr()
    checks.reveal("01-signal", 0.53)
    told = "Measured: 0.53. Your prediction is no longer on file.\n"
    assert capsys.readouterr().out == told


def test_predictions_that_wait_for_their_truth_get_no_points(folder, capsys):
    checks.predict("01-signal", ASK, 0.5)
    capsys.readouterr()
    checks.ledger("01")
    assert "lesson 01: 1 made, none revealed yet" in capsys.readouterr().out


def test_a_folder_that_nothing_can_be_written_to_does_not_stop_the_lesson(
    folder, monkeypatch, capsys
):
    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(predictions.tempfile, "mkstemp", refuse)
    lesson(0.5)
    assert "1 of 1 points" in capsys.readouterr().out


def test_a_prediction_that_is_no_number_and_no_word_is_refused(folder):
    with pytest.raises(TypeError, match="predict: guess is \\[1, 2\\]; expected a number, a word"):
        checks.predict("01-signal", ASK, [1, 2])
    with pytest.raises(ValueError, match="predict: guess is inf; expected a finite number"):
        checks.predict("01-signal", ASK, math.inf)
    with pytest.raises(ValueError, match="reveal: within is -1; expected a finite number >= 0"):
        checks.reveal("01-signal", 1, within=-1)
    assert not list(folder.iterdir())


def test_truths_may_come_as_tensors(folder, capsys):
    checks.predict("01-signal", ASK, torch.tensor(0.5))
    checks.reveal("01-signal", torch.tensor([0.5]))
    assert "You said 0.5: a hit, 0 (0 allowed)." in capsys.readouterr().out


def test_the_checks_need_no_plotting(monkeypatch):
    import importlib
    import sys

    real = builtins.__import__

    def guarded(name, *arguments, **keywords):
        assert name.split(".")[0] not in ("matplotlib", "ipywidgets", "IPython"), name
        return real(name, *arguments, **keywords)

    for name in [name for name in sys.modules if name.startswith("diffutils.stage.checks")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", guarded)
    importlib.import_module("diffutils.stage.checks")


def test_the_schedule_of_the_checks_is_that_of_the_lessons():
    assert linear_schedule().alpha_bar[125].item() == pytest.approx(alpha_bar(125), rel=1e-12)
