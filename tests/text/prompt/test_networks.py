"""Network tags: A1111's forms, and what each wrong one is told."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.networks import Network, take_networks


def lora(name, te=1.0, unet=1.0, rank=None):
    return Network(kind="lora", name=name, text_encoder_weight=te, unet_weight=unet, rank=rank)


@pytest.mark.parametrize(
    ("tag", "network"),
    [
        ("<lora:NAME>", lora("NAME")),
        ("<lora:NAME:0.8>", lora("NAME", 0.8, 0.8)),
        ("<lora:NAME:0.8:0.5>", lora("NAME", 0.8, 0.5)),
        ("<lora:NAME:0.8:0.5:4>", lora("NAME", 0.8, 0.5, 4)),
        ("<lora:NAME:te=0.8>", lora("NAME", 0.8, 0.8)),
        ("<lora:NAME:unet=0.5>", lora("NAME", 1.0, 0.5)),
        ("<lora:NAME:0.8:unet=-0.5:dyn=16>", lora("NAME", 0.8, -0.5, 16)),
        ("<lyco:my file (v2):1>", lora("my file (v2)")),
        ("<hypernet:NAME>", Network(kind="hypernet", name="NAME", text_encoder_weight=0.0, unet_weight=1.0)),
        ("<hypernet:NAME:0.3>", Network(kind="hypernet", name="NAME", text_encoder_weight=0.0, unet_weight=0.3)),
    ],
)
def test_forms(tag, network):
    assert take_networks(f"a {tag}, b") == ("a , b", (network,))


def test_an_a1111_prompt():
    text, networks = take_networks("1girl,A superstar on stage.,, <lora:LCM_15:1>, <lora:ip-adapter_sd15_lora:1>")
    assert text == "1girl,A superstar on stage.,, , "
    assert networks == (lora("LCM_15"), lora("ip-adapter_sd15_lora"))


@pytest.mark.parametrize("text", ["a <3 b", "<lora:x", "<lora:>", "x > y <b>", "<:a>", ""])
def test_what_is_no_tag_stays(text):
    assert take_networks(text) == (text, ())


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("<lroa:x:1>", 'Unknown kind of network "lroa" in "<lroa:x:1>". Did you mean "lora" or "lyco"?'),
        ("<zzz:x>", 'Unknown kind of network "zzz" in "<zzz:x>". Known: lora, lyco, hypernet.'),
        ("<lora:x:abc>", 'te "abc" in "<lora:x:abc>" must be a finite number, such as 0.8.'),
        ("<lora:x:1:nan>", 'unet "nan" in "<lora:x:1:nan>" must be a finite number, such as 0.8.'),
        ("<lora:x:1:1:0>", 'dyn "0" in "<lora:x:1:1:0>" must be a whole number from 1 on.'),
        ("<lora:x:1:1:1:1>", '"<lora:x:1:1:1:1>" has 4 numbers; allowed are 3: te, unet, dyn.'),
        ("<lora:x:tee=1>", 'Unknown argument "tee" in "<lora:x:tee=1>". Did you mean "te"?'),
        ("<lora:te=1>", '"<lora:te=1>" names no file; write for example <lora:NAME:0.8>.'),
        ("<lora: :1>", '"<lora: :1>" names no file; write for example <lora:NAME:0.8>.'),
    ],
)
def test_wrong_tags(tag, message):
    with pytest.raises(RequestError) as caught:
        take_networks(f"a {tag}")
    assert str(caught.value) == message


def test_lenient_callers_get_a_warning_and_the_tag_is_dropped():
    warnings = []
    assert take_networks("a <zzz:x> b", warnings.append) == ("a  b", ())
    assert warnings == ['Unknown kind of network "zzz" in "<zzz:x>". Known: lora, lyco, hypernet.']


@given(st.text("<>:=lora1.5 ", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        rest, _ = take_networks(text, lambda message: None)
    except RequestError:
        return
    assert len(rest) <= len(text)


def test_unclosed_tags_take_linear_time():
    start = time.process_time()
    assert take_networks("<a:" * 30_000)[1] == ()
    assert time.process_time() - start < 2
