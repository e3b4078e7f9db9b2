"""The Fréchet distance between two sets of features (Heusel et al. 2017, Eq. 6; Dowson and Landau 1982)."""

import torch
from torch import Tensor

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Float


def frechet_distance(a: Float[Tensor, "count_a width"], b: Float[Tensor, "count_b width"]) -> float:
    """|mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the squared distance of the Gaussians fitted to them.

    It falls with the number of rows, so compare like with like. Raises `RequestError` below two rows, which have no
    covariance.
    """
    if min(len(a), len(b)) < 2:
        raise RequestError(f"A Fréchet distance needs two rows of features at least, not {len(a)} and {len(b)}.")
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    # The eigenvalues of C_a C_b are those of the symmetric C_a^(1/2) C_b C_a^(1/2), which cannot come out complex.
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean(dim=0) - b.mean(dim=0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return distance.item()
