"""Who imports whom: no circle, one way between the folders, and nothing heavy where it is not needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

# What may import what, besides itself: arrows point down this list.
BELOW = {
    "modeling_davihd": (),
    "datasets_scripts": ("modeling_davihd",),
    "examples": ("modeling_davihd", "datasets_scripts"),
    "spaces_demo": ("modeling_davihd",),
}
COMMANDS = {
    "datasets_scripts": {
        "extract",
        "fit_pca",
        "sounds",
        "feature_set",
        "mr_hisum",
        "synthetic",
        "tvsum",
        "video_folder",
    },
    "examples": {
        "benchmark",
        "calibrate_names",
        "convert_checkpoint",
        "evaluate",
        "measure_edges",
        "publish",
        "reproduce_tables",
        "teach",
        "train",
    },
}


def modules() -> dict[str, Path]:
    """The module name of every file; those of the Space are flat, as its program sees them."""
    found = {}
    for folder in BELOW:
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if folder == "spaces_demo":
                parts = parts[1:]
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(name: str, anywhere: bool) -> set[str]:
    """Our modules that a module imports: at its top, or also inside functions and for type checkers alone."""
    path = MODULES[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if anywhere else tree.body
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            start = f"{base}.{node.module or ''}".rstrip(".") if node.level else node.module
            found |= {start, *(f"{start}.{alias.name}" for alias in node.names)}
    return {one for one in found if one in MODULES and one != name}


def test_there_is_no_circle():
    seen, path = set(), []

    def visit(name: str):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in seen:
            return
        path.append(name)
        for other in sorted(imports(name, anywhere=False)):
            visit(other)
        path.pop()
        seen.add(name)

    for name in MODULES:
        visit(name)


@pytest.mark.parametrize("folder", BELOW)
def test_folders_import_only_what_is_below_them(folder):
    for name, path in MODULES.items():
        if ROOT / folder not in path.parents:
            continue
        for other in imports(name, anywhere=True):
            home = MODULES[other].relative_to(ROOT).parts[0]
            assert home in (folder, *BELOW[folder]), f"{name} imports {other}"


def test_building_knows_nothing_of_what_is_generated_or_of_commands():
    for name in MODULES:
        if name.startswith("datasets_scripts.building"):
            for other in imports(name, anywhere=True):
                assert not other.startswith("datasets_scripts.") or "building" in other, f"{name} -> {other}"


def test_generated_sound_knows_of_building_only_the_splits():
    for name in MODULES:
        if name.startswith("datasets_scripts.synthesis"):
            ours = {other for other in imports(name, anywhere=True) if "datasets_scripts.building." in other}
            assert ours <= {"datasets_scripts.building.splits"}, f"{name} imports {ours}"


@pytest.mark.parametrize("folder", COMMANDS)
def test_commands_alone_lie_on_top(folder):
    names = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
    assert names == COMMANDS[folder]


def loaded_after(code: str) -> set[str]:
    """The modules that Python has loaded after some code."""
    code += "\nimport sys\nprint(*sys.modules, sep='\\n')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "from modeling_davihd.cli_options import make_parser; make_parser().format_help()",
            ("numpy", "torch", "transformers", "av", "matplotlib", "scipy"),
        ),
        ("from datasets_scripts.building import videos", ("torch", "av")),
        ("from datasets_scripts.building import console, manifest", ("torch",)),
        ("from modeling_davihd.engines import building, manifest, planning", ("torch", "av", "datasets")),
    ],
    ids=["help", "planning", "building", "engines"],
)
def test_nothing_heavy_is_loaded_where_it_is_not_needed(code, absent):
    loaded = loaded_after(code)
    assert not [name for name in loaded if name.startswith(absent)]
