"""LPIPS (Zhang et al. 2018): how far apart two pictures look, by the features of VGG16 (Simonyan & Zisserman 2015)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Float, Image

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Widths of VGG16's convolutions; between stages the picture is halved."""
SMALLEST = 2 ** (len(STAGES) - 1)
"""The least side of a picture, in pixels, that the last stage sees something of."""

# The published shift and scale, which take [-1, 1] to what VGG16 was trained on.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """d(x, y) = sum over stages of the mean over places of sum over channels c of w_c (f_c(x) - f_c(y))^2 (Eq. 1).

    f are the features after a stage's last ReLU, of unit length at each place; w >= 0 is the stage's head. The layers
    of `features` have the numbers that torchvision's `vgg16` gives them.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage in STAGES:
            if layers:
                layers.append(nn.MaxPool2d(2))
            for width in stage:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        self.heads = nn.ParameterList(torch.ones(1, stage[-1], 1, 1) for stage in STAGES)

    def forward(self, picture: Image, target: Image) -> Float[Tensor, "batch"]:
        """The distance of each pair, at least 0, for images in [-1, 1] whose sides are at least `SMALLEST`."""
        shift, scale = (picture.new_tensor(values)[:, None, None] for values in (_SHIFT, _SCALE))
        x, y = ((image - shift) / scale for image in (picture, target))
        distance = picture.new_zeros(len(picture))
        heads = iter(self.heads)
        for i, layer in enumerate(self.features):
            x, y = layer(x), layer(y)
            if i + 1 == len(self.features) or isinstance(self.features[i + 1], nn.MaxPool2d):
                difference = (F.normalize(x, dim=1, eps=1e-10) - F.normalize(y, dim=1, eps=1e-10)).square()
                distance = distance + F.conv2d(difference, next(heads)).mean(dim=(1, 2, 3))
        return distance
