"""What is written after a training opens here and in diffusers, and paints what was trained."""

import copy
import json
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors import safe_open

from inkbloom.checkpoints import LoadedModel, load
from inkbloom.core.errors import OutputError
from inkbloom.training.ema import Ema, averaged
from inkbloom.training.finetune import FinetuneSettings, Finetuning
from inkbloom.training.objective import Objective, ObjectiveSettings
from inkbloom.training.results import save_model

METADATA = {"modelspec.title": "My cat", "ss_max_train_steps": "40"}


@pytest.fixture(scope="module")
def trained(tiny_model: LoadedModel) -> tuple[Finetuning, Ema]:
    """A model whose weights have moved, and their average, which has moved otherwise."""
    model = copy.deepcopy(tiny_model)
    settings = ObjectiveSettings(prediction="v_prediction", zero_terminal_snr=True)
    trainee = Finetuning(model, Objective(settings, model.spec), FinetuneSettings(train_text_encoder=True))
    ema = Ema(trainee.trained, 0.5)
    with torch.no_grad():
        for parameter in trainee.trained.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    ema.update(trainee.trained)
    return trainee, ema


def ask(unet: torch.nn.Module, context: torch.Tensor) -> torch.Tensor:
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        answer = unet(x, torch.tensor([999, 3]), context)
    return getattr(answer, "sample", answer)


def test_the_average_is_written_and_opens_everywhere(trained: tuple[Finetuning, Ema], tmp_path: Path) -> None:
    """1e-5 of the norm, in diffusers."""
    trainee, ema = trained
    caption = trainee.tokenizer.encode_padded(["a cat"], 77).ids.expand(2, -1)
    raw = ask(trainee.unet, trainee.text(caption).detach())
    with averaged(trainee.trained, ema):
        expected = ask(trainee.unet, trainee.text(caption).detach())
        written = [save_model(tmp_path / name, trainee, METADATA) for name in ("cat.safetensors", "cat v1.5")]
    assert (raw - expected).norm() > 0.01 * expected.norm()
    torch.testing.assert_close(ask(trainee.unet, trainee.text(caption).detach()), raw)

    for result in written:
        again = load(result.path)
        assert again.spec == result.spec == trainee.objective.spec
        assert again.name == result.name == result.path.name.removesuffix(".safetensors")
        torch.testing.assert_close(ask(again.unet, again.text(caption)), expected, rtol=1e-5, atol=1e-6)

    folder = written[1].path
    alone = diffusers.StableDiffusionPipeline.from_single_file(
        written[0].path, config=str(folder), local_files_only=True, safety_checker=None
    )
    whole = diffusers.StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, safety_checker=None)
    for pipeline in (alone, whole):
        with torch.no_grad():
            theirs = ask(pipeline.unet, pipeline.text_encoder(caption)[0])
        assert (theirs - expected).norm() < 1e-5 * expected.norm()
        assert pipeline.scheduler.config.prediction_type == "v_prediction"
        assert pipeline.scheduler.config.rescale_betas_zero_snr


def test_metadata_and_precision(trained: tuple[Finetuning, Ema], tmp_path: Path) -> None:
    for name, file in (("a.safetensors", "."), ("folder", "unet/diffusion_pytorch_model.safetensors")):
        save_model(tmp_path / name, trained[0], METADATA, dtype=torch.float16)
        with safe_open(tmp_path / name / file if file != "." else tmp_path / name, framework="pt") as opened:
            found = opened.metadata()
            kinds = {opened.get_slice(key).get_dtype() for key in opened.keys()}  # noqa: SIM118
        assert {key: found[key] for key in METADATA} == METADATA
        assert kinds == {"F16"} or kinds == {"F16", "F32"}  # the marks of v-prediction are empty
    assert (
        json.loads((tmp_path / "folder" / "model_index.json").read_text())["_class_name"] == "StableDiffusionPipeline"
    )


def test_nothing_is_written_over_other_things(trained: tuple[Finetuning, Ema], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(OutputError, match="is a folder with other things in it"):
        save_model(tmp_path / "photos", trained[0])
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
