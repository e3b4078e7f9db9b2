"""`AND`, by A1111's rules."""

import pytest

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.composition import split_parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", [("a cat", 1)]),
        ("", [("", 1)]),
        ("cat :1.2 AND dog :-0.5", [("cat", 1.2), (" dog", -0.5)]),
        ("cat AND dog AND bird :2.", [("cat", 1), (" dog", 1), (" bird", 2)]),
        ("cat:.5", [("cat", 0.5)]),
        ("a\nb : 1\n AND c", [("a\nb", 1), (" c", 1)]),
        ("a clock at 10:30", [("a clock at 10", 30)]),
        ("(a:1.2) AND [b:3]", [("(a:1.2)", 1), (" [b:3]", 1)]),
        ("BRAND SAND and ANDY", [("BRAND SAND and ANDY", 1)]),
        ("AND", [("", 1), ("", 1)]),
        ("a: 1e3", [("a: 1e3", 1)]),
    ],
)
def test_parts(text, expected):
    assert split_parts(text) == expected


def test_a_weight_beyond_the_numbers_is_refused():
    with pytest.raises(RequestError, match=r"^The weight of a part .* AND is too large: it has 400 digits\.$"):
        split_parts("a:" + "9" * 400)
