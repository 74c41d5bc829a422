"""A process that has imported what programs take seconds to import, and runs each of them in a fork."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paths import ROOT

# What the commands import, at once or later. Then a line of JSON goes in for each program; the process id of
# the fork comes out, then its status.
SERVER = """
import gc, json, os, resource, sys
gc.disable()  # what imports make stays
import datasets, matplotlib.backends.backend_agg, matplotlib.figure, scenedetect
import datasets_scripts.extract, datasets_scripts.synthetic, datasets_scripts.video_folder
import datasets_scripts.synthesis.film
import examples.publish, examples.train
import examples.training.bundle, examples.training.data, examples.training.model_card
import modeling_davihd.cli, modeling_davihd.registration, modeling_davihd.shots, modeling_davihd.speech
import modeling_davihd.sound_names, modeling_davihd.writers.outputs
from transformers import AutoModel
list(modeling_davihd.writers.WRITERS.values())
AutoModel.from_pretrained(modeling_davihd.DEFAULT_CHECKPOINT)  # compiles a thousand patterns
gc.freeze()
gc.enable()
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1), os.dup2(log, 2)
        os.chdir(order["folder"])
        if order["largest_file"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest_file"],) * 2)
        status = 70
        sys.argv = ["-c", *order["arguments"]]
        try:
            exec(compile(order["code"], "<code of a test>", "exec"), {"__name__": "__main__"})
            status = 0
        except SystemExit as stop:
            status = stop.code
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status or 0)
    print(child, flush=True)
    sys.stdin.readline()  # until then no other process can have its number
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass
class Outcome:
    """How a program ended: its status (negative after a signal), what it printed, how long it took."""

    status: int
    text: str
    seconds: float


class Nursery:
    """Runs Python programs, each in a process of its own, without the time that their imports take.

    folder: takes temporary files and what programs print. environment: added to that of this process.
    """

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder, self._log = folder, folder / "log"
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def run(
        self,
        code: str,
        arguments: Sequence[str] = (),
        folder: Path | None = None,
        largest_file: int = 0,
        disturb: Callable[[int], None] | None = None,
    ) -> Outcome:
        """Run `code` as `python -c` would, in `folder`, where no file may exceed `largest_file` bytes.

        `disturb` is called with the process id as soon as there is one.
        """
        order = {"code": code, "arguments": [*map(str, arguments)], "log": str(self._log)}
        self._send(json.dumps(order | {"folder": str(folder or ROOT), "largest_file": largest_file}))
        process, started = int(self._process.stdout.readline()), time.perf_counter()
        if disturb:
            disturb(process)
        self._send("and now wait for it")
        status = int(self._process.stdout.readline())
        seconds = time.perf_counter() - started
        return Outcome(status, self._log.read_text(errors="replace"), seconds)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _send(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


class Repository:
    """Programs that have the repository, each in a process of its own."""

    def __init__(self, nursery: Nursery):
        self._nursery, self._errors = nursery, nursery.folder / "errors"

    def run(self, code: str) -> str:
        """What the code prints."""
        errors = f"os.open({str(self._errors)!r}, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)"
        done = self._nursery.run(f"import os\nos.dup2({errors}, 2)\n{code}")
        assert done.status == 0, self._errors.read_text()
        return done.text.strip()
