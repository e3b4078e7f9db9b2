"""Promises of the project as a whole, which no single module can keep."""

import ast
import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_torchvision_is_not_installed():
    # Beside torch's build for the CPU its import fails, and packages that find it try to import it.
    assert importlib.util.find_spec("torchvision") is None


def test_the_changelog_begins_with_what_is_not_yet_released():
    headings = re.findall(r"^## \[(.+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_every_field_that_can_be_set_is_read():
    """A field that nobody reads promises something to whoever sets it. Told by name, so a namesake can hide one."""
    nodes = [n for path in (ROOT / "src").rglob("*.py") for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    read = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
    classes = [n for n in nodes if isinstance(n, ast.ClassDef) and n.name.endswith(("Spec", "Settings", "Request"))]
    fields = [f"{c.name}.{n.target.id}" for c in classes for n in c.body if isinstance(n, ast.AnnAssign)]
    assert {"ModelSpec.latent_scale", "GenerationRequest.prompt"} < set(fields)
    assert [field for field in fields if field.split(".")[1] not in read] == []
