import pytest

from inkbloom.sampling.samplers.lms import lagrange


def value(coefficients, at):
    return sum(c * at**power for power, c in enumerate(coefficients))


def test_lagrange_polynomials_are_1_at_their_node_and_0_at_the_others():
    nodes = [0.0, 0.7, 1.9, -3.0]
    for index in range(4):
        values = [value(lagrange(nodes, index), node) for node in nodes]
        assert values == pytest.approx([float(index == other) for other in range(4)], abs=1e-13)


def test_lagrange_gives_adams_bashforth_on_even_steps():
    """Integrals over the next step of the polynomials through 0, -1, -2, -3: 55, -59, 37, -9 over 24."""
    weights = [
        sum(c / power for power, c in enumerate(lagrange([0.0, -1.0, -2.0, -3.0], index), start=1))
        for index in range(4)
    ]
    assert weights == pytest.approx([55 / 24, -59 / 24, 37 / 24, -9 / 24], rel=1e-13)
