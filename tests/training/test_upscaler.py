import torch

from inkbloom.models.upscaler import Upscaler, UpscalerSpec
from inkbloom.training.learner import Learner
from inkbloom.training.starter.scenes import sample_scenes
from inkbloom.training.starter.upscaler_stage import lanczos, scene_pairs
from inkbloom.training.upscaler import FREQUENCY_WEIGHT, UpscalerJob, mean_psnr, upscaling_loss


def test_crops_show_the_same() -> None:
    pairs = scene_pairs(sample_scenes(2, seed=0, styled=False), base=32)
    assert [(one.small.shape[-1], one.scale) for one in pairs] == [(32, 2), (32, 4), (64, 2)]
    for one in pairs:
        small, large = one.crops(3, 16, seed=1, step=5)
        assert small.shape == (3, 3, 16, 16)
        shrunk = torch.nn.functional.avg_pool2d(large, one.scale)
        assert (shrunk - small).abs().mean() < 0.1
        again, _ = one.crops(3, 16, seed=1, step=5)
        assert torch.equal(again, small)


def test_loss_of_a_constant_difference_is_known() -> None:
    true = torch.rand(2, 3, 8, 8)
    # Its transform is 0.5 * 8 at frequency 0 of the 8 x 5 that a real transform keeps, and 0 elsewhere
    expected = 0.5 + FREQUENCY_WEIGHT * 0.5 * 8 / 40
    torch.testing.assert_close(upscaling_loss(true + 0.5, true), torch.full((2,), expected))


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    network = Upscaler(UpscalerSpec(channels=8, num_blocks=1))
    pairs = scene_pairs(sample_scenes(4, seed=0), base=32)
    learner = Learner(network, torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=0.0), 0.9)
    job = UpscalerJob(network, pairs, pairs, learner, batch_size=4, crop=16)
    before = job.evaluate()
    for step in range(60):
        job.train_step(step, 3e-3)
    after = job.evaluate()
    assert set(after) == {"psnr_32_to_64", "psnr_32_to_128", "psnr_64_to_128"}
    assert all(after[name] > before[name] for name in after), (before, after)
    fresh = Upscaler(network.spec)
    other = Learner(fresh, torch.optim.AdamW(fresh.parameters(), lr=0.0), 0.9)
    again = UpscalerJob(fresh, pairs, pairs, other, batch_size=4, crop=16)
    again.load_state_dict(job.state_dict())
    assert again.evaluate() == after


def test_lanczos_is_a_filter_to_be_measured_against() -> None:
    (pairs, *_) = scene_pairs(sample_scenes(2, seed=0), base=32)
    assert mean_psnr(pairs, lanczos) > 15
