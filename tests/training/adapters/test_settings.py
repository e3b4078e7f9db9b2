import dataclasses
from typing import Any

import pytest

from inkbloom.core.errors import TrainingError
from inkbloom.training.adapters import EmbeddingSettings, HypernetworkSettings, LoraSettings


@pytest.mark.parametrize(
    ("settings", "fields", "message"),
    [
        (LoraSettings, {"adapter_kind": "lohaa"}, r'^adapter_kind is "lohaa"\. Did you mean "loha"'),
        (LoraSettings, {"targets": "transformers"}, r'^targets is "transformers"\. Did you mean "transformer"'),
        (LoraSettings, {"lora_spelling": "koya"}, r'^lora_spelling is "koya"\. Did you mean "kohya"'),
        (LoraSettings, {"rank": 0}, r"^rank is 0; it must be at least 1\."),
        (LoraSettings, {"conv_rank": 0}, r"^conv_rank is 0; it must be at least 1\."),
        (LoraSettings, {"alpha": 0.0}, r"^alpha is 0\.0; it must be above 0\."),
        (LoraSettings, {"block_ranks": {"M00": -1}}, r"^block_ranks\.M00 is -1; it must be at least 0\."),
        (LoraSettings, {"block_alphas": {"M00": 0}}, r"^block_alphas\.M00 is 0; it must be above 0\."),
        (LoraSettings, {"rank_dropout": 1.0}, r"^rank_dropout is 1\.0; it must be at least 0 and below 1\."),
        (LoraSettings, {"lora_plus_ratio": 0.0}, r"^lora_plus_ratio is 0\.0; it must be above 0\."),
        (LoraSettings, {"lora_plus_ratio": 2, "adapter_kind": "lokr"}, r"^lora_plus_ratio is for lora; lokr has no"),
        (LoraSettings, {"scale_weight_norms": -1.0}, r"^scale_weight_norms is -1\.0; it must be above 0\."),
        (LoraSettings, {"lokr_factor": 1}, r"^lokr_factor is 1; it must be at least 2\."),
        (LoraSettings, {"channel_dropout": 0.1, "dora": True}, r"^channel_dropout is for lora without dora; take"),
        (LoraSettings, {"conv_rank": 4, "targets": "attention"}, r"^conv_rank is for the targets transformer and full"),
        (LoraSettings, {"lora_spelling": "peft", "adapter_kind": "loha"}, r"^lora_spelling is peft, which has no loha"),
        (
            LoraSettings,
            {"adapt_unet": False, "adapt_text_encoder": False},
            r"^adapt_unet and adapt_text_encoder are both",
        ),
        (EmbeddingSettings, {"trigger_words": {}}, r"^trigger_words is empty; name at least one word"),
        (EmbeddingSettings, {"trigger_words": {"my cat": 1}}, r'^trigger_words: "my cat" cannot name an embedding'),
        (EmbeddingSettings, {"trigger_words": {"../x": 1}}, r'^trigger_words: "\.\./x" cannot name an embedding'),
        (EmbeddingSettings, {"trigger_words": {"cat": 76}}, r"^trigger_words\.cat is 76; it must be at least 1 and at"),
        (
            EmbeddingSettings,
            {"trigger_words": {"zq": 1}, "initial_words": {"zp": "cat"}},
            r'^initial_words: "zp" is not among the trigger_words \(zq\)',
        ),
        (
            HypernetworkSettings,
            {"activation": "rellu"},
            r'^Unknown activation "rellu" of a hypernetwork\. Did you mean',
        ),
        (HypernetworkSettings, {"layer_structure": (1, 2)}, r"^layer_structure \(1, 2\): must be positive numbers"),
        (HypernetworkSettings, {"hypernetwork_sizes": (0,)}, r"^sizes \(0,\): must be the widths"),
    ],
)
def test_what_is_refused(settings: type, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        settings(**fields)


@pytest.mark.parametrize("settings", [LoraSettings, EmbeddingSettings, HypernetworkSettings])
def test_names_are_of_one_section_only(settings: type) -> None:
    """Sections are flattened to flags."""
    others = {LoraSettings, EmbeddingSettings, HypernetworkSettings} - {settings}
    names = {field.name for field in dataclasses.fields(settings)}
    assert not any(names & {field.name for field in dataclasses.fields(other)} for other in others)
