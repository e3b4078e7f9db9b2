import pytest

from inkbloom.checkpoints.merging.blocks import block_of, in_order, read_ratios
from inkbloom.core.errors import RequestError

SD1 = ["BASE", *[f"IN{n:02}" for n in range(12)], "M00", *[f"OUT{n:02}" for n in range(12)]]
UNET = "model.diffusion_model."


def test_names_of_stable_diffusion_1() -> None:
    """SuperMerger's convention, for which 25 numbers are passed around."""
    expected = {
        f"{UNET}time_embed.0.weight": "BASE",
        f"{UNET}input_blocks.0.0.weight": "IN00",
        f"{UNET}input_blocks.11.0.in_layers.0.weight": "IN11",
        f"{UNET}middle_block.1.proj_in.weight": "M00",
        f"{UNET}output_blocks.3.1.proj_in.weight": "OUT03",
        f"{UNET}output_blocks.11.0.in_layers.0.weight": "OUT11",
        f"{UNET}out.2.weight": "OUT11",
        "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": "BASE",
        "first_stage_model.decoder.conv_out.weight": "BASE",
        "input_blocks.0.0.weight": "BASE",
        "betas": "BASE",
    }
    assert block_of(expected) == expected
    assert in_order(reversed(SD1)) == SD1


def test_lists() -> None:
    numbers = [str(n / 100) for n in range(26)]
    with_base = read_ratios(",".join(numbers), SD1)
    assert with_base == dict(zip(SD1, map(float, numbers), strict=True))
    without = read_ratios(", ".join(numbers[1:]), SD1)
    assert without == {name: ratio for name, ratio in with_base.items() if name != "BASE"}


def test_pairs() -> None:
    ratios = read_ratios("IN=0.5, in03=1, OUT1=-2,BASE=0", SD1)
    assert ratios == {f"IN{n:02}": 0.5 for n in range(12)} | {"IN03": 1, "OUT10": -2, "OUT11": -2, "BASE": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.1,0.2", "2 block ratios were given; this model has 25 blocks, IN00 to OUT11, and BASE may come first."),
        ("IN12=1", 'This model has no block "IN12". Did you mean "IN'),
        ("=1", 'This model has no block "". Known: BASE, '),
        ("IN00=1,0.5", 'Block ratios are either all numbers or all NAME=NUMBER; "0.5" is not.'),
        ("IN00=x", '"x" is no block ratio; it must be a number.'),
        ("IN00=nan", '"nan" is no block ratio'),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_ratios(text, SD1)
    assert str(caught.value).startswith(message)
