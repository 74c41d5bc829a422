"""Who imports whom: no circle, one way between the folders, and nothing heavy where it is not needed."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT
from tiny_data import write_config

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
        "export",
        "hub_job",
        "measure_edges",
        "publish",
        "reproduce_tables",
        "teach",
        "train",
        "without_torch",
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


# What is loaded by a piece of code, and what must not be; the third-party packages that several need are
# loaded but once, before the first of these.
HEAVY = ("av", "matplotlib", "numpy", "scipy", "torch", "transformers")
LIGHT = {
    "files": ("import modeling_davihd.files", ()),
    "help": ("from modeling_davihd.cli_options import make_parser; make_parser().format_help()", HEAVY),
    "formats": (
        "from modeling_davihd.writers import WRITERS\n"
        "assert 'png' in [*WRITERS] and 'gif' not in WRITERS and 'png' in WRITERS and len(WRITERS) > 8",
        HEAVY,
    ),
    "text": (
        "from modeling_davihd import writers; writers.WRITERS['csv']; writers.write_outputs",
        tuple(name for name in HEAVY if name != "numpy"),  # of highlights
    ),
    "without torch": (
        "from modeling_davihd import highlights, log_mel, media",
        ("torch", "transformers", "scipy"),
    ),
    "planning": ("from datasets_scripts.building import videos", ("torch", "av")),
    "engines": (
        "from modeling_davihd.engines import building, manifest, planning",
        ("torch", "av", "datasets"),
    ),
    "given features": (
        "from pathlib import Path\n"
        "from datasets_scripts import feature_set\n"
        "from tiny_data import write_dataset\n"
        "write_dataset(Path(sys.argv[3]))",  # which "training" reads
        ("torch", "torchaudio", "transformers"),
    ),
}
SHARED = "import datasets, torch, transformers.modeling_utils"
NETWORKS = {
    "encoders": (
        "import modeling_davihd.conversion.backbones, modeling_davihd.conversion.checkpoints\n"
        "from modeling_davihd.conversion import load_foreign_checkpoint, load_pca",
        (
            *("modeling_davihd.modeling_davihd", "modeling_davihd.registration"),
            *(
                "modeling_davihd.baselines.modeling_baselines",
                "modeling_davihd.baselines.configuration_baselines",
            ),
        ),
    ),
    "registration": (
        "from modeling_davihd import DEFAULT_CHECKPOINT\n"
        "from transformers import AutoConfig\n"
        "assert AutoConfig.from_pretrained(DEFAULT_CHECKPOINT).model_type == 'davihd'",
        ("matplotlib",),
    ),
    "training": (
        "from pathlib import Path\n"
        "from examples import evaluate, train\n"
        "from examples.training.runs import make_runs\n"
        "config, data, output = map(Path, sys.argv[2:])\n"
        "[run] = make_runs(config, output, {'dataset': str(data)})\n"
        "assert run.rows['train'][0]['labels'].ndim == 1",
        (
            *("datasets_scripts.synthesis", "datasets_scripts.building.extraction", "matplotlib", "gradio"),
            *("gradio_client", "modeling_davihd.conversion"),
        ),
    ),
}
CASES = LIGHT | NETWORKS
PROGRAM = """
import gc, json, os, sys, traceback
gc.disable()  # which would go through a million objects that imports make, and that stay
start = set(sys.modules)
for name, code in json.loads(sys.argv[1]):
    if not name:
        exec(code)
    elif os.fork():
        os.wait()
    else:
        try:
            exec(code, {"sys": sys})
            print(json.dumps([name, [*set(sys.modules) - start]]), flush=True)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict[str, list[str]]:
    """The modules that Python has loaded after each piece of code, which is run in a fork."""
    folder = tmp_path_factory.mktemp("imports")
    places = write_config(folder / "config"), folder / "films", folder / "out"
    light, networks = ([(name, code) for name, (code, _) in cases.items()] for cases in (LIGHT, NETWORKS))
    pieces = json.dumps([*light, ("", SHARED), *networks])
    command = [sys.executable, "-c", PROGRAM, pieces, *map(str, places)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'support'}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = dict(json.loads(line) for line in done.stdout.splitlines())
    assert found.keys() == CASES.keys(), done.stderr
    return found


@pytest.mark.parametrize("name", CASES)
def test_nothing_heavy_is_loaded_where_it_is_not_needed(loaded, name):
    absent = tuple(f"{one}." for one in CASES[name][1])
    assert not [module for module in loaded[name] if f"{module}.".startswith(absent)]


def test_the_file_that_travels_needs_the_standard_library_only(loaded):
    packages = {module.partition(".")[0] for module in loaded["files"]}
    assert packages - sys.stdlib_module_names == {"modeling_davihd"}
