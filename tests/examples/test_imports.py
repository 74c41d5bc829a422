"""What the example commands import: training on a dataset needs none of what generates or converts."""

import json
import os
import subprocess
import sys

from paths import ROOT
from tiny_data import write_config, write_dataset

UNUSED = (
    *("datasets_scripts.synthesis", "datasets_scripts.building.extraction", "modeling_davihd.conversion"),
    *("matplotlib", "gradio", "gradio_client"),
)
CODE = """
import json, sys
from pathlib import Path
from examples import evaluate, train
from examples.training.runs import make_runs
config, data, output = map(Path, sys.argv[1:])
[run] = make_runs(config, output, {"dataset": str(data)})
assert run.rows["train"][0]["labels"].ndim == 1
print(json.dumps(list(sys.modules)))
"""


def test_training_on_a_dataset_loads_nothing_that_makes_one(tmp_path):
    config, data = write_config(tmp_path / "config"), write_dataset(tmp_path / "films")
    arguments = [sys.executable, "-c", CODE, config, data, tmp_path / "out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    text = subprocess.run(arguments, env=environment, check=True, capture_output=True, text=True).stdout
    modules = json.loads(text.splitlines()[-1])
    assert "examples.training.runs" in modules
    assert not [name for name in modules if f"{name}.".startswith(tuple(f"{one}." for one in UNUSED))]
