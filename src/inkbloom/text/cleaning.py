"""What CLIP does to a text before it cuts it into tokens (openai/CLIP: `basic_clean`, `whitespace_clean`, `lower`)."""

import html
import re

from inkbloom.core.errors import RequestError

# ftfy maps each of these characters by itself to one other: full-width forms, the ideographic space, curly quotes.
# "＆" is left out because "&" begins an HTML entity.
_PLAIN_FORMS = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if code != 0xFF06}
_PLAIN_FORMS |= {0x3000: " ", 0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'}

# Texts of these characters alone (printable ASCII without "&", Han, the punctuation of Chinese) hold no entity and
# cannot be mojibake: no 8-bit encoding makes of them a lead byte of UTF-8 and what must follow it. The tests hold every
# character and many mixtures against ftfy. So English and Chinese captions are cleaned faster, and without ftfy.
_KNOWN = re.compile(f"[ -%'-~\t\n一-\u9fff、。《》「」—…{''.join(map(chr, _PLAIN_FORMS))}]*")


def clean(text: str) -> str:
    """Mend mojibake and odd forms (`ftfy.fix_text`), resolve HTML entities twice, collapse white space, lower the case.

    Raises `RequestError` where ftfy is not installed and the text is neither plain English nor plain Chinese: to go on
    without it would give other tokens.
    """
    if _KNOWN.fullmatch(text):
        text = text.translate(_PLAIN_FORMS)
    else:
        try:
            import ftfy
        except ModuleNotFoundError:
            odd = _KNOWN.sub("", text)[0]
            raise RequestError(
                f'The text "{text}" needs the package ftfy to be cleaned, because of the character "{odd}"; '
                "without it only printable ASCII (but &), Chinese characters and their punctuation can be read."
            ) from None
        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()
