import torch
from torch import nn

from inkbloom.nn.statistics import SharedStatistics


def test_halves_by_the_statistics_of_the_whole_are_halves_of_it() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 8, 1), nn.GroupNorm(2, 8), nn.SiLU(), nn.Conv2d(8, 8, 1), nn.GroupNorm(4, 8))
    for norm in (network[1], network[4]):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(1, 4, 6, 10) * torch.linspace(0.1, 5, 10)
    whole = network(x)
    statistics = SharedStatistics()
    with statistics.measuring():
        torch.testing.assert_close(network(x), whole)
    assert len(statistics.measured) == 2
    with statistics.applying():
        left = network(x[..., :5])
    with statistics.applying():
        right = network(x[..., 5:])
    torch.testing.assert_close(torch.cat([left, right], dim=3), whole)
    assert not torch.allclose(network(x[..., :5]), whole[..., :5], atol=0.1)
    with statistics.applying():
        assert network.half()(x.half()).dtype is torch.float16
