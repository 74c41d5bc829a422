"""What is installed beside the package, and what the package consists of."""

import ast
import re
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from paths import ROOT

import modeling_davihd

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Imported under another name than they are installed by.
NAMES = {
    "google-crc32c": "google_crc32c",
    "huggingface-hub": "huggingface_hub",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scenedetect-headless": "scenedetect",
    "scikit-learn": "sklearn",
}
# Not imported by name: torchvision is what timm and transformers import, held to the range that fits torch;
# torch imports tensorboard, onnx and onnxscript, and OpenTimelineIO its adapters; the others are commands,
# and what they load.
NOT_IMPORTED = {"torchvision", "tensorboard", "ruff", "mypy", "pytest", "pytest-xdist", "hatchling"}
NOT_IMPORTED |= {"onnx", "onnxscript", "otio-cmx3600-adapter", "otio-fcp-adapter", "otio-fcpx-xml-adapter"}
# What the package imports only for files that need it, and says so where it is missing.
OPTIONAL = {"h5py", "opentimelineio", "ray"}
# What comes with a dependency that is declared, and is its interface too.
BROUGHT = {"pyarrow": "datasets", "fsspec": "datasets", "httpx": "huggingface-hub", "PIL": "gradio"}
INIT = ROOT / "modeling_davihd" / "__init__.py"
FOLDERS = ("modeling_davihd", "datasets_scripts", "examples", "spaces_demo")


def requirements(*groups: str) -> dict[str, Requirement]:
    """Name -> requirement, of the package and of the extras named; references between extras left out."""
    lines = [*PROJECT["dependencies"]]
    for group in groups:
        lines += PROJECT["optional-dependencies"][group]
    found = [Requirement(line) for line in lines]
    return {one.name: one for one in found if one.name != PROJECT["name"]}


def imported(folder: str) -> set[str]:
    """First names of what the folder's files import, relative imports left out."""
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    return names


def test_every_dependency_is_bounded():
    for one in requirements(*PROJECT["optional-dependencies"]).values():
        operators = {bound.operator for bound in one.specifier}
        assert operators == {">=", "<"}, f"{one} needs a lowest and a first too high version"


def test_every_dependency_is_used():
    used = set().union(*map(imported, FOLDERS))
    extras = set(PROJECT["optional-dependencies"]) - {"dev"}
    for name in requirements(*extras):
        assert name in NOT_IMPORTED or NAMES.get(name, name) in used, f"nothing imports {name}"
    used |= imported("tests")
    for name in requirements("dev"):
        assert name in NOT_IMPORTED or NAMES.get(name, name) in used, f"nothing imports {name}"


def test_a_job_installs_what_the_package_does():
    text = (ROOT / "examples" / "hub_job.py").read_text(encoding="utf-8")
    lines = text.removeprefix("# /// script\n").partition("# ///\n")[0].splitlines()
    script = tomllib.loads("\n".join(line.removeprefix("#") for line in lines))
    assert script["dependencies"] == PROJECT["dependencies"]
    assert script["requires-python"] == PROJECT["requires-python"]


def test_every_import_is_declared():
    declared = requirements(*PROJECT["optional-dependencies"])
    ours = {path.stem for path in (ROOT / "spaces_demo").glob("*.py")} | set(FOLDERS)
    known = {NAMES.get(name, name) for name in declared} | ours | set(sys.stdlib_module_names)
    for folder in FOLDERS:
        for name in imported(folder) - known:
            assert BROUGHT.get(name) in declared, f"{folder} imports {name}, which nothing declares"
    needed = {NAMES.get(name, name) for name in requirements()} | {"modeling_davihd"}
    alone = imported("modeling_davihd") - set(sys.stdlib_module_names)
    brought = {name for name, bringer in BROUGHT.items() if bringer in needed}
    assert alone - OPTIONAL - brought <= needed, (
        "the installed package needs nothing beyond its own dependencies"
    )


def test_type_checkers_see_what_the_package_exports():
    (block,) = (node for node in ast.parse(INIT.read_text()).body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    seen = {(node.names[0].asname, node.module) for node in block.body}
    assert seen == set(modeling_davihd._EXPORTS.items())


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path, monkeypatch):
    build = pytest.importorskip("hatchling.build")
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build.build_wheel(str(tmp_path))) as wheel:
        sizes = {one.filename: one.file_size for one in wheel.infolist()}
        record = wheel.read(next(name for name in sizes if name.endswith("RECORD"))).decode()
    notes = {name for name in sizes if re.match(r"davihd-[\w.]+\.dist-info/", name)}
    assert {Path(name).name for name in notes} == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "LICENSE",
        "NOTICE",
    }
    package = sizes.keys() - notes
    there = (path for path in (ROOT / "modeling_davihd").rglob("*") if path.is_file())
    expected = {path.relative_to(ROOT).as_posix() for path in there if "__pycache__" not in path.parts}
    assert package == expected
    data = {name for name in package if not name.endswith(".py")}
    checkpoint = {
        "README.md",
        "config.json",
        "preprocessor_config.json",
        "model.safetensors",
        "training.json",
    }
    encoder = {"class_map.csv", "sound_names.json", "LICENSE", "NOTICE"}
    assert {Path(name).name for name in data} == checkpoint | encoder | {"requirements.txt", "py.typed"}
    assert sum(sizes.values()) < 14e6 and record.count("sha256=") == len(sizes) - 1
