import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.training.starter.frechet import frechet_distance


def _normal(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _whitened(count: int, seed: int) -> torch.Tensor:
    """Rows of mean 0 and covariance 1 exactly."""
    x = _normal(count, seed)
    x = x - x.mean(dim=0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T


def test_of_gaussians_whose_distance_is_known():
    a, b = _whitened(50, 0), _whitened(80, 1)
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    scale = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    assert frechet_distance(a, b) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b + shift) == pytest.approx(5.25, abs=1e-9)
    # Of commuting covariances: the sum of (standard deviation - standard deviation)^2.
    assert frechet_distance(a, b * scale) == pytest.approx(1 + 0.25, abs=1e-9)


def test_of_covariances_that_do_not_commute():
    a, b = _normal(60, 2), _normal(70, 3) @ _normal(3, 4)
    product = torch.cov(a.T) @ torch.cov(b.T)
    roots = torch.linalg.eigvals(product).sqrt().real.sum()
    expected = (a.mean(0) - b.mean(0)).square().sum() + torch.cov(a.T).trace() + torch.cov(b.T).trace() - 2 * roots
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected.item(), rel=1e-9)


def test_features_that_never_change_do_not_break_it():
    a = _whitened(20, 5)
    a[:, 2] = 4
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_one_row_is_refused():
    with pytest.raises(RequestError, match=r"^A Fréchet distance needs two rows of features at least, not 1 and 9\.$"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(9, 3))
