import numpy as np
import pytest

from inkbloom.core.philox import PhiloxGenerator, philox_4x32


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # the known answers of Random123, the authors' own implementation
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_the_known_answers_of_random123(counter: list[int], key: list[int], expected: str) -> None:
    columns = np.array([counter, [0] * 4], np.uint32).T
    words = philox_4x32(columns, (key[0], key[1]))[:, 0]
    assert " ".join(f"{word:08x}" for word in words) == expected


def test_the_numbers_of_cuda() -> None:
    # The check value that A1111 publishes for its source "NV": seed 0, shape (3, 4), to 8 digits
    drawn = PhiloxGenerator(0).randn((3, 4))
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn[0], [-0.92466259, -0.42534415, -2.6438457, 0.14518388], rtol=1e-7)


def test_each_call_moves_on_and_each_seed_is_another() -> None:
    generator = PhiloxGenerator(7)
    first, second = generator.randn((5,)), generator.randn((5,))
    assert not np.array_equal(first, second)
    again = PhiloxGenerator(7)
    np.testing.assert_array_equal(again.randn((2,)), first[:2])  # a call's numbers do not depend on its size
    np.testing.assert_array_equal(again.randn((5,)), second)
    assert not np.array_equal(PhiloxGenerator(7 + 2**32).randn((5,)), first)  # all 64 bits of the seed count


def test_the_numbers_are_standard_normal() -> None:
    drawn = PhiloxGenerator(2**64 - 1).randn((200_000,)).astype(np.float64)
    assert np.isfinite(drawn).all()
    # Five standard errors of each moment
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((drawn**power).mean() - moment) < 5 * (variance / drawn.size) ** 0.5
