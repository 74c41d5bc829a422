"""The options of the command `davihd`, and what of them is wrong usage."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from . import __version__
from .edges import KINDS
from .film_files import films_among, folders_of, overwritten
from .loading import DEFAULT_MODEL
from .media_options import CODECS, ENCODERS, ReelOptions
from .precision import PRECISIONS
from .wording import printable
from .writers import WRITERS

if TYPE_CHECKING:
    from .reels import Room

DEFAULT_FORMATS = "json,png,mp4,srt"
REEL_SECONDS = 90
MOST_JOBS = 4  # unless --jobs says so: each takes memory of its own


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options that are given; wrong usage ends here with status 2, before anything is loaded."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    _settle_formats(parser, options)
    options.check(parser, options)
    return options


class Parser(argparse.ArgumentParser):
    """One that says what is wrong in one line, whatever is in the name of a file."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="davihd", description="Finds the highlights of videos.")
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
    highlight.set_defaults(check=_check_highlight)
    highlight.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="video or sound file, or a folder of them"
    )
    highlight.add_argument("--model", default=DEFAULT_MODEL, help="checkpoint folder or Hub id")
    _add_output_options(highlight)
    _add_reel_options(highlight)
    _add_amounts(highlight)
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
    _add_list_options(highlight)


def _add_list_options(highlight: argparse.ArgumentParser) -> None:
    add = highlight.add_argument_group("long lists of films, see docs/scale.md").add_argument
    add(
        "--manifest",
        type=Path,
        metavar="LIST",
        help="films instead of FILE: .csv, .parquet or a dataset with the columns video_id, path and maybe "
        "duration; DIR may then be a URL such as s3://bucket/folder",
    )
    add("--engine", choices=("local", "ray"), default="local", help="this machine, or Ray")
    add("--ray-address", metavar="ADDR", help="of a Ray cluster; by default this machine only")
    add("--rows-per-shard", type=int, default=4, metavar="N", help="films of a shard, the unit of work")


def _add_reel_options(highlight: argparse.ArgumentParser) -> None:
    highlight.add_argument(
        "--reel", type=Path, metavar="BEST.mp4", help="write one reel of the best of all films, nothing else"
    )
    highlight.add_argument(
        "--max-share", type=float, metavar="S", help="of the reel, that one film has at most; a third"
    )
    highlight.add_argument(
        "--order", choices=("time", "rank"), help="of the reel: by film and time, or the best first; time"
    )


def _add_amounts(highlight: argparse.ArgumentParser) -> None:
    how_much = highlight.add_mutually_exclusive_group()
    how_much.add_argument(
        "--duration",
        type=float,
        metavar="S",
        help=f"seconds that the highlights may last in all; {REEL_SECONDS} for --reel",
    )
    how_much.add_argument("--top-k", type=int, metavar="N", help="number of highlights at the most")
    highlight.add_argument(
        "--min-length", type=float, default=2, metavar="S", help="shortest highlight in seconds"
    )
    highlight.add_argument(
        "--max-length", type=float, default=30, metavar="S", help="longest highlight in seconds"
    )


def _add_cut(commands: Any) -> None:
    cut = commands.add_parser(
        "cut",
        help="cut a film by a list of highlights, such as an edited one",
        description="Writes a film's MATCH.highlights.* files with the highlights of a list. "
        "Its edges stay where they are, and nothing is scored.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    cut.set_defaults(check=_check_cut, folders={})
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
    command.add_argument(
        "--output-dir", type=_folder, default=Path("."), metavar="DIR", help="where to write"
    )
    command.add_argument(
        "--formats",
        type=_formats,
        default=argparse.SUPPRESS,
        metavar="A,B",
        help=f"what to write, out of {','.join(WRITERS)} (default: {DEFAULT_FORMATS}; with --stdout json)",
    )
    command.add_argument(
        "--stdout",
        action="store_true",
        help="print JSON, one line for each film, in place of its file; all else is said on standard error",
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
        "--fade",
        type=float,
        default=0,
        metavar="S",
        help="seconds in which a reel's pieces dissolve; 0: cuts",
    )
    command.add_argument(
        "--codec", choices=CODECS, help="of reel and clips; by default hevc for films of 10 bits, else h264"
    )
    command.add_argument(
        "--encoder",
        choices=ENCODERS,
        default="software",
        help="of reel and clips; hardware is faster where the machine has one that works, and else software",
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


def _folder(text: str) -> Path | str:
    """A folder of this machine, or the URL of one elsewhere."""
    return text if "://" in text and not text.startswith("file://") else Path(text.removeprefix("file://"))


def _count(text: str) -> int | str:
    if text == "auto" or (text.isdecimal() and int(text) > 0):
        return text if text == "auto" else int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a whole number of at least 1")


def _formats(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in WRITERS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(WRITERS)}")
    return names


def _settle_formats(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Leave in `formats` those that become files, which JSON does not with --stdout."""
    if "formats" not in options:
        options.formats = ["json"] if options.stdout else _formats(DEFAULT_FORMATS)
    if not options.stdout:
        return
    if "json" not in options.formats:
        parser.error(f"--stdout prints JSON; --formats {','.join(options.formats)} lacks json")
    options.formats.remove("json")


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
    _check_list(parser, options)
    _check_reel(parser, options)
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
    _check_files(parser, options)
    _check_shared(parser, options)


def _check_reel(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse what makes no sense with or without a reel, and put in what a reel takes by default."""
    if options.reel is None:
        for name in ("max_share", "order"):
            if getattr(options, name) is not None:
                parser.error(
                    f"--{name.replace('_', '-')} says how the reel of many films is; it needs --reel"
                )
        return
    from .writers.reels import REEL_FORMATS

    if options.reel.suffix.lower() != ".mp4":
        parser.error(f"--reel is {options.reel}; it needs to end in .mp4")
    if options.top_k is not None:
        parser.error("--top-k does not go with --reel; --duration says how long the reel is")
    if options.stdout:
        parser.error("--stdout does not go with --reel, whose JSON is a file beside it")
    if options.max_share is not None and not 0 < options.max_share <= 1:
        parser.error(f"--max-share is {options.max_share}; it needs to be over 0 and at most 1")
    if options.formats == _formats(DEFAULT_FORMATS):
        options.formats = [name for name in options.formats if name in REEL_FORMATS]
    if unfit := [name for name in options.formats if name not in REEL_FORMATS]:
        parser.error(f"--formats has {unfit[0]}; a reel of many films comes as {', '.join(REEL_FORMATS)}")
    if options.duration is None:
        options.duration = REEL_SECONDS
    seconds = options.duration * (options.max_share or 1)
    if options.max_share and seconds < options.min_length <= options.duration:
        own = f"--max-share {options.max_share:g} of {options.duration:g} s is {seconds:g} s"
        parser.error(f"{own}; it needs to be at least --min-length {options.min_length:g}")
    options.reel = options.output_dir / options.reel
    options.output_dir = options.reel.parent
    if os.path.isdir(options.reel):
        parser.error(f"--reel is {options.reel}, which is a folder; it needs to be a file")


def _check_files(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Put films in the place of folders, and find out where the output of each goes."""
    try:
        options.files = films_among(options.files, options.reel)
    except ValueError as error:
        parser.error(str(error))
    if options.reel and any(os.path.abspath(film) == os.path.abspath(options.reel) for film in options.files):
        parser.error(f"--reel is {options.reel}, which is one of the films; it needs a name of its own")
    options.folders = {} if options.reel else folders_of(options.files, options.output_dir)
    if options.formats and (clash := overwritten(options.folders)):
        parser.error(f"{clash[0]} would be overwritten by the output of {clash[1]}; use another --output-dir")


def _check_list(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """What a list of films needs and what needs one."""
    if bool(options.files) == (options.manifest is not None):
        parser.error("either FILE or --manifest LIST is needed, and not both")
    if options.engine == "ray" and options.manifest is None:
        parser.error("--engine ray needs --manifest LIST")
    if options.ray_address is not None and options.engine == "local":
        parser.error("--ray-address is for --engine ray")
    if options.engine == "ray" and options.device not in ("auto", "cpu", "cuda"):
        parser.error(f"--device is {options.device}; with --engine ray it is auto, cpu or cuda")
    for name in ("reel", "stdout"):
        if options.manifest is not None and getattr(options, name):
            parser.error(f"--{name} does not go with --manifest, whose films may be on many machines")
    if options.rows_per_shard < 1:
        parser.error(f"--rows-per-shard is {options.rows_per_shard}; at least 1 is needed")
    _check_folder(parser, options, stores=options.manifest is not None)


def _check_folder(parser: argparse.ArgumentParser, options: argparse.Namespace, stores: bool) -> None:
    """`stores`: whether it may be one of a store, by its URL."""
    folder = options.output_dir
    if not isinstance(folder, str):
        if folder.exists() and not folder.is_dir():
            parser.error(f"--output-dir is {folder}, which is a file; it needs to be a folder")
    elif not stores:
        parser.error(f"--output-dir is {folder}; a URL needs --manifest LIST, and else a folder is needed")
    elif options.list_paths == "relative":
        parser.error(f"--list-paths is relative; from {folder}, no path leads to a film")


def _check_cut(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    _check_folder(parser, options, stores=False)
    _check_shared(parser, options)
    if options.formats and all(is_list(name, options) for name in options.formats):
        parser.error(f"--from {options.list} would be all that is written; use another --output-dir")


def _check_shared(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    for name in ("pad_before", "pad_after"):
        if not 0 <= (value := getattr(options, name)) < float("inf"):
            parser.error(f"--{name.replace('_', '-')} is {value}; it needs to be finite and not below 0")
    try:
        reel_options(options)
        if options.codec:
            from .media_encoders import check_codec

            check_codec(options.codec)
    except ValueError as error:
        parser.error(f"--{error}")


def is_list(name: str, options: argparse.Namespace) -> bool:
    """Whether a format's file would be the list that is read."""
    file = target(name, options)
    return file.exists() and options.list.exists() and file.samefile(options.list)


def target(name: str, options: argparse.Namespace) -> Path:
    return options.output_dir / f"{options.file.stem}{WRITERS[name].suffix}"


def reel_options(options: argparse.Namespace) -> ReelOptions:
    return ReelOptions(options.loudness, options.height, options.codec, options.fade, options.encoder)


def room_of(options: argparse.Namespace) -> Room:
    """How much the reel of many films holds."""
    from .reels import Room

    return Room(options.duration, options.max_share, options.min_length, options.max_length)
