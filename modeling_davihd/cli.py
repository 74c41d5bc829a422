"""The commands `davihd highlight FILE...` and `davihd cut FILE --from LIST`."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli_options import MOST_JOBS, is_list, parse, reel_options, room_of, target
from .console import clock, one_line, recorded, retold, say, succeeds, tell, warn_once
from .highlights import is_flat
from .jobs import without_collection
from .loading import load_pipeline

if TYPE_CHECKING:
    import torch

    from .clean_edges import Cutting
    from .cli_reel import Finish
    from .media import DecodingLimits, MediaInfo
    from .pipeline_davihd import VideoHighlightDetectionPipeline
    from .writers import HighlightResult

NOTHING_HINT = "; --top-k 3 gives the best moments that there are"


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 all files done, 1 some file failed (the others are still written), 2 wrong usage."""
    options = parse(arguments)
    from .jobs import unwinding

    for stream in (sys.stdout, sys.stderr):  # names of files may hold what a terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with unwinding(), warnings.catch_warnings():
            warnings.showwarning = warn_once()
            warnings.simplefilter("ignore")
            if options.encoder == "hardware":
                say(_encoder(options.codec or "h264"))
            return {"highlight": _run_highlight, "cut": _run_cut}[options.command](options)
    except KeyboardInterrupt:
        say("interrupted")
        return 130


def _run_highlight(options: argparse.Namespace) -> int:
    """Prepare folder, device and model, then score one film after the other; gives the exit status."""
    if options.manifest:
        return _run_manifest(options)
    if options.formats and not _is_ready(options.output_dir):
        return 1
    with without_collection():
        if (device := _device(options.device)) is None:
            return 2
        try:
            with _threads(1):  # none that forks would lack
                detect = load_pipeline(options.model, device, options.dtype)
        except (OSError, ValueError, RuntimeError, NotImplementedError, AssertionError) as error:
            say(f"error: the model {options.model} cannot be loaded: {one_line(error)}")
            return 1
    return int(not all([*_highlight_all(detect, device, options)]))


def _is_ready(folder: Path) -> bool:
    """Make --output-dir; what is wrong with it is better told now than after an hour."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        say(f"error: --output-dir {folder} cannot be made a folder: {error.strerror or error}")
        return False
    if not os.access(folder, os.W_OK | os.X_OK):
        say(f"error: --output-dir {folder} cannot be written to")
        return False
    return True


def _run_manifest(options: argparse.Namespace) -> int:
    """Highlight the films of a list, here or on a cluster; gives the exit status."""
    from .engines.command import run_manifest
    from .media import MediaWarning

    warnings.simplefilter("always", MediaWarning)
    if options.engine == "ray":
        return run_manifest(options, finder, None)
    device = _device(options.device)
    return 2 if device is None else run_manifest(options, finder, device)


def finder(options: argparse.Namespace, device: str) -> Callable[[Path], HighlightResult]:
    """What finds the highlights of a film on a device, as the options say. Raises as `load_pipeline` does."""
    import torch

    where = torch.device(device)
    with _threads(1):  # none that forks would lack
        detect = load_pipeline(options.model, where, options.dtype)
    finish = _finish(where, options)
    return lambda path: _as_asked(_found(detect, finish, path, options), options)


def _finish(device: torch.device, options: argparse.Namespace) -> Finish:
    """What cleans the edges of highlights, which last `total` seconds at the most, and says what is heard."""
    from .clean_edges import EdgeCleaner
    from .sound_names import SoundNamer

    cleaner = EdgeCleaner()
    namer = SoundNamer(device) if options.names == "auto" else None

    def finish(result: HighlightResult, total: float | None) -> HighlightResult:
        lengths = {"shortest": options.min_length, "longest": options.max_length, "total": total}
        result = cleaner.clean(result, _cutting(options, **lengths))
        return namer.name(result) if namer else result

    return finish


def _highlight_all(
    detect: VideoHighlightDetectionPipeline, device: torch.device, options: argparse.Namespace
) -> Iterator[bool]:
    """Highlight the films, one after the other or side by side; yields whether each is done."""
    from .media import MediaWarning

    finish = _finish(device, options)
    warnings.simplefilter("always", MediaWarning)

    def highlight(path: Path) -> bool:
        return succeeds(partial(_highlight, detect, finish, path, options))

    def scored(path: Path) -> HighlightResult | None:
        found: list[HighlightResult] = []
        return found[0] if succeeds(lambda: found.append(_candidates(detect, path, options))) else None

    work: Callable[[Path], Any] = scored if options.reel else highlight
    jobs = _jobs(detect, device, options)
    done = map(work, options.files) if jobs == 1 else _side_by_side(work, options.files, jobs)
    yield from _reel(done, finish, options) if options.reel else done


def _reel(films: Iterable[HighlightResult | None], finish: Finish, options: argparse.Namespace) -> Iterator:
    """Make one reel of films, None where one has failed; yields whether each is done, and the reel."""
    from .cli_reel import make_reel

    usable = []
    for film in films:
        yield bool(film)
        usable += [film] if film else []
    yield make_reel(usable, finish, options)


def _jobs(detect: VideoHighlightDetectionPipeline, device: torch.device, options: argparse.Namespace) -> int:
    """How many films to work on at a time: by default few, or one where its networks keep all cores busy."""
    if device.type != "cpu":
        return 1
    wanted = options.jobs
    if wanted == "auto":
        cores = len(os.sched_getaffinity(0))
        wanted = 1 if detect.model.config.feature_streams else min(cores, MOST_JOBS)
    return min(wanted, len(options.files))


def _side_by_side(work: Callable[[Path], Any], files: list[Path], jobs: int) -> Iterator[Any]:
    """As `map(work, files)`; what is said of a film is said when all is said of those before it."""
    import torch

    from .jobs import in_order

    share = max(1, torch.get_num_threads() // jobs)
    with _threads(share), closing(in_order(partial(recorded, work), files, jobs)) as answers:
        for path, answer in zip(files, answers, strict=True):
            yield retold(path, answer)


def _run_cut(options: argparse.Namespace) -> int:
    """Write a film with the highlights of a list; gives the exit status."""
    from .media import MediaWarning
    from .readers import ListWarning

    for kind in (MediaWarning, ListWarning):
        warnings.simplefilter("always", kind)
    return int(not succeeds(partial(_cut, options)))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Have PyTorch compute with that many threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _highlight(
    detect: VideoHighlightDetectionPipeline, finish: Finish, path: Path, options: argparse.Namespace
) -> None:
    """Score one film, write its outputs and print the line that says so."""
    hint = NOTHING_HINT if options.top_k is None and options.duration is None else ""
    _write(_found(detect, finish, path, options), options, options.formats, hint)


def _found(
    detect: VideoHighlightDetectionPipeline, finish: Finish, path: Path, options: argparse.Namespace
) -> HighlightResult:
    """One film, scored, with its highlights, their edges clean, and what is heard in them."""
    search = {"min_length": options.min_length, "max_length": options.max_length}
    search |= {"top_k": options.top_k, "duration": options.duration}
    result = _scored(detect, path, options, features="png" in options.formats).with_highlights(**search)
    if result.highlights and is_flat(result.scores):
        say(f"{result.source_name}: all seconds score alike, so that its highlights are spread evenly")
    return finish(result, options.duration)


def _candidates(
    detect: VideoHighlightDetectionPipeline, path: Path, options: argparse.Namespace
) -> HighlightResult:
    """Score one of several films, and say so; with those of its highlights that may get into a reel."""
    from .reels import candidates

    result = candidates(_scored(detect, path, options), room_of(options), len(options.files))
    tell("  ".join([result.source_name, clock(result.duration), "scored"]))
    if not result.highlights:
        say(f"{result.source_name}: nothing stands out")
    return result


def _scored(
    detect: VideoHighlightDetectionPipeline, path: Path, options: argparse.Namespace, features: bool = False
) -> HighlightResult:
    from .writers import HighlightResult

    info, limits = _probed(path, options)
    found = detect(info, return_features=features, limits=limits)
    return HighlightResult.of_film(info, found, options.model, limits, detect.calibration)


def _cut(options: argparse.Namespace) -> None:
    """Write a film with the highlights of a list, but neither over the list nor over scores that it lacks."""
    from .readers import holds_scores, read_result

    result = read_result(options.list, *_probed(options.file, options))
    if options.snap or options.pad_before or options.pad_after:
        from .clean_edges import EdgeCleaner  # which takes PyTorch

        result = EdgeCleaner().clean(result, _cutting(options, shortest=0, longest=float("inf")))
    formats = [name for name in options.formats if not is_list(name, options)]
    if kept := [name for name in options.formats if name not in formats]:
        say(f"{options.list}: is the list and stays as it is; another --output-dir gives {kept[0]} as well")
    scores = target("json", options)
    if "json" in formats and not result.scored and holds_scores(scores):
        say(f"{scores}: stays as it is, since it holds scores, which the list does not")
        formats.remove("json")
    if not formats and not options.stdout:
        raise ValueError("Nothing is left that could be written; another --output-dir is needed.")
    _write(result, options, formats)


def _probed(path: Path, options: argparse.Namespace) -> tuple[MediaInfo, DecodingLimits]:
    """What a film holds, within what limits; says which sound tracks count, where there are several."""
    from .media import DecodingLimits, probe

    limits = DecodingLimits(**dict(options.limit))
    info = probe(path, limits, options.audio_track)
    if len(info.sounds) > 1:
        say(_heard(info))
    return info, limits


def _write(result: HighlightResult, options: argparse.Namespace, formats: list[str], hint: str = "") -> None:
    """Write a film's outputs and print the line that says so; `hint`: what to do if it has no highlights.

    With --stdout that line is a remark, and the result that is printed is JSON, in letters that any terminal
    has.
    """
    from .writers import WriterError, write_outputs
    from .writers.tables import document

    folder = options.folders.get(result.source, options.output_dir)
    result, problem = _as_asked(result, options), None
    try:
        written = write_outputs(result, folder, formats) if formats else []
    except WriterError as error:
        written, problem = error.written, error
    count = len(result.highlights)
    number = f"{count} highlight{'s' * (count != 1)}"
    names = [str(file.relative_to(options.output_dir)) for file in written]
    line = "  ".join([result.source_name, clock(result.duration), number, *names])
    (say if options.stdout else tell)(line)
    if options.stdout:
        tell(json.dumps(document(result), allow_nan=False))
    if not count:
        why = ", as all seconds score alike" if is_flat(result.scores) else hint
        say(f"{result.source_name}: nothing stands out{why}")
    if problem:
        raise problem


def _as_asked(result: HighlightResult, options: argparse.Namespace) -> HighlightResult:
    """With what the options say of lists and reels."""
    folder = options.folders.get(result.source, options.output_dir)
    relative = folder if options.list_paths == "relative" else None
    return replace(result, relative_to=relative, reel=reel_options(options))


def _cutting(options: argparse.Namespace, **lengths: float) -> Cutting:
    """How edges are to be, by what the options say; `lengths`: limits of highlights."""
    from .clean_edges import Cutting

    return Cutting(options.snap, options.pad_before, options.pad_after, **lengths)


def _heard(info: MediaInfo) -> str:
    """The line that says which of several sound tracks count."""
    heard = ", ".join(str(one) for one in info.sounds if one.heard)
    rest = ", ".join(str(one) for one in info.sounds if not one.heard)
    other = f", not {rest}" if rest else ""
    return f"{info.path.name}: heard are the sound tracks {heard}{other}; --audio-track chooses"


def _encoder(codec: str) -> str:
    """The line that says which encoder of the machine works, after a trial."""
    from .media_encoders import ENCODERS, hardware_encoding

    found = hardware_encoding(codec)
    if found:
        return f"--encoder hardware: {found.encoder} works here; what it cannot encode, software does"
    return f"--encoder hardware: none works here for {codec}; {ENCODERS[codec][0]} encodes instead"


def _device(name: str) -> torch.device | None:
    """What networks run on; None if this machine does not have it, which is said."""
    from .precision import resolve_device

    try:
        return resolve_device(name)
    except ValueError as error:
        say(f"error: {error}")
        return None
