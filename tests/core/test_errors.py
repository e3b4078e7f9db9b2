import pytest

from inkbloom.core.errors import nearest


@pytest.mark.parametrize(
    ("name", "allowed", "expected"),
    [
        ("Eular", ["Euler", "Heun"], ' Did you mean "Euler"?'),
        ("xyz", ["Euler", "Heun"], " Known: Euler, Heun."),
        ("xyz", [], ""),
    ],
)
def test_the_nearest_is_said(name: str, allowed: list[str], expected: str) -> None:
    assert nearest(name, allowed) == expected
