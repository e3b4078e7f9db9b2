"""What the starter model can draw: objects, places, colours and sizes, and the words for them in English and Chinese.

Everything is a constant. An object's number is its index in `OBJECTS`, in the atlas and in every `Placement`; what was
trained on this order depends on it, so append, never reorder.
"""

from __future__ import annotations

from dataclasses import dataclass


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


OBJECTS: tuple[SpriteObject, ...] = (
    SpriteObject(("dog", "puppy"), "a", ("狗", "狗狗"), "只", "🐶"),
    SpriteObject(("cat", "kitten", "kitty"), "a", ("猫", "猫咪"), "只", "🐱"),
    SpriteObject(("rabbit", "bunny"), "a", ("兔子",), "只", "🐰"),
    SpriteObject(("panda", "panda bear"), "a", ("熊猫",), "只", "🐼"),
    SpriteObject(("fox",), "a", ("狐狸",), "只", "🦊"),
    SpriteObject(("lion",), "a", ("狮子",), "头", "🦁"),
    SpriteObject(("frog",), "a", ("青蛙",), "只", "🐸"),
    SpriteObject(("pig", "piggy"), "a", ("猪",), "头", "🐷"),
    SpriteObject(("penguin",), "a", ("企鹅",), "只", "🐧"),
    SpriteObject(("owl",), "an", ("猫头鹰",), "只", "🦉"),
    SpriteObject(("butterfly",), "a", ("蝴蝶",), "只", "🦋"),
    SpriteObject(("fish", "tropical fish"), "a", ("鱼", "热带鱼"), "条", "🐠"),
    SpriteObject(("whale", "blue whale"), "a", ("鲸鱼", "蓝鲸"), "头", "🐳"),
    SpriteObject(("turtle", "tortoise"), "a", ("乌龟", "海龟"), "只", "🐢"),
    SpriteObject(("octopus",), "an", ("章鱼", "八爪鱼"), "只", "🐙"),
    SpriteObject(("unicorn",), "a", ("独角兽",), "只", "🦄"),
    SpriteObject(("dragon", "green dragon"), "a", ("龙",), "条", "🐲"),
    SpriteObject(("apple",), "an", ("苹果",), "个", "🍎"),
    SpriteObject(("banana",), "a", ("香蕉",), "根", "🍌"),
    SpriteObject(("strawberry",), "a", ("草莓",), "颗", "🍓"),
    SpriteObject(("cake", "birthday cake"), "a", ("蛋糕", "生日蛋糕"), "个", "🎂"),
    SpriteObject(("tree", "green tree"), "a", ("树",), "棵", "🌳"),
    SpriteObject(("palm tree", "palm"), "a", ("棕榈树", "椰子树"), "棵", "🌴"),
    SpriteObject(("cactus",), "a", ("仙人掌",), "棵", "🌵"),
    SpriteObject(("sunflower",), "a", ("向日葵", "葵花"), "朵", "🌻"),
    SpriteObject(("rose", "red rose"), "a", ("玫瑰", "玫瑰花", "红玫瑰"), "朵", "🌹"),
    SpriteObject(("mushroom", "toadstool"), "a", ("蘑菇",), "朵", "🍄"),
    SpriteObject(("castle",), "a", ("城堡",), "座", "🏰"),
    SpriteObject(("house", "cottage"), "a", ("房子", "房屋"), "座", "🏠"),
    SpriteObject(("car", "red car"), "a", ("汽车", "轿车"), "辆", "🚗"),
    SpriteObject(("rocket", "space rocket"), "a", ("火箭",), "枚", "🚀"),
    SpriteObject(("sailboat", "sailing boat", "boat"), "a", ("帆船", "船"), "艘", "⛵"),
    SpriteObject(("snowman",), "a", ("雪人",), "个", "⛄"),
    SpriteObject(("robot",), "a", ("机器人",), "个", "🤖"),
    SpriteObject(("umbrella",), "an", ("雨伞", "伞"), "把", "☂"),
    SpriteObject(("crown", "golden crown"), "a", ("皇冠", "王冠"), "顶", "👑"),
)


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

PLACE_NAMES: tuple[str, ...] = tuple(place.name for place in PLACES)
COLOR_NAMES: tuple[str, ...] = tuple(color.name for color in COLORS)
OBJECT_NAMES: tuple[str, ...] = tuple(thing.name for thing in OBJECTS)

SIZES: dict[str, int] = {"small": 40, "normal": 64, "big": 96}
"""Side of a sprite's cell in pixels, in a picture of 128."""
COLUMNS: tuple[str, ...] = ("left", "center", "right")
