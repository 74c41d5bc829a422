"""Other Python processes, such as that of somebody who has not installed the package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

TASK = "video-highlight-detection"
# Runs each line of its input, Python code as JSON, and answers with what it printed and what it raised.
LOOP = """
import contextlib, gc, io, json, sys, traceback
gc.disable()  # which would go through a million objects that imports make, and that stay
for line in sys.stdin:
    text, failure = io.StringIO(), ""
    with contextlib.redirect_stdout(text):
        try:
            exec(json.loads(line), {"__name__": "__main__"})
        except BaseException:
            failure = traceback.format_exc()
    print(json.dumps([text.getvalue(), failure]), flush=True)
"""
NO_PACKAGE = """
import sys
from importlib.abc import MetaPathFinder
class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("modeling_davihd", "examples", "datasets_scripts"):
            raise ModuleNotFoundError(f"{name} is not to be used here")
sys.meta_path.insert(0, Refuse())
"""


class Interpreter:
    """Another Python process, which keeps what it has imported."""

    def __init__(self, folder: Path, environment: dict[str, str], prelude: str = ""):
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-c", prelude + LOOP]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=folder, env=kept | environment, **pipes)

    def run(self, code: str) -> str:
        """What the code prints."""
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        text, failure = json.loads(self._process.stdout.readline())
        assert not failure, failure
        return text.strip()

    def close(self):
        self._process.kill()
        self._process.wait()


def scores_elsewhere(python: Interpreter, model: str, film: Path, **arguments: str) -> np.ndarray:
    """Scores of the pipeline that remote code gives in a process without the package."""
    code = f"""
import json
from transformers import pipeline
detect = pipeline({TASK!r}, model={str(model)!r}, trust_remote_code=True, **{arguments!r})
assert type(detect).__module__.startswith("transformers_modules"), type(detect)
print(json.dumps(detect({str(film)!r})["scores"].tolist()))
"""
    return np.array(json.loads(python.run(code)))
