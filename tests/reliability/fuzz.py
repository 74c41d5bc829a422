"""Feeds hostile media to the pipeline and to `davihd highlight`, and tells what came of it.

    python tests/reliability/fuzz.py --mutants 2000 --seed 7
    python tests/reliability/fuzz.py --seed 7 --only sizes:31 --keep DIR  # one mutant, rebuilt and run alone

Each mutant goes through the pipeline in a child process, or through the command, and where that gives a
result, a reel is cut. What may come out is a result or one sentence that names the file. A crash, 30 seconds
of work without an answer (of the processor, so that others on the machine count for nothing; five minutes by
the clock), more than 2 GB of memory, any other exception, a word on standard error that is neither a warning
nor that nothing stands out, or a file left behind is a failure, and the exit status is 1. Linux only.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import mutants as kinds  # noqa: E402
import mutants_made  # noqa: E402, F401  (whose kinds it adds)

from modeling_davihd.jobs import without_collection  # noqa: E402

TIMEOUT = 30.0  # seconds of processor time for one mutant; the command has as many to be loaded
PATIENCE = 300.0  # seconds by the clock
MEMORY = 2000.0  # MB of resident memory at the most, libraries included
ENTRIES = ("eyes", "ears", "highlight")  # models that see and hear, that hear, and the command
COMMAND_EVERY = 150
# Mutants by one process: what they leave between blocks of memory is not what the next one takes.
RENEWED = 100
LONGEST_SENTENCE = 500
OUTCOMES = ("result", "sentence", "failure")


@dataclass(frozen=True)
class Outcome:
    """What came of one mutant. detail: the sentence, or what went wrong; memory in MB."""

    kind: str
    index: int
    entry: str
    outcome: str
    detail: str
    seconds: float
    memory: float

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.index}"


class Failure(Exception):
    """A mutant did what it must not."""


# The child, which does the work


class _Called(NamedTuple):
    status: int
    output: str
    errors: str


class Child:
    """Runs mutants one after the other in this process; answers each request with a line."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        from tiny_data import CONFIG

        from modeling_davihd import DAViHDConfig, DAViHDFeatureExtractor, DAViHDModel
        from modeling_davihd.loading import load_pipeline
        from modeling_davihd.pipeline_davihd import VideoHighlightDetectionPipeline

        torch.manual_seed(0)
        sizes = {name: value for name, value in CONFIG.items() if name != "model_type"}
        backbones = {"visual_backbone": "statistics", "semantic_backbone": "statistics"}
        config = DAViHDConfig(**sizes | backbones | {"visual_dim": 64, "semantic_dim": 64})
        extractor = DAViHDFeatureExtractor(frames_per_segment=2, image_size=64)
        model = DAViHDModel(config).eval()
        self._detectors = {
            "ears": load_pipeline("davihd-small", torch.device("cpu")),
            "eyes": VideoHighlightDetectionPipeline(model, feature_extractor=extractor, device="cpu"),
        }

    def serve(self) -> None:
        answers = os.fdopen(os.dup(1), "w")  # what the film's decoders say must not come in between
        faulthandler.enable(file=os.fdopen(os.dup(2), "w"), all_threads=False)
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            request = json.loads(line)
            _reset_peak()
            start = time.process_time()
            try:
                outcome, detail = self.run(**request)
            except Failure as failure:
                outcome, detail = "failure", str(failure)
            except BaseException:
                outcome, detail = "failure", traceback.format_exc()
            answer = {"outcome": outcome, "detail": detail, "seconds": time.process_time() - start}
            print(json.dumps(answer | {"memory": _peak()}), file=answers, flush=True)

    def run(self, path: str, entry: str, output: str) -> tuple[str, str]:
        if entry == "highlight":
            from modeling_davihd.cli import main

            called = _captured(lambda: _status(main, _arguments(path, output)))
            return judged_command(called, Path(path), Path(output))
        called = _captured(lambda: self._pipeline(path, entry, output))
        if called.errors or called.output:
            raise Failure(f"said: {called.errors or called.output}")
        return called.status

    def _pipeline(self, path: str, entry: str, output: str) -> tuple[str, str]:
        from modeling_davihd.media import MediaError, MediaWarning, cut_reel

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = self._detectors[entry](path)
                check_result(result)
                length = min(result["duration"], 2.0)
                end = result["duration"]
                reel = Path(output) / "reel.mp4"
                cut_reel(path, [(end - length, end), (0.0, length / 2)], reel)
                check_reel(reel)
                verdict = ("result", f"{end:g} s")
            except MediaError as error:
                verdict = ("sentence", checked_sentence(str(error), Path(path)))
        for warning in caught:
            if not issubclass(warning.category, MediaWarning):
                raise Failure(f"warned: {warning.category.__name__}: {warning.message}")
            checked_sentence(str(warning.message), Path(path))
        if len(caught) > 20:
            raise Failure(f"warned {len(caught)} times")
        return verdict


def _arguments(path: str, output: str) -> list[str]:
    return ["highlight", "--output-dir", output, "--formats", "json,mp4", "--", path]


def _status(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:  # wrong usage
        return stop.code


def _captured(call) -> _Called:
    """Run with both outputs, also of what is not Python, into files."""
    saved = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            sys.stdout.flush()
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            status = call()
        finally:
            for stream, number, copy in zip((sys.stdout, sys.stderr), (1, 2), saved, strict=True):
                stream.flush()
                os.dup2(copy, number)
                os.close(copy)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return _Called(status, *texts)


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """Largest resident memory since `_reset_peak`, in MB."""
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


# What is right


def judged_command(called: _Called, path: Path, output: Path) -> tuple[str, str]:
    """The outcome of `davihd highlight` from its exit status, what it printed, and what it left."""
    if called.status == 2 and "\ndavihd: error: " in called.errors:  # a folder that holds no film
        return "sentence", checked_sentence(f"{called.errors.splitlines()[-1]}.", path)
    remarks = tuple(f"{path.name}: {words}" for words in ("nothing stands out", "heard are the sound tracks"))
    lines = [line for line in called.errors.splitlines() if not line.startswith(remarks)]
    for line in lines:
        if not line.startswith(("warning: ", "error: ")):
            raise Failure(f"standard error: {called.errors[-2000:]}")
        checked_sentence(line, path)
    errors = [line for line in lines if line.startswith("error: ")]
    if len(lines) > 20:
        raise Failure(f"{len(lines)} lines on standard error")
    if called.status not in (0, 1) or len(errors) != called.status:
        raise Failure(f"exit status {called.status}, {len(errors)} errors: {called.errors[-2000:]}")
    for file in output.iterdir():
        if file.suffix == ".json":
            json.loads(file.read_text())
        else:
            check_reel(file)
    if errors:
        return "sentence", errors[0]
    if called.output.count("\n") != 1 or not (output / f"{path.stem}.highlights.json").exists():
        raise Failure(f"no result: {called.output!r}")
    return "result", called.output.strip()


def checked_sentence(text: str, path: Path) -> str:
    """The sentence, if it is one: a line that names the file and holds no trace of code."""
    names = (
        path.name,
        path.stem + ".highlight",
        "reel.mp4",
        " ".join(path.name.split()),
        path.name.replace("\n", "\N{REPLACEMENT CHARACTER}"),
    )
    named = any(name in text for name in names)
    marks = ("Traceback", "Error(", "<class", " at 0x", "av.error", "[Errno")
    if not named or "\n" in text.replace(path.name, "") or len(text) > LONGEST_SENTENCE:
        raise Failure(f"not one sentence that names the file: {text[:2000]}")
    if any(mark in text for mark in marks) or not text.endswith("."):
        raise Failure(f"not a clear sentence: {text[:2000]}")
    return text


def check_result(result: dict) -> None:
    import numpy as np

    duration, scores = result["duration"], result["scores"]
    if not 0 < duration < float("inf") or len(scores) != np.ceil(duration) or not np.isfinite(scores).all():
        raise Failure(f"no result: {duration} s, {len(scores)} scores, {scores[:9]}")


def check_reel(path: Path) -> None:
    """A file under a final name must be whole."""
    import av

    if path.suffix != ".mp4":
        raise Failure(f"left behind: {path.name}")
    with av.open(str(path)) as film:
        if not any(True for packet in film.demux() if packet.size for _ in packet.decode()):
            raise Failure(f"{path.name}: nothing in it")


# The parent, which watches


class Worker:
    """The child process, started anew where it hung or died, and now and then."""

    def __init__(self) -> None:
        self._process, self._served = None, 0

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None

    def run(self, request: dict) -> dict:
        if self._served % RENEWED == 0:
            self.close()
        self._served += 1
        if self._process is None:
            self._start()
        start = _worked(self._process.pid)
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = self._line(lambda: _worked(self._process.pid) - start > TIMEOUT)
        if line:
            return json.loads(line)
        seconds = _worked(self._process.pid) - start
        self._process.kill() if line is None else None
        status = self._process.wait()
        self.close()
        return _failed(f"no answer in {TIMEOUT:g} s" if line is None else f"died: {_death(status)}", seconds)

    def _start(self) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), "--child"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        if self._line(lambda: False) != b"ready\n":
            raise RuntimeError("the child process does not start")

    def _line(self, is_late: Callable[[], bool]) -> bytes | None:
        """A line, b"" where the process has ended, None where nothing comes in time."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not is_late():
            ready, _, _ = select.select([self._process.stdout], [], [], 1.0)
            if ready:
                return self._process.stdout.readline()
        return None


def _worked(process: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _death(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _failed(detail: str, seconds: float) -> dict:
    return {"outcome": "failure", "detail": detail, "seconds": seconds, "memory": 0.0}


def run_command(path: Path, output: Path) -> dict:
    """The mutant through `davihd highlight` in a process of its own."""
    code = "import sys; from modeling_davihd.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *_arguments(str(path), str(output))]
    start = _worked_by_children()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
        seconds = _worked_by_children() - start
        if seconds > 2 * TIMEOUT:
            raise Failure(f"took {seconds:.0f} s")
        outcome, detail = judged_command(_Called(done.returncode, done.stdout, done.stderr), path, output)
    except subprocess.TimeoutExpired:
        return _failed(f"no end in {PATIENCE:g} s", PATIENCE)
    except Failure as failure:
        return _failed(str(failure), seconds)
    return {"outcome": outcome, "detail": detail, "seconds": seconds, "memory": 0.0}


def _worked_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# The builder


class Builder:
    """A process without threads that builds mutants, each in a fork: some are too much for their writers."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), "--builder"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, **pipes, cwd=ROOT)

    def __enter__(self) -> Builder:
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def build(self, kind: str, index: int, seed: int, folder: Path) -> Path:
        request = {"kind": kind, "index": index, "seed": seed, "folder": str(folder)}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"{kind}:{index} cannot be built: {answer['error']}")
        return Path(answer["path"]) if answer["path"] else next(folder.iterdir())


def serve_builder() -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-bases-") as folder:
        bases = kinds.Bases(Path(folder))
        for line in sys.stdin:
            request = json.loads(line)
            request["folder"] = Path(request["folder"])
            print(json.dumps(_built(bases=bases, **request)), flush=True)


def _built(**request) -> dict[str, str]:
    """The path of a mutant, none where the process that built it died over it, or an error."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.write(writer, os.fsencode(kinds.make(**request)))
            status = 0
        except Exception:
            os.write(writer, traceback.format_exc().encode())
        os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = os.fsdecode(pipe.read())
    _, status = os.waitpid(process, 0)
    failed = os.WIFEXITED(status) and os.WEXITSTATUS(status)
    return {"error" if failed else "path": said}


def run_mutant(
    kind: str, index: int, seed: int, entry: str, builder: Builder, worker: Worker, keep: Path | None
) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        folder, output = Path(scratch) / "in", Path(scratch) / "out"
        folder.mkdir()
        output.mkdir()
        path = builder.build(kind, index, seed, folder)
        before = set(folder.rglob("*"))
        if entry == "command":
            answer = run_command(path, output)
        else:
            answer = worker.run({"path": str(path), "entry": entry, "output": str(output)})
        left = {file.name for file in set(folder.rglob("*")) - before}
        left |= {file.name for file in output.iterdir() if file.name.startswith(".")}
        answer = _with_limits(answer, kind, left)
        if keep is not None and answer["outcome"] == "failure":
            _keep(folder, keep / f"{seed}-{kind}-{index}")
    return Outcome(kind, index, entry, **answer)


def _with_limits(answer: dict, kind: str, left: set[str]) -> dict:
    """The answer, made a failure where memory or files say so."""
    if answer["outcome"] != "failure":
        if answer["memory"] > MEMORY:
            return answer | {"outcome": "failure", "detail": f"took {answer['memory']:.0f} MB"}
        if left:
            return answer | {"outcome": "failure", "detail": f"left behind: {sorted(left)}"}
        if kind == "lists" and answer["outcome"] == "result":
            return answer | {"outcome": "failure", "detail": "read another file than the one it was given"}
    return answer


def _keep(folder: Path, target: Path) -> None:
    """Copy the files of a mutant that can be copied."""
    target.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.is_file() and not file.is_symlink():
            shutil.copyfile(file, target / file.name)


def entry_of(number: int, index: int) -> str:
    return "command" if number % COMMAND_EVERY == COMMAND_EVERY - 1 else ENTRIES[index % len(ENTRIES)]


def planned(count: int) -> list[tuple[str, int, str]]:
    """(kind, index, entry) of the first `count` mutants."""
    names = enumerate(kinds.names(count))
    return [(kind, index, entry_of(number, index)) for number, (kind, index) in names]


def run_all(plan: Iterable[tuple[str, int, str]], seed: int, keep: Path | None = None) -> Iterator[Outcome]:
    """Run mutants, (kind, index, entry) each, in order."""
    with Builder() as builder, closing(Worker()) as worker:
        for kind, index, entry in plan:
            yield run_mutant(kind, index, seed, entry, builder, worker, keep)


def table(outcomes: list[Outcome]) -> str:
    """A line for each kind: how many came to what, the longest time and the largest memory."""
    rows = [("kind", "mutants", *(f"{name}s" for name in OUTCOMES), "worst s", "worst MB")]
    groups = [*dict.fromkeys(outcome.kind for outcome in outcomes), "all"]
    for group in groups:
        ours = [outcome for outcome in outcomes if group in (outcome.kind, "all")]
        counts = [sum(outcome.outcome == name for outcome in ours) for name in OUTCOMES]
        inside = [outcome for outcome in ours if outcome.entry != "command"] or ours
        worst = max(o.seconds for o in inside), max(o.memory for o in inside)
        rows.append((group, *map(str, (len(ours), *counts)), f"{worst[0]:.1f}", f"{worst[1]:.0f}"))
    return "\n".join("".join(f"{cell:>11}" for cell in row) for row in rows)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mutants", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="KIND:INDEX", help="one mutant of that seed, by every entry")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="copy the files of failures here")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write every outcome as a line of JSON")
    for part in ("--child", "--builder"):
        parser.add_argument(part, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        with without_collection():
            child = Child()
        child.serve()
        return 0
    if options.builder:
        serve_builder()
        return 0
    plan = planned(options.mutants)
    if options.only:
        kind, _, index = options.only.partition(":")
        plan = [(kind, int(index), entry) for entry in (*ENTRIES, "command")]
    start, outcomes = time.perf_counter(), []
    for outcome in run_all(plan, options.seed, options.keep):
        outcomes.append(outcome)
        if outcome.outcome == "failure" or options.only:
            print(f"{outcome.outcome} {outcome.name} ({outcome.entry}): {outcome.detail}", flush=True)
        if options.log:
            with options.log.open("a") as log:
                print(json.dumps(asdict(outcome)), file=log)
    print(table(outcomes))
    print(f"seed {options.seed}: {len(outcomes)} mutants in {time.perf_counter() - start:.0f} s")
    return int(any(outcome.outcome == "failure" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
