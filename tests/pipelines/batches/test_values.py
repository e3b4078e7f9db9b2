import pytest

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.values import read_numbers, split_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("7", [7]),
        ("-1, 3,5", [-1, 3, 5]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("5-1", [5, 4, 3, 2, 1]),
        ("1-10 (+2)", [1, 3, 5, 7, 9]),
        ("10-5 (-3)", [10, 7]),
        ("10-5 (-1)", [10, 9, 8, 7, 6, 5]),
        ("1-10 [5]", [1, 3, 5, 7, 10]),
        ("1-10[1]", [1]),
        ("1-3, 8 , 20-30 (+10)", [1, 2, 3, 8, 20, 30]),
        ("-3--1", [-3, -2, -1]),
    ],
)
def test_whole_numbers(text: str, values: list[int]) -> None:
    found = read_numbers(text, int)
    assert found == values
    assert all(type(number) is int for number in found)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0-1 (+0.25)", [0, 0.25, 0.5, 0.75, 1]),
        ("0-1 (+0.3)", [0, 0.3, 0.6, 0.9]),
        ("0.1-0.5 (+.1)", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("1-0 [3]", [1, 0.5, 0]),
        ("7.5, 1.", [7.5, 1]),
        ("1-3", [1, 2, 3]),
    ],
)
def test_fractions_are_exact(text: str, values: list[float]) -> None:
    assert read_numbers(text, float) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ten", '"ten" is no whole number, nor a range such as 10-30 (+10) or 1-10 [5].'),
        ("1-5 (+0)", '"1-5 (+0)" never comes to its end; the step must lead from 1 to 5.'),
        ("1-5 (-1)", '"1-5 (-1)" never comes to its end; the step must lead from 1 to 5.'),
        ("1.5", '"1.5" must be whole: this axis takes no fractions.'),
        ("1-5 [0]", '"1-5 [0]" asks for 0 values; from 1 to 10,000 can be had.'),
        ("1-99999999", '"1-99999999" has 99,999,999 values; at most 10,000 can be had.'),
        ("1-6000, 1-6000", "'1-6000, 1-6000' has more than 10,000 values."),
        ("1e3", '"1e3" is no whole number, nor a range such as 10-30 (+10) or 1-10 [5].'),
    ],
)
def test_what_is_no_number_is_told(text: str, message: str) -> None:
    with pytest.raises(RequestError) as error:
        read_numbers(text, int)
    assert str(error.value) == message


def test_quotation_marks_keep_commas() -> None:
    assert split_values('a, "b, c" , ,d "e"') == ["a", "b, c", 'd "e"']
    with pytest.raises(RequestError, match="a quotation mark is not closed"):
        split_values('a, "b')
