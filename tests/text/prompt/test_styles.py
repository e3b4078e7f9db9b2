"""Styles: A1111's file, how styles are put around a prompt, and how they are found again in a pasted one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inkbloom.core.errors import OutputError, RequestError
from inkbloom.text.prompt.styles import Style, apply_styles, read_styles, remove_styles, write_styles

ART = Style("art", "art by greg, {prompt}, masterpiece", "lowres")
SHORT = Style("short", "4k")
STYLES = {style.name: style for style in (ART, SHORT, Style("dark", "", "bright"))}


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_reading(tmp_path):
    path = write(
        tmp_path / "styles.csv",
        '\ufeffname,prompt,negative_prompt\r\n# old,x,y\r\nart,"a, ""b""",\r\n\r\nshort,4k\r\n猫, "line\nbreak",z\r\n',
    )
    expected = [Style("art", 'a, "b"'), Style("short", "4k"), Style("猫", "line\nbreak", "z")]
    assert list(read_styles([path]).values()) == expected


def test_the_old_column_and_several_files(tmp_path):
    old = write(tmp_path / "old.csv", "name,text\na,first\nb,second\n")
    new = write(tmp_path / "new.csv", "negative_prompt,name,prompt\nn,a,third\n")
    assert read_styles([old, new]) == {"a": Style("a", "third", "n"), "b": Style("b", "second")}


def test_what_cannot_be_read(tmp_path):
    latin = write(tmp_path / "latin.csv", "name,prompt\ncafé,x\n", "latin-1")
    with pytest.raises(RequestError, match=r'latin\.csv" are not UTF-8 text; save the file as UTF-8\.$'):
        read_styles([latin])
    with pytest.raises(RequestError, match=r'^The styles in ".*none\.csv" cannot be read: No such file'):
        read_styles([tmp_path / "none.csv"])
    with pytest.raises(RequestError, match='have no column "name"'):
        read_styles([write(tmp_path / "other.csv", "a,b\n1,2\n")])
    with pytest.raises(RequestError, match='have no column "name"'):
        read_styles([write(tmp_path / "empty.csv", "")])
    with pytest.raises(RequestError, match=r'^Line 2 of ".*" has 4 fields, the first line 2; a text with commas'):
        read_styles([write(tmp_path / "commas.csv", "name,prompt\na,b,c,d\n")])
    with pytest.raises(RequestError, match=r"are not a table of comma-separated values: field larger"):
        read_styles([write(tmp_path / "long.csv", "name,prompt\na," + "x" * 140_000 + "\n")])


def test_writing_keeps_a_copy(tmp_path):
    path = tmp_path / "styles.csv"
    write_styles(path, [ART])
    assert path.read_bytes().startswith(b"\xef\xbb\xbfname,prompt,negative_prompt\r\n")
    assert not (tmp_path / "styles.csv.bak").exists()
    write_styles(path, [SHORT, ART])
    assert list(read_styles([path])) == ["short", "art"]
    assert read_styles([tmp_path / "styles.csv.bak"]) == {"art": ART}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["styles.csv", "styles.csv.bak"]


def test_writing_where_it_is_impossible(tmp_path):
    with pytest.raises(OutputError, match=r"^The styles cannot be written to"):
        write_styles(tmp_path / "none" / "styles.csv", [ART])


TEXTS = st.text(st.characters(blacklist_characters="\0\r", blacklist_categories=("Cs",)), max_size=20)


NAMES = TEXTS.filter(lambda name: name.strip() and name[0] not in "# ")


@given(st.lists(st.builds(Style, NAMES, TEXTS, TEXTS), unique_by=lambda style: style.name))
@example([Style("a", "", ' "')])
def test_any_styles_come_back(tmp_path_factory, styles):
    path = tmp_path_factory.mktemp("styles") / "styles.csv"
    write_styles(path, styles)

    def kept(text: str) -> str:
        """White space at the start of a field is A1111's to drop, but for fields that stand in quotation marks."""
        return text if set(text) & set(',"\n') else text.lstrip(" ")

    expected = [Style(kept(s.name), kept(s.prompt), kept(s.negative_prompt)) for s in styles]
    assert list(read_styles([path]).values()) == expected


def test_applying():
    assert apply_styles("a cat", "", ["art", "short"], STYLES) == ("art by greg, a cat, masterpiece, 4k", "lowres")
    assert apply_styles("a cat ", "x", ["short", "dark"], STYLES) == ("a cat, 4k", "x, bright")
    assert apply_styles("", "", ["short"], STYLES) == ("4k", "")


def test_unknown_styles():
    with pytest.raises(RequestError, match=r'^Unknown style "arts"\. Did you mean "art" or "dark"\?$'):
        apply_styles("a", "", ["arts"], STYLES)
    warnings = []
    assert apply_styles("a", "", ["x", "short"], {"short": SHORT}, warnings.append) == ("a, 4k", "")
    assert warnings == ['Unknown style "x". Known: short.']
    with pytest.raises(RequestError, match=r'^Unknown style "x"\. There are none\.$'):
        apply_styles("a", "", ["x"], {})


@pytest.mark.parametrize(
    ("style", "prompt", "expected"),
    [
        ("masterpiece", "1girl, art by greg, masterpiece", "1girl, art by greg"),
        ("masterpiece, {prompt}", "masterpiece, 1girl, art by greg", "1girl, art by greg"),
        ("masterpiece, {prompt}", "exquisite, 1girl, art by greg", None),
        # The same characters must not count as start and end at once
        ("aa{prompt}aa", "aaa", None),
    ],
)
def test_a1111s_examples_of_removal(style, prompt, expected):
    found = remove_styles(prompt, "", [Style("s", style)])
    assert found == ((["s"], expected, "") if expected is not None else ([], prompt, ""))


def test_removal_undoes_applying():
    for names in (["art"], ["short"], ["art", "short"], ["short", "art"], ["dark"], ["art", "dark"], []):
        prompt, negative = apply_styles("a cat", "bad", names, STYLES)
        assert remove_styles(prompt, negative, STYLES.values()) == (names, "a cat", "bad")


def test_a_style_must_fit_both_prompts():
    assert remove_styles("art by greg, a, masterpiece", "", [ART]) == ([], "art by greg, a, masterpiece", "")
    assert remove_styles("a", "b", [Style("nothing")]) == ([], "a", "b")
