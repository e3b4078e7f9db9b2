import copy

import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.training.adapters import HypernetworkSettings, HypernetworkTraining
from inkbloom.training.objective import Objective
from tests.training.adapters.conftest import learn, make_batch, taught


@pytest.fixture
def hypernetwork(model: LoadedModel, objective: Objective):
    def make(seed: int = 3, **settings: object) -> HypernetworkTraining:
        return HypernetworkTraining(model, objective, HypernetworkSettings(**settings), seed=seed)

    return make


def test_what_a_teacher_knows_is_learned(hypernetwork, model: LoadedModel, objective: Objective) -> None:
    """To a fiftieth of the first loss; the model's weights stay to the bit."""
    teacher = hypernetwork(activation="relu", seed=4)
    with torch.no_grad():
        for parameter in teacher.trained.parameters():
            parameter.mul_(8)
    targets = taught(teacher, objective, (1,))
    teacher.detach()
    trainee = hypernetwork(activation="relu")
    before = copy.deepcopy(model.unet.state_dict())
    losses = learn(trainee, 60, 1e-2, targets, (1,))
    assert losses[-1] < 2e-2 * losses[0]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.unet.state_dict().items())
    assert {id(p) for p in trainee.parameters() if p.requires_grad} == {id(p) for p in trainee.trained.parameters()}
    assert [group.name for group in trainee.groups()] == ["unet"]


def test_it_is_the_base_once_detached(hypernetwork) -> None:
    trainee = hypernetwork()
    acting = trainee(make_batch())
    trainee.detach()
    assert not torch.equal(trainee(make_batch()), acting)


def test_sizes(hypernetwork) -> None:
    assert hypernetwork().trained.spec.sizes == (32, 64)
    assert hypernetwork(hypernetwork_sizes=(64,)).trained.spec.sizes == (64,)
    with pytest.raises(TrainingError, match=r"^hypernetwork_sizes: this model's attention has no width 768; it has 32"):
        hypernetwork(hypernetwork_sizes=(768,))
