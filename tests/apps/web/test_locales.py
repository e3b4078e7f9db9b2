"""The page speaks both languages wholly: every key is there, is used, and no visible word stands outside of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "web" / "src"
if not WEB.is_dir():
    pytest.skip("the page's sources are not in this distribution", allow_module_level=True)

NAMES = {"inkbloom", "^cond_stage_model"}
"""What is written alike in every language: the second begins the names of tensors."""
HANDED_ON = {"canvas/keeping.ts": "canvas"}
"""Files that name keys which another one says, and the namespace of these."""
VISIBLE = "label|title|placeholder|description|help|tip|alt|aria-label|aria-description|aria-roledescription"


def flat(words: dict[str, str | dict[str, str]]) -> dict[str, str]:
    """{"a": {"b": "text"}} -> {"a.b": "text"}; deeper is not allowed."""
    texts = {}
    for key, value in words.items():
        for inner, text in value.items() if isinstance(value, dict) else [("", value)]:
            assert isinstance(text, str), f"{key}.{inner} is nested too deeply"
            texts[f"{key}.{inner}".rstrip(".")] = text
    return texts


def language(name: str) -> dict[str, dict[str, str]]:
    """Namespace -> key -> text."""
    files = sorted((WEB / "locales" / name).glob("*.json"))
    return {path.stem: flat(json.loads(path.read_text(encoding="utf-8"))) for path in files}


ENGLISH, CHINESE = language("en"), language("zh-CN")
SOURCES = {
    str(path.relative_to(WEB)): path.read_text(encoding="utf-8")
    for path in sorted(WEB.rglob("*.ts*"))
    if ".test." not in path.name
}


def singular(key: str) -> str:
    """Without the ending of a plural: languages have different numbers of them."""
    return re.sub(r"_(zero|one|other)$", "", key)


def spoken(source: str) -> list[str]:
    """The namespaces that a file takes its words from."""
    return [name or "common" for name in re.findall(r'useTranslation\((?:"(\w+)")?\)', source)] or ["common"]


def keys(words: dict[str, dict[str, str]]) -> set[str]:
    """All, as `namespace:key`."""
    return {f"{namespace}:{singular(key)}" for namespace, texts in words.items() for key in texts}


def test_both_languages_have_the_same_keys() -> None:
    assert keys(ENGLISH) ^ keys(CHINESE) == set()


@pytest.mark.parametrize(("words", "endings"), [(ENGLISH, {"one", "other"}), (CHINESE, {"other"})], ids=["en", "zh-CN"])
def test_plurals_are_whole(words: dict[str, dict[str, str]], endings: set[str]) -> None:
    """A key that counts has each form of its language and no other."""
    for namespace, texts in words.items():
        found: dict[str, set[str]] = {}
        for key in texts:
            if ending := re.search(r"_(one|other)$", key):
                found.setdefault(singular(key), set()).add(ending[1])
        assert {key: forms for key, forms in found.items() if forms != endings} == {}, namespace


@pytest.mark.parametrize("namespace", ENGLISH)
def test_no_text_is_empty_and_both_name_the_same_values(namespace: str) -> None:
    """Where there are forms by number, some may leave the number out: "Delete this picture?"; for none, all."""
    values: dict[str, list[set[str]]] = {}
    for words in (ENGLISH, CHINESE):
        for key, text in words[namespace].items():
            assert text.strip(), f"{namespace}:{key}"
            if key.endswith("_zero"):
                continue
            named = set(re.findall(r"{{(\w+)}}", text))
            values.setdefault(singular(key), []).append(named - {"count"} if singular(key) != key else named)
    assert {key: named for key, named in values.items() if any(one != named[0] for one in named)} == {}


def test_chinese_is_chinese() -> None:
    """A text that is the same in both languages is a name, a unit or a formula: it has no two lower-case words."""
    same = [
        f"{namespace}:{key} {text}"
        for namespace, texts in ENGLISH.items()
        for key, text in texts.items()
        if CHINESE[namespace].get(key) == text and re.search(r"\b[a-z]{3,} [a-z]{3,}\b", re.sub("{{.*?}}", "", text))
    ]
    assert same == [f"info:example {ENGLISH['info']['example']}"]  # of what programs write, which is English


class Call:
    """The first argument of a t(...), and where it stands."""

    def __init__(self, path: str, source: str, start: int) -> None:
        depth, end = 1, start
        while depth and not (depth == 1 and source[end] == ","):
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(source[end], 0)
            end += 1
        text = source[start:end].rstrip(") \n")
        self.path = path
        self.namespaces = spoken(source)
        option = re.match(r'\W*{[^}]*\bns: "(\w+)"', source[end:])
        if option:
            self.namespaces = [option[1]]
        # What is compared with, or looked for in a list, is no key
        text = re.sub(r'[!=]== "[^"]*"|\("[^"]*"\)', "", text)
        self.patterns = re.findall(r"`([^`]*)`", text)
        self.named = re.findall(r'"([^"]*)"', re.sub(r"`[^`]*`", "", text))

    def full(self, key: str) -> list[str]:
        """`namespace:key` in all namespaces that it may be of."""
        return [key] if re.match(r"\w+:\S", key) else [f"{namespace}:{key}" for namespace in self.namespaces]

    def expressions(self) -> Iterator[tuple[str, re.Pattern[str]]]:
        """`group.${name}` -> a pattern of full keys."""
        for pattern in self.patterns:
            for full in self.full(pattern):
                parts = [re.escape(part) for part in re.split(r"\${[^}]*}", full)]
                yield pattern, re.compile("[^:]+".join(parts))


CALLS = [
    Call(path, source, found.end())
    for path, source in SOURCES.items()
    for found in re.finditer(r"(?<![\w$])t\(\s*(?=[^)\s])", source)
]


def test_every_key_that_is_asked_for_is_there() -> None:
    known = keys(ENGLISH)
    missing = [f"{call.path}: {key}" for call in CALLS for key in call.named if not known & set(call.full(key))]
    for call in CALLS:
        matching: dict[str, bool] = {}
        for pattern, expression in call.expressions():
            matching[pattern] = matching.get(pattern, False) or any(map(expression.fullmatch, known))
        missing += [f"{call.path}: {pattern}" for pattern, found in matching.items() if not found]
    assert len(CALLS) > 300
    assert missing == []


def test_every_key_is_used() -> None:
    """By a t("key") or t(`group.${name}`), or as a name that stands in a file with its namespace."""
    used = {key for call in CALLS for name in call.named for key in call.full(name)}
    expressions = {expression for call in CALLS for _, expression in call.expressions()}
    for path, source in SOURCES.items():
        namespaces = [HANDED_ON[path]] if path in HANDED_ON else spoken(source)
        # Also unquoted, as in a table of icons
        for name in re.findall(r'"([\w.:]+)"', source) + re.findall(r"^\s+(\w+): ", source, re.MULTILINE):
            used |= {name} if ":" in name else {f"{namespace}:{name}" for namespace in namespaces}
    unused = {key for key in keys(ENGLISH) - used if not any(one.fullmatch(key) for one in expressions)}
    assert unused == set()


def unkeyed(source: str) -> list[str]:
    """Words that a person would see, outside of t(...): text between tags, and in attributes that are shown or read."""
    source = re.sub(r"/\*[^*]*\*/|(?<!:)//.*", "", source)
    texts = re.findall(r"""(?<![=\s-])>\s*([^<>{}();=`"&|]*[^\W\d_]{2}[^<>{}();=`"&|]*?)\s*(?=</|<[A-Z]|{)""", source)
    texts += re.findall(r"""^\s*}\s+([^<>{}();=`":,]*[^\W\d_]{2}[^<>{}();=`":,]*?)\s*(?=</)""", source, re.MULTILINE)
    for value in re.findall(rf"""\s(?:{VISIBLE})=("[^"]*"|{{`[^`]*`}}|{{"[^"]*"}})""", source):
        texts.append(re.sub(r"\${[^}]*}", "", value).strip('{}"`'))
    return [text for text in texts if re.search(r"[^\W\d_]{2}", text) and text not in NAMES]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<Text>Hello there</Text>", ["Hello there"]),
        ("<Text>\n  Hello there\n</Text>", ["Hello there"]),
        ('<Button title="Press me">{t("go")}</Button>', ["Press me"]),
        ("<img alt={`Step ${n}`} />", ["Step "]),
        ('<Text>{t("hello")}</Text>', []),
        ("const a = useRef<Map<string, number>>(null);", []),
        ("if (a < b && c > d) return <b>{x}</b>;", []),
    ],
)
def test_the_scanner_sees_words(source: str, found: list[str]) -> None:
    assert unkeyed(source) == found


def test_no_visible_word_is_unkeyed() -> None:
    found = {path: texts for path, source in SOURCES.items() if path.endswith("x") and (texts := unkeyed(source))}
    assert found == {}
