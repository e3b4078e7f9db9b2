import pytest
import torch
from torch import Tensor

from inkbloom.core.errors import RequestError
from inkbloom.nn.steering import UNSTEERED, Steering
from inkbloom.sampling.control import ByAdapter, ByControlNet, Control, Controlled, ControlMode
from inkbloom.sampling.prediction import ModelDenoiser
from inkbloom.sampling.schedules import NoiseScheduleSpec

X = torch.zeros(2, 1, 1, 1)
PROMPTED = torch.tensor([0.0, 1.0])[:, None, None, None]
CONTEXT = torch.zeros(2, 1, 1)


def ones(x: Tensor, t: Tensor, conditioning: Tensor, hint: Tensor, /) -> Steering:
    """A ControlNet of three outputs, each 1 times the hint."""
    return Steering(skips=(hint, hint), middle=hint)


def weights(steering: Steering) -> list[list[float]]:
    """For each output those of the unprompted and the prompted row."""
    assert steering.middle is not None
    return [each.flatten().tolist() for each in (*steering.skips, steering.middle)]


SOFT = [0.825**2, 0.825, 1.0]


@pytest.mark.parametrize(
    ("mode", "pooled", "expected"),
    [
        ("balanced", False, [[0.5, 0.5]] * 3),
        ("prompt", False, [[0.5 * w, 0.5 * w] for w in SOFT]),
        ("control", False, [[0.0, 0.5 * w] for w in SOFT]),
        ("balanced", True, [[0.0, 0.5]] * 3),
        ("control", True, [[0.0, 0.5]] * 3),
    ],
)
def test_modes(mode: ControlMode, pooled: bool, expected: list[list[float]]) -> None:
    steer = ByControlNet(network=ones, hint=torch.ones(1, 1, 1, 1), weight=0.5, mode=mode, pooled=pooled)
    found = weights(steer(X, torch.zeros(2), CONTEXT, PROMPTED))
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected))


def test_soft_weights_of_sd1_end_at_a_tenth() -> None:
    def network(x: Tensor, t: Tensor, conditioning: Tensor, hint: Tensor, /) -> Steering:
        return Steering(skips=(hint,) * 12, middle=hint)

    found = ByControlNet(network=network, hint=torch.ones(1, 1, 1, 1), mode="prompt")(X, X, CONTEXT, PROMPTED)
    # 0.825^12, as in the original's script; diffusers' guess mode has 10^-1
    assert found.skips[0][0].item() == pytest.approx(0.0994, abs=1e-4)
    assert found.middle is not None
    assert found.middle[0].item() == 1


def test_adapters_have_the_modes_too() -> None:
    levels = (torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
    found = ByAdapter(levels=levels, weight=0.5, mode="control")(X, X, CONTEXT, PROMPTED)
    found_weights = torch.tensor([each.flatten().tolist() for each in found.levels])
    torch.testing.assert_close(found_weights, torch.tensor([[0.0, 0.5 * 0.825], [0.0, 0.5]]))


def test_it_acts_where_diffusers_lets_it_act() -> None:
    """`keep` of diffusers' pipelines: 1 - (i / n < start or (i + 1) / n > end)."""
    for start, end in [(0.0, 1.0), (0.0, 0.3), (0.25, 0.75), (0.5, 1.0), (0.0, 0.05)]:
        control = Control(steer=ByAdapter(levels=()), start=start, end=end)
        kept = [not (i / 10 < start or (i + 1) / 10 > end) for i in range(10)]
        assert [control.acts(i, 10) for i in range(10)] == kept


def test_the_noise_level_tells_the_step() -> None:
    sigmas = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0], dtype=torch.float64)
    steer = ByControlNet(network=ones, hint=torch.ones(1, 1, 1, 1))

    def model(x: Tensor, t: Tensor, conditioning: Tensor, steering: Steering, /) -> Tensor:
        return x + (0.0 if steering.middle is None else 1.0)

    controlled = Controlled(model=model, controls=[Control(steer=steer, start=0.25, end=0.75)], sigmas=sigmas)
    acted = {sigma: controlled.at(sigma, PROMPTED)(X, X, CONTEXT).sum().item() > 0 for sigma in (9, 8, 4, 3, 2, 1, 0.5)}
    assert acted == {9: False, 8: False, 4: True, 3: True, 2: True, 1: False, 0.5: False}


def test_the_denoiser_tells_which_rows_are_prompted() -> None:
    seen: list[Tensor] = []

    def steer(x: Tensor, t: Tensor, conditioning: Tensor, prompted: Tensor, /) -> Steering:
        seen.append(prompted.flatten())
        return Steering()

    def model(x: Tensor, t: Tensor, conditioning: Tensor, steering: Steering = UNSTEERED, /) -> Tensor:
        return x

    schedule = NoiseScheduleSpec(beta_start=0.00085, beta_end=0.012).build()
    sigmas = torch.tensor([2.0, 0.0], dtype=torch.float64)
    controlled = Controlled(model=model, controls=[Control(steer=steer)], sigmas=sigmas)
    for batched in (True, False):
        denoiser = ModelDenoiser(model, schedule, "epsilon", batched=batched, controls=controlled)
        denoiser.outputs(X, 2.0, [CONTEXT, CONTEXT, CONTEXT], num_unprompted=1)
    assert [rows.tolist() for rows in seen] == [[0, 0, 1, 1, 1, 1], [0, 0], [1, 1], [1, 1]]


def test_bad_input() -> None:
    with pytest.raises(RequestError, match=r'Unknown control mode "balance"\. Did you mean "balanced"'):
        ByAdapter(levels=(), mode="balance")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"A control from 0\.5 to 0\.5 never acts"):
        Control(steer=ByAdapter(levels=()), start=0.5, end=0.5)
