"""What the starter model can draw: objects, places, colours, sizes and styles, in English and Chinese words.

The objects stand in `objects.tsv`. An object's number is its index in `OBJECTS`, in the atlas and in every `Placement`;
what was trained on this order depends on it, so append, never reorder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SpriteObject:
    english: tuple[str, ...]
    """Names without article, the canonical one first; all take the same article."""
    article: str
    chinese: tuple[str, ...]
    """Names, the canonical one first. None begins with 大 or 小: those say the size."""
    measure: str
    """The Chinese measure word: 一只狗."""
    glyph: str
    """Its emoji in Noto Color Emoji."""

    @property
    def name(self) -> str:
        """The canonical English name, which identifies the object."""
        return self.english[0]


def _read_objects() -> tuple[SpriteObject, ...]:
    """`objects.tsv`: glyph, article, English names, Chinese names (both divided by |), measure word."""
    lines = Path(__file__).with_name("objects.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return tuple(
        SpriteObject(tuple(english.split("|")), article, tuple(chinese.split("|")), measure, glyph)
        for glyph, article, english, chinese, measure in rows
    )


OBJECTS: tuple[SpriteObject, ...] = _read_objects()
OBJECT_NAMES: tuple[str, ...] = tuple(thing.name for thing in OBJECTS)

UNSEEN: tuple[int, ...] = tuple(map(OBJECT_NAMES.index, ("hedgehog", "teapot")))
"""No starter is trained on these: they are there to be taught to it. The judge knows them."""


@dataclass(frozen=True, kw_only=True)
class Edition:
    """How much of the catalogue a starter learns, and at what size."""

    name: str
    size: int
    """Side of the pictures in pixels."""
    objects: tuple[int, ...]
    """Numbers of the objects that it is trained on."""
    num_scenes: int
    """Training scenes, whose latents are kept in memory."""
    batch_size: int
    """Of the U-Net's steps."""


EDITIONS: dict[str, Edition] = {
    "small": Edition(name="small", size=128, objects=tuple(range(64)), num_scenes=24_000, batch_size=16),
    "full": Edition(
        name="full",
        size=256,
        objects=tuple(i for i in range(len(OBJECTS)) if i not in UNSEEN),
        num_scenes=60_000,
        batch_size=192,
    ),
}


@dataclass(frozen=True)
class Place:
    """A kind of background. The first of each tuple of words is canonical; `{color}` is the plain place's colour."""

    name: str
    where: tuple[str, ...]
    """English, after an object: "a dog on the beach"."""
    scene: tuple[str, ...]
    """English, as a thing of its own: "a sandy beach with a dog"."""
    tag: tuple[str, ...]
    """English keywords: "dog, beach"."""
    where_zh: tuple[str, ...]
    """Chinese, as in 沙滩上的狗 and 狗在沙滩上."""
    scene_zh: tuple[str, ...]
    """Chinese, as a thing of its own: 沙滩."""


PLACES: tuple[Place, ...] = (
    Place(
        "day",
        ("on a sunny day", "in a meadow", "in a green meadow", "under a blue sky", "on the grass"),
        ("a sunny meadow", "a green meadow", "a sunny day", "a meadow under a blue sky"),
        ("sunny day", "meadow", "blue sky"),
        ("草地上", "阳光下", "蓝天下", "晴天的草地上", "绿色的草地上"),
        ("草地", "晴天", "蓝天和草地"),
    ),
    Place(
        "night",
        (
            "under a starry night sky",
            "at night",
            "under the stars",
            "on a starry night",
            "under the moon and the stars",
        ),
        ("a starry night sky", "a starry night", "a night sky full of stars"),
        ("starry night", "night sky", "night"),
        ("星空下", "夜空下", "夜晚的星空下", "月光下"),
        ("星空", "夜空", "夜晚"),
    ),
    Place(
        "sunset",
        ("at sunset", "in front of a sunset", "during a red sunset", "in the evening sun"),
        ("a sunset", "a red sunset", "an evening sky at sunset"),
        ("sunset",),
        ("夕阳下", "落日下", "晚霞下", "日落的天空下"),
        ("夕阳", "日落", "晚霞"),
    ),
    Place(
        "snow",
        ("in the snow", "on a snowy day", "in a snowy landscape", "in winter"),
        ("a snowy landscape", "a snowy day", "a winter landscape"),
        ("snow", "winter"),
        ("雪地里", "雪地上", "雪中", "冬天的雪地里"),
        ("雪地", "雪景", "冬天"),
    ),
    Place(
        "beach",
        ("on the beach", "on a sandy beach", "on a beach", "on the sand by the sea"),
        ("a beach", "a sandy beach", "a beach by the sea"),
        ("beach", "sandy beach"),
        ("沙滩上", "海滩上", "海边", "海边的沙滩上"),
        ("沙滩", "海滩", "海边"),
    ),
    Place(
        "sea",
        ("under the sea", "underwater", "under water", "at the bottom of the sea"),
        ("an underwater world", "the bottom of the sea", "the deep blue sea"),
        ("underwater", "under the sea"),
        ("海底", "水下", "海里", "深海里"),
        ("海底", "海底世界", "水下世界"),
    ),
    Place(
        "space",
        ("in space", "in outer space", "in space with a planet", "in the universe"),
        ("outer space", "the dark of outer space", "a planet in outer space"),
        ("space", "outer space"),
        ("太空中", "太空里", "宇宙中", "外太空中"),
        ("太空", "宇宙", "外太空"),
    ),
    Place(
        "mountains",
        (
            "in the mountains",
            "in front of mountains and a river",
            "by a river in the mountains",
            "in front of the mountains",
        ),
        ("mountains and a river", "a mountain landscape", "mountains by a river"),
        ("mountains", "mountains and river"),
        ("山间", "群山前", "山间的河边", "高山前"),
        ("群山和河流", "高山和河流", "山和一条河"),
    ),
    Place(
        "plain",
        ("on a {color} background", "on a plain {color} background", "in front of a {color} background"),
        ("a {color} background", "a plain {color} background"),
        ("{color} background",),
        ("{color}背景上", "纯{color}背景上", "{color}的背景前"),
        ("{color}背景", "纯{color}背景"),
    ),
    Place(
        "forest",
        ("in the forest", "in a forest", "in the woods", "among the trees of a forest"),
        ("a forest", "a green forest", "a forest clearing"),
        ("forest", "woods"),
        ("森林里", "树林里", "森林中", "林间"),
        ("森林", "树林"),
    ),
    Place(
        "desert",
        ("in the desert", "in a desert", "in a sandy desert", "among sand dunes"),
        ("a desert", "a sandy desert", "desert dunes"),
        ("desert", "sand dunes"),
        ("沙漠里", "沙漠中", "沙丘间", "荒漠里"),
        ("沙漠", "沙丘", "荒漠"),
    ),
    Place(
        "city",
        ("in the city", "in a city at dusk", "in front of a city skyline", "in front of skyscrapers"),
        ("a city", "a city at dusk", "a city skyline"),
        ("city", "city skyline"),
        ("城市里", "城市中", "高楼前", "黄昏的城市里"),
        ("城市", "城市夜景", "高楼"),
    ),
)


@dataclass(frozen=True)
class Color:
    name: str
    chinese: str
    rgb: tuple[float, float, float]
    """In [0, 1]."""


COLORS: tuple[Color, ...] = (
    Color("red", "红色", (0.88, 0.20, 0.20)),
    Color("blue", "蓝色", (0.18, 0.42, 0.90)),
    Color("green", "绿色", (0.28, 0.70, 0.34)),
    Color("yellow", "黄色", (1.00, 0.84, 0.22)),
    Color("pink", "粉色", (1.00, 0.66, 0.78)),
    Color("white", "白色", (1.00, 1.00, 1.00)),
)


@dataclass(frozen=True)
class Style:
    """A way to paint the whole picture. The first of each tuple of words is canonical."""

    name: str
    before: tuple[str, ...]
    """English, before a scene: "a watercolour painting of a dog on the beach"."""
    after: tuple[str, ...]
    """English, after it: "a dog on the beach, watercolour"."""
    before_zh: tuple[str, ...]
    """Chinese, as in 水彩画：沙滩上的一只狗."""
    after_zh: tuple[str, ...]
    """Chinese, as in 沙滩上的一只狗，水彩画."""
    colorless: bool = False
    """Whether it hides which colour a plain background has."""


STYLES: tuple[Style, ...] = (
    Style(
        "pixel",
        ("pixel art of ", "a pixel art picture of ", "an 8-bit picture of "),
        ("pixel art", "pixel style", "8-bit pixel art"),
        ("像素画：", "一幅像素画：", "像素风格的画："),
        ("像素画", "像素风", "像素风格"),
    ),
    Style(
        "watercolor",
        ("a watercolour painting of ", "a watercolor painting of ", "a watercolor of "),
        ("watercolour", "watercolor", "watercolor painting", "watercolour style"),
        ("水彩画：", "一幅水彩画："),
        ("水彩画", "水彩", "水彩风格"),
    ),
    Style(
        "ink",
        ("an ink wash painting of ", "a chinese ink painting of ", "a sumi-e painting of "),
        ("ink wash painting", "chinese ink painting", "ink wash", "sumi-e"),
        ("水墨画：", "一幅水墨画：", "中国画："),
        ("水墨画", "水墨", "水墨风格", "国画"),
        colorless=True,
    ),
    Style(
        "line",
        ("a line drawing of ", "a pencil sketch of ", "a sketch of "),
        ("line drawing", "pencil sketch", "sketch", "line art"),
        ("线稿：", "一幅素描：", "铅笔画："),
        ("线稿", "素描", "铅笔画", "线条画"),
        colorless=True,
    ),
    Style(
        "neon",
        ("a neon picture of ", "a neon sign of ", "neon art of "),
        ("neon", "neon lights", "neon style", "glowing neon"),
        ("霓虹画：", "霓虹灯风格的画："),
        ("霓虹", "霓虹灯", "霓虹风格"),
    ),
    Style(
        "sepia",
        ("a sepia photo of ", "an old photo of ", "a vintage photo of "),
        ("sepia", "vintage sepia photo", "old photo", "sepia tone"),
        ("老照片：", "怀旧照片：", "一张老照片："),
        ("怀旧", "棕褐色", "老照片", "怀旧风格"),
        colorless=True,
    ),
)

PLACE_NAMES: tuple[str, ...] = tuple(place.name for place in PLACES)
COLOR_NAMES: tuple[str, ...] = tuple(color.name for color in COLORS)
STYLE_NAMES: tuple[str, ...] = tuple(style.name for style in STYLES)
COLORLESS: frozenset[str] = frozenset(style.name for style in STYLES if style.colorless)

SIZES: dict[str, int] = {"small": 48, "normal": 64, "big": 96}
"""Side of a lone sprite's cell in pixels, in a picture of 128."""
SPOTS: tuple[str, ...] = ("left", "center", "right", "above", "below")
ARRANGEMENTS: dict[str, tuple[str, ...]] = {
    "empty": (),
    "one": ("center",),
    "pair": ("left", "right"),
    "stack": ("above", "below"),
    "row": ("left", "center", "right"),
}
"""The spots that a scene's objects take, in the order in which captions name them; one may also stand left or right."""
