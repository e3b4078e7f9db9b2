import html
import sys

import ftfy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.text.cleaning import clean

ENGLISH = "".join(map(chr, range(0x20, 0x7F))).replace("&", "") + "\t\n"
HAN = "".join(map(chr, range(0x4E00, 0xA000)))
CHINESE_MARKS = "、。《》「」—…‘’“”\u3000" + "".join(map(chr, range(0xFF01, 0xFF5F))).replace("＆", "")
PLAIN = ENGLISH + HAN + CHINESE_MARKS


def reference(text: str) -> str:
    """OpenAI's `basic_clean`, `whitespace_clean` and lower case."""
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()


@pytest.fixture
def no_ftfy(monkeypatch):
    """An import of ftfy fails as it does where the package is not installed."""
    monkeypatch.setitem(sys.modules, "ftfy", None)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        (" \t\n\u3000 ", ""),
        ("  A  Cat\nand\tDOG ", "a cat and dog"),
        ("“It’s” ‘fine’", "\"it's\" 'fine'"),
        ("ＡＢＣ１２３，你好！", "abc123,你好!"),
        ("一只猫，坐在《月亮》上。", "一只猫,坐在《月亮》上。"),
        ("âœ” No problems", "✔ no problems"),
        ("Tom &amp;amp; Jerry &lt;3", "tom & jerry <3"),
        ("1 < 2 &amp;amp;amp; 3", "1 < 2 &amp; 3"),  # where there is "<", ftfy leaves entities alone
        ("cafe\u0301", "café"),
        ("＆lt;", "<"),
        ("ﬁsh\x00\x1b[31m", "fish"),
    ],
)
def test_cleaned(text, cleaned):
    assert clean(text) == cleaned == reference(text)


def test_every_plain_character_is_cleaned_as_ftfy_does():
    assert [char for char in PLAIN if clean(f"a{char}b") != reference(f"a{char}b")] == []


@given(st.text(st.sampled_from(ENGLISH + CHINESE_MARKS + HAN[::997])))
def test_plain_mixtures_are_cleaned_as_ftfy_does(text):
    assert clean(text) == reference(text)


@given(st.text())
def test_any_text_is_cleaned_as_openai_does(text):
    assert clean(text) == reference(text)


@pytest.mark.usefixtures("no_ftfy")
def test_plain_english_and_chinese_need_no_ftfy():
    assert clean(PLAIN) == " ".join(PLAIN.translate(str.maketrans("‘’“”", "''\"\"")).split()).lower().translate(
        {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    )


@pytest.mark.usefixtures("no_ftfy")
@pytest.mark.parametrize(("text", "odd"), [("a café", "é"), ("salt & pepper", "&"), ("一只🐱", "🐱"), ("＆", "＆")])
def test_other_texts_say_that_they_need_ftfy(text, odd):
    with pytest.raises(RequestError) as caught:
        clean(text)
    assert str(caught.value) == (
        f'The text "{text}" needs the package ftfy to be cleaned, because of the character "{odd}"; '
        "without it only printable ASCII (but &), Chinese characters and their punctuation can be read."
    )
