"""The names that others build on, and that asking for them costs nothing."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import inkbloom


def test_exported_names() -> None:
    assert sorted(inkbloom.__all__) == ["GenerationRequest", "InkbloomError", "StableDiffusion", "__version__"]
    assert dir(inkbloom) == sorted(inkbloom.__all__)
    for name in inkbloom.__all__:
        assert getattr(inkbloom, name)
    assert inkbloom.__version__ == version("inkbloom")
    with pytest.raises(AttributeError, match="has no attribute 'Diffusion'"):
        inkbloom.Diffusion  # noqa: B018


def test_help_needs_no_torch() -> None:
    run = "from inkbloom.apps.cli.main import main; main(['txt2img', '--help'])"
    code = f"import sys; {run}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--fixed_code" in done.stdout
