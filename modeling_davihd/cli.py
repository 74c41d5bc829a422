"""The commands `davihd highlight FILE...` and `davihd cut FILE --from LIST`."""

from __future__ import annotations

import argparse
import gc
import io
import itertools
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .edges import KINDS
from .loading import DEFAULT_MODEL, load_pipeline
from .media_options import CODECS, ReelOptions
from .precision import PRECISIONS
from .writers import WRITERS

if TYPE_CHECKING:
    import torch

    from .clean_edges import Cutting, EdgeCleaner
    from .jobs import Died
    from .media import DecodingLimits, MediaInfo
    from .pipeline_davihd import VideoHighlightDetectionPipeline
    from .sound_names import SoundNamer
    from .writers import HighlightResult

DEFAULT_FORMATS = "json,png,mp4,srt"
NOTHING_HINT = "; --top-k 3 gives the best moments that there are"
MOST_JOBS = 4  # unless --jobs says so: each takes memory of its own

Said = list[tuple[str, str]]  # what is said of a film: as a result, a remark or a warning, and the text


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 all files done, 1 some file failed (the others are still written), 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.check(parser, options)
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what a terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn_once()
            warnings.simplefilter("ignore")
            return options.run(options)
    except KeyboardInterrupt:
        _say("interrupted")
        return 130


def _warn_once() -> Callable[..., None]:
    """Says each warning once, though a film is read more than once."""
    said = set()

    def warn(message: Warning | str, *_: object, **__: object) -> None:
        if (text := str(message)) not in said:
            said.add(text)
            _say(f"warning: {text}")

    return warn


def _run_highlight(options: argparse.Namespace) -> int:
    """Prepare folder, device and model, then score one film after the other; gives the exit status."""
    try:
        options.output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _say(f"error: --output-dir {options.output_dir} cannot be made a folder: {error.strerror or error}")
        return 1
    if not os.access(options.output_dir, os.W_OK | os.X_OK):  # better told now than after an hour
        _say(f"error: --output-dir {options.output_dir} cannot be written to")
        return 1
    with _without_collection():
        try:
            device = _device(options.device)
        except (RuntimeError, AssertionError, NotImplementedError):
            _say(f"error: --device is {options.device!r}; this machine does not have such a device")
            return 2
        try:
            with _threads(1):  # none that forks would lack
                detect = load_pipeline(options.model, device, options.dtype)
        except (OSError, ValueError, RuntimeError, NotImplementedError, AssertionError) as error:
            _say(f"error: the model {options.model} cannot be loaded: {_one_line(error)}")
            return 1
    return int(not all([*_highlight_all(detect, device, options)]))


def _highlight_all(
    detect: VideoHighlightDetectionPipeline, device: torch.device, options: argparse.Namespace
) -> Iterator[bool]:
    """Highlight the films, one after the other or side by side; yields whether each is done."""
    from .clean_edges import EdgeCleaner
    from .media import MediaWarning
    from .sound_names import SoundNamer

    cleaner = EdgeCleaner()
    namer = SoundNamer(device) if options.names == "auto" else None
    warnings.simplefilter("always", MediaWarning)

    def highlight(path: Path) -> bool:
        return _succeeds(partial(_highlight, detect, cleaner, namer, path, options))

    jobs = _jobs(detect, device, options)
    yield from map(highlight, options.files) if jobs == 1 else _side_by_side(highlight, options.files, jobs)


def _jobs(detect: VideoHighlightDetectionPipeline, device: torch.device, options: argparse.Namespace) -> int:
    """How many films to work on at a time: by default few, or one where its networks keep all cores busy."""
    if device.type != "cpu":
        return 1
    wanted = options.jobs
    if wanted == "auto":
        cores = len(os.sched_getaffinity(0))
        wanted = 1 if detect.model.config.feature_streams else min(cores, MOST_JOBS)
    return min(wanted, len(options.files))


def _side_by_side(highlight: Callable[[Path], bool], files: list[Path], jobs: int) -> Iterator[bool]:
    """As `map(highlight, files)`; what is said of a film is said when all is said of those before it."""
    import torch

    from .jobs import in_order

    share = max(1, torch.get_num_threads() // jobs)
    with _threads(share), closing(in_order(partial(_recorded, highlight), files, jobs)) as answers:
        for path, answer in zip(files, answers, strict=True):
            yield _retold(path, answer)


def _recorded(highlight: Callable[[Path], bool], path: Path) -> tuple[bool, Said]:
    """Whether a film is done, and what is said meanwhile, which is kept for `_retold`."""
    said: Said = []
    warnings.showwarning = lambda message, *_, **__: said.append(("warning", str(message)))
    with redirect_stdout(_Record("result", said)), redirect_stderr(_Record("remark", said)):
        return highlight(path), said


class _Record(io.TextIOBase):
    """Keeps what is printed, a text at a time; no terminal, so that progress is not shown."""

    def __init__(self, voice: str, said: Said) -> None:
        self._voice, self._said = voice, said

    def write(self, text: str) -> int:
        if text.strip():
            self._said.append((self._voice, text))
        return len(text)


def _retold(path: Path, answer: tuple[bool, Said] | Died) -> bool:
    """Say what was said of a film, or that its process died; gives whether it is done."""
    from .jobs import Died
    from .media import MediaWarning

    if isinstance(answer, Died):
        _say(f"error: {path}: {answer}")
        return False
    done, said = answer
    warn = partial(warnings.warn, category=MediaWarning)
    voices: dict[str, Callable[[str], None]] = {"result": _tell, "remark": _say, "warning": warn}
    for voice, text in said:
        voices[voice](text)
    return done


def _run_cut(options: argparse.Namespace) -> int:
    """Write a film with the highlights of a list; gives the exit status."""
    from .media import MediaWarning
    from .readers import ListWarning

    for kind in (MediaWarning, ListWarning):
        warnings.simplefilter("always", kind)
    return int(not _succeeds(partial(_cut, options)))


def _succeeds(work: Callable[[], None]) -> bool:
    """Work on a film; what goes wrong with it is said in a line."""
    try:
        work()
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        _say(f"error: {_one_line(error)}")
        return False
    return True


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


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep the collector from going through the million objects that imports make, and that stay."""
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:
            gc.freeze()
        gc.enable()


def _highlight(
    detect: VideoHighlightDetectionPipeline,
    cleaner: EdgeCleaner,
    namer: SoundNamer | None,
    path: Path,
    options: argparse.Namespace,
) -> None:
    """Score one film, write its outputs and print the line that says so."""
    from .writers import HighlightResult

    info, limits = _probed(path, options)
    search = {"min_length": options.min_length, "max_length": options.max_length}
    search |= {"top_k": options.top_k, "duration": options.duration}
    found = detect(info, return_features="png" in options.formats, limits=limits)
    result = HighlightResult.of_film(info, found, options.model, limits, detect.calibration)
    lengths = {"shortest": options.min_length, "longest": options.max_length, "total": options.duration}
    result = cleaner.clean(result.with_highlights(**search), _cutting(options, **lengths))
    if namer is not None:
        result = namer.name(result)
    hint = NOTHING_HINT if options.top_k is None and options.duration is None else ""
    _write(result, options, options.formats, hint)


def _cut(options: argparse.Namespace) -> None:
    """Write a film with the highlights of a list, but neither over the list nor over scores that it lacks."""
    from .readers import holds_scores, read_result

    result = read_result(options.list, *_probed(options.file, options))
    if options.snap or options.pad_before or options.pad_after:
        from .clean_edges import EdgeCleaner  # which takes PyTorch

        result = EdgeCleaner().clean(result, _cutting(options, shortest=0, longest=float("inf")))
    formats = [name for name in options.formats if not _is_list(name, options)]
    if kept := [name for name in options.formats if name not in formats]:
        _say(f"{options.list}: is the list and stays as it is; another --output-dir gives {kept[0]} as well")
    scores = _target("json", options)
    if "json" in formats and not result.scored and holds_scores(scores):
        _say(f"{scores}: stays as it is, since it holds scores, which the list does not")
        formats.remove("json")
    if not formats:
        raise ValueError("Nothing is left that could be written; another --output-dir is needed.")
    _write(result, options, formats)


def _is_list(name: str, options: argparse.Namespace) -> bool:
    """Whether a format's file would be the list that is read."""
    target = _target(name, options)
    return target.exists() and options.list.exists() and target.samefile(options.list)


def _target(name: str, options: argparse.Namespace) -> Path:
    return options.output_dir / f"{options.file.stem}{WRITERS[name].suffix}"


def _probed(path: Path, options: argparse.Namespace) -> tuple[MediaInfo, DecodingLimits]:
    """What a film holds, within what limits; says which sound tracks count, where there are several."""
    from .media import DecodingLimits, probe

    limits = DecodingLimits(**dict(options.limit))
    info = probe(path, limits, options.audio_track)
    if len(info.sounds) > 1:
        _say(_heard(info))
    return info, limits


def _write(result: HighlightResult, options: argparse.Namespace, formats: list[str], hint: str = "") -> None:
    """Write a film's outputs and print the line that says so; `hint`: what to do if it has no highlights."""
    from .writers import WriterError, write_outputs

    relative = options.output_dir if options.list_paths == "relative" else None
    result = replace(result, relative_to=relative, reel=_reel_options(options))
    problem = None
    try:
        written = write_outputs(result, options.output_dir, formats)
    except WriterError as error:
        written, problem = error.written, error
    count = len(result.highlights)
    number = f"{count} highlight{'s' * (count != 1)}"
    names = [file.name for file in written]
    _tell("  ".join([result.source_name, _clock(result.duration), number, *names]))
    if not count:
        _say(f"{result.source_name}: nothing stands out{hint}")
    if problem:
        raise problem


def _reel_options(options: argparse.Namespace) -> ReelOptions:
    return ReelOptions(options.loudness, options.height, options.codec)


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


def _device(name: str) -> torch.device:
    import torch

    if name != "auto":
        return torch.zeros(0, device=name).device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="davihd", description="Finds the highlights of videos.")
    parser.add_argument("--version", action="version", version=f"davihd {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_highlight(commands)
    _add_cut(commands)
    return parser


def _add_highlight(commands: Any) -> None:
    highlight = commands.add_parser(
        "highlight",
        help="find the highlights of films and write them",
        description="Scores every second of each film and writes its highlights as MATCH.highlights.* files.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    highlight.set_defaults(run=_run_highlight, check=_check_highlight)
    highlight.add_argument("files", nargs="+", type=Path, metavar="FILE", help="video or sound file")
    highlight.add_argument("--model", default=DEFAULT_MODEL, help="checkpoint folder or Hub id")
    _add_output_options(highlight)
    how_much = highlight.add_mutually_exclusive_group()
    how_much.add_argument(
        "--duration", type=float, metavar="S", help="seconds that the highlights may last in all"
    )
    how_much.add_argument("--top-k", type=int, metavar="N", help="number of highlights at the most")
    highlight.add_argument(
        "--min-length", type=float, default=2, metavar="S", help="shortest highlight in seconds"
    )
    highlight.add_argument(
        "--max-length", type=float, default=30, metavar="S", help="longest highlight in seconds"
    )
    _add_edge_options(highlight, ",".join(KINDS))
    highlight.add_argument(
        "--names",
        choices=("auto", "none"),
        default="auto",
        help="say what is heard in each highlight, where that is sure enough, or do not listen for it",
    )
    highlight.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    highlight.add_argument(
        "--dtype",
        choices=PRECISIONS,
        default="auto",
        help="what frozen encoders compute in; auto is bfloat16 on processors with instructions for it",
    )
    highlight.add_argument(
        "--jobs",
        type=_count,
        default="auto",
        metavar="N",
        help=f"films to work on at a time; auto: as many as there are cores, {MOST_JOBS} at the most",
    )
    _add_reading_options(highlight)


def _add_cut(commands: Any) -> None:
    cut = commands.add_parser(
        "cut",
        help="cut a film by a list of highlights, such as an edited one",
        description="Writes a film's MATCH.highlights.* files with the highlights of a list. "
        "Its edges stay where they are, and nothing is scored.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    cut.set_defaults(run=_run_cut, check=_check_cut)
    cut.add_argument("file", type=Path, metavar="FILE", help="video or sound file")
    cut.add_argument(
        "--from",
        dest="list",
        type=Path,
        required=True,
        metavar="LIST",
        help="JSON or CSV of davihd, an edit list, labels of Audacity or time stamps",
    )
    _add_output_options(cut)
    _add_edge_options(cut, "none")
    _add_reading_options(cut)


def _add_output_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--output-dir", type=Path, default=Path("."), metavar="DIR", help="where to write")
    command.add_argument(
        "--formats",
        type=_formats,
        default=DEFAULT_FORMATS,
        metavar="A,B",
        help=f"what to write, out of {','.join(WRITERS)}",
    )
    command.add_argument(
        "--list-paths",
        choices=("absolute", "relative"),
        default="absolute",
        help="how edit lists say where the film is: by its whole path, or by that from the list on",
    )
    command.add_argument(
        "--loudness", type=float, metavar="LUFS", help="of reel and clips by EBU R128, as -14; the film's own"
    )
    command.add_argument(
        "--codec", choices=CODECS, help="of reel and clips; by default hevc for films of 10 bits, else h264"
    )
    command.add_argument(
        "--height", type=int, metavar="ROWS", help="of reel and clips, at the most; the film's own up to 4K"
    )


def _add_edge_options(command: argparse.ArgumentParser, snap: str) -> None:
    command.add_argument(
        "--snap",
        type=_snaps,
        default=snap,
        metavar="shots,pauses|none",
        help="what the edges of highlights go to, where there is any near by: shot changes, pauses, or none",
    )
    for side in ("before", "after"):
        command.add_argument(
            f"--pad-{side}", type=float, default=0, metavar="S", help=f"seconds of room {side} each highlight"
        )


def _add_reading_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--audio-track",
        metavar="N|NAME|LANGUAGE",
        help="sound track to hear, of several; by default all of the film's own language",
    )
    command.add_argument(
        "--limit",
        type=_limit,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what a film may ask of its decoders, by the name that a refusal gives",
    )


def _count(text: str) -> int | str:
    if text == "auto" or (text.isdecimal() and int(text) > 0):
        return text if text == "auto" else int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a whole number of at least 1")


def _formats(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in WRITERS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(WRITERS)}")
    return names


def _snaps(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    if names == ["none"]:
        return ()
    if unknown := [name for name in names if name not in KINDS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(KINDS)}, nor none alone")
    return tuple(names)


def _limit(text: str) -> tuple[str, float]:
    from .media import DEFAULT_LIMITS

    known = asdict(DEFAULT_LIMITS)
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if name not in known or not number > 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no limit; NAME=VALUE is needed, a number over 0 for one of {', '.join(known)}"
        )
    return name, number


def _check_highlight(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Wrong usage ends here with status 2, before anything is loaded."""
    for name, least in (("duration", 0), ("top_k", 0), ("min_length", 0.1), ("max_length", 0.1)):
        value = getattr(options, name)
        if value is not None and not least < value < float("inf"):
            parser.error(f"--{name.replace('_', '-')} is {value}; it needs to be finite and over {least}")
    if options.min_length > options.max_length:
        parser.error(
            f"--min-length is {options.min_length}; it needs to be at most --max-length {options.max_length}"
        )
    if options.duration is not None and options.duration < options.min_length:
        parser.error(
            f"--duration is {options.duration}; it needs to be at least --min-length {options.min_length}"
        )
    for path, other in itertools.permutations(options.files, 2):
        ours = other.name.startswith((f"{path.stem}.highlights.", f"{path.stem}.highlight-"))
        if ours and other.absolute().parent == options.output_dir.absolute():
            parser.error(f"{other} would be overwritten by the output of {path}; use another --output-dir")
    for stem, count in Counter(path.stem for path in options.files).items():
        if count > 1:
            parser.error(
                f"{count} files would all write {stem}.highlights.*; run them with different --output-dir"
            )
    _check_shared(parser, options)


def _check_cut(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """As `_check_highlight`."""
    _check_shared(parser, options)
    if all(_is_list(name, options) for name in options.formats):
        parser.error(f"--from {options.list} would be all that is written; use another --output-dir")


def _check_shared(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    for name in ("pad_before", "pad_after"):
        if not 0 <= (value := getattr(options, name)) < float("inf"):
            parser.error(f"--{name.replace('_', '-')} is {value}; it needs to be finite and not below 0")
    try:
        _reel_options(options)
        if options.codec:
            from .media_encoders import check_codec

            check_codec(options.codec)
    except ValueError as error:
        parser.error(f"--{error}")
    if options.output_dir.exists() and not options.output_dir.is_dir():
        parser.error(f"--output-dir is {options.output_dir}, which is a file; it needs to be a folder")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _tell(text: str) -> None:
    """Print a result; if nobody reads on, as after `| head`, the remaining files are still written."""
    try:
        print(_printable(text), flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")


def _say(text: str) -> None:
    print(_printable(text), file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """Names of files may hold line breaks and what commands a terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", text)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
