import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.device import choose_compute, devices


def test_the_cpu_computes_in_float32() -> None:
    compute = choose_compute("cpu")
    assert (compute.device.type, compute.dtype, compute.autoencoder_dtype) == ("cpu", torch.float32, torch.float32)
    assert compute.dtype_name == "float32"


def test_dtype_is_overridable() -> None:
    compute = choose_compute("cpu", "bfloat16")
    assert (compute.dtype, compute.autoencoder_dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("device", [None, "auto"])
def test_the_best_device_is_taken(device: str | None) -> None:
    assert str(choose_compute(device).device) == devices()[0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_cuda() -> None:
    compute = choose_compute("cuda")
    assert compute.dtype in (torch.bfloat16, torch.float16)
    assert compute.autoencoder_dtype is torch.float16
    assert choose_compute("cuda", "float32").autoencoder_dtype is torch.float32


@pytest.mark.parametrize("device", ["cuda:99", "tpu"])
def test_absent_devices(device: str) -> None:
    with pytest.raises(RequestError, match=rf'Device "{device}" is not on this machine\. Present: .*cpu'):
        choose_compute(device)


def test_unknown_dtype() -> None:
    with pytest.raises(RequestError, match=r'Unknown dtype "float61"\. Did you mean "float16"'):
        choose_compute("cpu", "float61")
