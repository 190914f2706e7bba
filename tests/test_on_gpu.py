"""The script for a GPU does what it says where there is none."""

import on_gpu
import pytest
import torch


def test_the_whole_script_runs_on_the_cpu(capsys):
    assert on_gpu.main(["--device", "cpu", "--quick"]) is False
    said = capsys.readouterr().out
    for name in ("plain, float32", "plain, bfloat16", "palette, float32", "palette, bfloat16"):
        assert f"| {name} |" in said
    assert said.count("\n|") == 6 and "nan" not in said and said.endswith("all as on the CPU\n")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_without_cuda_one_sentence_says_so():
    with pytest.raises(SystemExit, match="sees no CUDA device here; to try .*--device cpu --quick"):
        on_gpu.main([])


def test_a_curve_is_apart_where_one_part_is():
    expected = torch.tensor([1.0, 2, 1, 2, 1, 2, 1, 2, 1, 2])
    assert on_gpu.furthest(expected, expected) == 0
    other = expected.clone()
    other[-2:] += 1
    assert on_gpu.furthest(other, expected) == pytest.approx(2)  # 1 in errors of 0.5


def test_another_loss_curve_and_other_samples_are_told(monkeypatch):
    monkeypatch.setattr(on_gpu, "difference", lambda *given: float("nan"))
    expected = 5 + torch.rand(on_gpu.QUICK.steps)
    row, wrong = on_gpu.check("plain", "cpu", False, on_gpu.QUICK, expected)
    assert len(wrong) == 2 and "the loss curve is" in wrong[0] and "samples differ" in wrong[1]
    assert row.startswith("| plain, float32 | 5.")


def test_samples_of_the_same_network_in_the_same_place_are_the_same():
    nn_model = on_gpu.KINDS["plain"](schedule=on_gpu.linear_schedule(20))
    assert on_gpu.difference(nn_model, "cpu", False) == 0
