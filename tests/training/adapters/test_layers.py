import copy

import pytest
import torch
from torch import Tensor, nn

from inkbloom.checkpoints.adapters.kinds import Decomposed, Hadamard, LowRank
from inkbloom.checkpoints.adapters.live import add_to_output
from inkbloom.training.adapters.layers import Dropouts, TrainableChange, draw_seeds

LORA = LowRank(up=torch.ones(6, 4), down=torch.eye(4, 8), alpha=4.0)


def trainable(change=LORA, largest: float | None = None, **parts: float) -> TrainableChange:
    return TrainableChange(change, (6, 8), dropouts=Dropouts(**parts), largest=largest)


def added(one: TrainableChange, seeds: tuple[int, ...], x: Tensor) -> Tensor:
    one.seeds = seeds
    return one(nn.Linear(8, 6), x).detach()


def test_each_examples_dropout_is_its_own() -> None:
    """Whatever else is in the batch, and for each chunk of its caption."""
    one, x = trainable(rank=0.5, channel=0.3), torch.rand(3, 5, 8)
    whole = added(one, (1, 2, 3), x)
    for i, seed in enumerate((1, 2, 3)):
        torch.testing.assert_close(added(one, (seed,), x[i : i + 1]), whole[i : i + 1])
    chunks = added(one, (1, 2, 3), x.repeat_interleave(2, 0))
    torch.testing.assert_close(chunks[::2], whole)
    torch.testing.assert_close(chunks[1::2], whole)
    assert not torch.equal(added(one, (4, 5, 6), x), whole)


@pytest.mark.parametrize("part", ["channel", "rank", "module"])
def test_how_much_is_dropped(part: str) -> None:
    """Of 4 x 2000 channels; three standard deviations. What stays of a channel counts 1 / (1 - p)."""
    one = trainable(LowRank(up=torch.eye(6, 4), down=torch.eye(4, 8)), **{part: 0.25})
    found = added(one, tuple(range(2000)), torch.ones(2000, 1, 8))[:, 0, :4]
    kept = (found != 0).float()
    assert abs(kept.mean() - 0.75) < 3 * (0.25 * 0.75 / 2000) ** 0.5
    assert found[found != 0].unique().tolist() == [pytest.approx(1.0 if part == "module" else 1 / 0.75)]
    if part == "module":
        assert set(kept.sum(1).tolist()) == {0.0, 4.0}


def test_nothing_is_dropped_but_in_training() -> None:
    one, x = trainable(rank=0.9, module=0.9, channel=0.9), torch.rand(1, 2, 8)
    whole = trainable()(nn.Linear(8, 6), x)
    assert torch.equal(added(one.eval(), (1,), x), whole)
    assert torch.equal(added(one.train(), (), x), whole)


def test_other_kinds_lose_outputs() -> None:
    loha = Hadamard(w1_a=torch.ones(6, 1), w1_b=torch.ones(1, 8), w2_a=torch.ones(6, 1), w2_b=torch.ones(1, 8))
    found = added(trainable(loha, rank=0.5), (1, 2), torch.ones(2, 3, 8))
    assert set(found.unique().tolist()) == {0.0, 16.0}
    assert torch.equal(found, found[:, :1].expand_as(found))  # the same outputs at each place
    conv = trainable(LowRank(up=torch.ones(6, 4), down=torch.ones(4, 2, 2, 2)), rank=0.5)
    conv.seeds = (1, 2)
    assert conv(nn.Conv2d(2, 6, 2), torch.ones(2, 2, 5, 5)).shape == (2, 6, 4, 4)


def test_seeds_follow_from_step_row_and_place() -> None:
    layers = [trainable() for _ in range(3)]
    draw_seeds(layers, 1, 2, (0, 1, 2, 3))
    whole = [layer.seeds for layer in layers]
    draw_seeds(layers, 1, 2, (2, 3))
    assert [layer.seeds for layer in layers] == [seeds[2:] for seeds in whole]
    assert len({seed for seeds in whole for seed in seeds}) == 12
    draw_seeds(layers, 1, 3, (2, 3))
    assert not {seed for layer in layers for seed in layer.seeds} & {seed for seeds in whole for seed in seeds}


@pytest.mark.parametrize("kind", ["lora", "loha", "dora"])
@pytest.mark.parametrize("largest", [0.5, 100.0])
def test_the_norm_has_a_limit(kind: str, largest: float) -> None:
    torch.manual_seed(0)
    pieces = {name: torch.randn(6, 2) for name in ("w1_a", "w2_a")} | {n: torch.randn(2, 8) for n in ("w1_b", "w2_b")}
    lora = LowRank(up=torch.randn(6, 2), down=torch.randn(2, 8), alpha=1.0)
    dora = Decomposed(inner=lora, magnitude=torch.rand(6), per_input=False)
    free = {"lora": lora, "loha": Hadamard(**pieces), "dora": dora}[kind]
    held = trainable(free, largest).change()
    if isinstance(held, Decomposed):
        held, free = held.inner, lora
    weight = torch.zeros(6, 8)
    expected = free.delta(weight) * min(1.0, largest / float(free.delta(weight).norm()))
    torch.testing.assert_close(held.delta(weight), expected)


def test_a_limit_at_the_beginning_has_a_gradient() -> None:
    one = trainable(LowRank(up=torch.zeros(6, 2), down=torch.randn(2, 8)), 1.0)
    one(nn.Linear(8, 6), torch.rand(1, 8)).sum().backward()
    assert one.get_parameter("up").grad.isfinite().all()
    assert one.get_parameter("up").grad.any()


def test_a_copy_of_layer_and_change_is_whole() -> None:
    both = nn.ModuleList([nn.Linear(8, 6), trainable()])
    add_to_output(both[0], both[1])
    twin, x = copy.deepcopy(both), torch.rand(1, 8)
    expected = both[0](x)
    with torch.no_grad():
        both[1].get_parameter("up").zero_()
    assert torch.equal(twin[0](x), expected)
    assert not torch.equal(both[0](x), expected)
