"""Commands that are killed, interrupted or without a disk: what they leave is whole, and they can go on.

`pytest tests/reliability/test_faults.py -m soak -s` kills each command at 30 random moments and prints
what came of it.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from films import film_with_sound, noise_within, tone
from hub_server import HubServer
from nursery import Nursery, Outcome
from safetensors import safe_open
from tiny_data import write_config, write_dataset

KILLS = 30
INTERRUPTS = 10
FILMS = 6

pytestmark = pytest.mark.slow

MAINS = {
    "dataset": "datasets_scripts.synthetic",
    "features": "datasets_scripts.video_folder",
    "training": "examples.train",
    "publishing": "examples.publish",
    "highlight": "modeling_davihd.cli",
    "reel": "modeling_davihd.cli",
}


def after(seconds: float, number: int = signal.SIGKILL):
    def disturb(process: int):
        time.sleep(seconds)
        os.kill(process, number)

    return disturb


@dataclass
class Command:
    """A command, the folder that it writes to, and what an undisturbed run leaves there."""

    name: str
    arguments: list[str]
    folder: Path
    nursery: Nursery
    hub: HubServer
    whole: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def run(self, *more: str, **disturbance) -> Outcome:
        self.folder.mkdir(exist_ok=True)
        code = f"import sys; from {MAINS[self.name]} import main; sys.exit(main(sys.argv[1:]))"
        return self.nursery.run(code, [*self.arguments, *more], self.folder, **disturbance)

    def clear(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.hub.repos.clear()
        self.hub.objects.clear()

    def found(self) -> dict[str, str]:
        """Name -> hash of all that is there under a final name; times and logs are left out."""
        if self.name == "publishing":
            return {name: digest(content) for name, content in self.published().items()}
        files = {path: path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()}
        return {
            str(name): digest(timeless(path))
            for path, name in files.items()
            if not any(part.startswith(".") or part == "davihd" for part in name.parts)
            and not name.name.endswith(".begun")
        }

    def published(self) -> dict[str, bytes]:
        key = ("models", "alice/model")
        return self.hub.files("alice/model") if key in self.hub.repos else {}

    def learn(self):
        """Run it undisturbed, once."""
        if not self.whole:
            self.clear()
            first = self.run()
            assert first.status == 0, first.text
            self.whole, self.seconds = self.found(), first.seconds
            assert self.whole
        self.clear()

    def check_rest(self):
        """What a disturbed run has left under final names is whole."""
        found = self.found()
        if self.name == "publishing":
            assert not found or set(found) == {".gitattributes"} or found == self.whole
        elif self.name == "training":
            for path in self.folder.rglob("*.safetensors"):
                if not any(part.startswith(".") for part in path.relative_to(self.folder).parts):
                    with safe_open(path, "pt") as file:
                        assert file.keys()
            for path in self.folder.glob("*.json"):
                json.loads(path.read_text())
        else:
            for name, content in found.items():
                assert content == self.whole[name], f"{name} is half written"

    def go_on(self):
        """The same command gives what an undisturbed one does."""
        done = self.run()
        assert done.status == 0, done.text
        assert self.found() == self.whole


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def timeless(path: Path) -> bytes:
    """A file's content without how long things took."""
    content = path.read_bytes()
    if path.name in ("training.json", "progress.json"):
        record = json.loads(content)
        for name in ("seconds", "seconds_per_epoch", "seconds_per_video"):
            record.pop(name, None)
        content = json.dumps(record).encode()
    if path.name == "README.md":
        lines = content.splitlines()
        content = b"\n".join(line for line in lines if b" s an epoch" not in line and b"second" not in line)
    return content


@pytest.fixture(scope="module")
def commands(hub, nursery, tmp_path_factory) -> dict[str, Command]:
    """The six commands, each of about a second's work."""
    folder = tmp_path_factory.mktemp("faults")
    films, sound = folder / "films", tone(9, 16000)
    films.mkdir()
    for number in range(FILMS):
        film_with_sound(films / f"film{number}.mp4", sound * (number + 1) / (FILMS + 1), 9)
    (folder / "labels.csv").write_text(
        "video,second,score\n" + "".join(f"film{n}.mp4,{s},0.{s}\n" for n in range(FILMS) for s in range(9))
    )
    cheers = np.concatenate([noise_within(6, 2, 3), noise_within(3, 2, 5)])
    film = film_with_sound(folder / "match.mp4", cheers, 21)
    data = write_dataset(folder / "data")
    config = write_config(folder / "config")
    out = folder / "out"
    features = ["--semantic-backbone", "statistics", "--visual-backbone", "statistics", "--device", "cpu"]
    arguments = {
        "dataset": ["--out", ".", "--videos", "3", "--duration", "4", "--render", "--device", "cpu"],
        "features": ["--videos", str(films), "--labels", str(folder / "labels.csv"), "--out", ".", *features],
        "training": [
            *("--config", str(config), "--dataset", str(data), "--output", "run", "--epochs", "3"),
            *("--save-every", "1", "--resume"),
        ],
        "publishing": ["model", str(folder / "trained"), "alice/model"],
        "highlight": ["highlight", str(film), "--formats", "json,csv,png,mp4,clips,edl,otio,chapters"],
    }
    arguments["highlight"] += ["--names", "none"]  # they are in no file of their own
    (folder / "matches").mkdir()
    for number in range(3):
        os.link(film, folder / "matches" / f"{number}.mp4")
    reel = ["highlight", str(folder / "matches"), "--reel", "best.mp4", "--duration", "15", "--names", "none"]
    arguments["reel"] = [*reel, "--jobs", "2"]
    made = {name: Command(name, words, out, nursery, hub) for name, words in arguments.items()}
    made["training"].clear()
    assert made["training"].run().status == 0
    shutil.copytree(out / "run", folder / "trained")
    return made


@pytest.fixture
def command(request, commands) -> Iterator[Command]:
    """The one that is asked for, which knows what it leaves when nothing disturbs it."""
    command = commands[request.param]
    command.learn()
    yield command
    command.clear()


def soaking(name: str):
    return pytest.param(name, marks=pytest.mark.soak)


def each(*names: object):
    return pytest.mark.parametrize("command", names, indirect=True)


# The command that writes films takes longest, and shares its parts with the others.
FILMS_LAST = ("features", "training", "highlight", soaking("dataset"))
WRITING_FILMS = ("highlight", "reel")  # which know SIGTERM as they know Ctrl-C


def disturb_at_random(command: Command, count: int, number: int, seed: int) -> dict[int, int]:
    """Disturb fresh runs at random moments, each followed by the same command; how often each status came.

    Runs that end before they are hit, as some do where the machine has other work now and then, do not count.
    """
    chance, statuses = random.Random(seed), {}
    hit = -number if number == signal.SIGKILL else 130
    for _ in range(3 * count):
        if statuses.get(hit) == count:
            break
        command.clear()
        done = command.run(disturb=after(chance.uniform(0.02, command.seconds), number))
        statuses[done.status] = statuses.get(done.status, 0) + 1
        assert done.status in (0, -number, hit), done.text
        if done.status == 0:
            command.seconds = min(command.seconds, done.seconds)
        if done.status == 130:
            assert "interrupted" in done.text.splitlines()[-1] and "Traceback" not in done.text
            assert command.name not in WRITING_FILMS or not [*command.folder.rglob("*.partial")]
        command.check_rest()
        command.go_on()
    return statuses


@each("publishing", *FILMS_LAST)
def test_killed_or_interrupted_it_goes_on_to_the_same_end(command):
    disturb_at_random(command, 1, signal.SIGKILL, seed=1)
    if command.name != "publishing":  # which has nothing to finish
        number = signal.SIGTERM if command.name in WRITING_FILMS else signal.SIGINT
        disturb_at_random(command, 1, number, seed=2)


@pytest.mark.soak
@each("publishing", *FILMS_LAST, "reel")
def test_killed_at_thirty_moments(command):
    killed = disturb_at_random(command, KILLS, signal.SIGKILL, seed=3)
    interrupted = disturb_at_random(command, INTERRUPTS, signal.SIGINT, seed=4)
    assert killed[-signal.SIGKILL] == KILLS and interrupted[130] == INTERRUPTS
    if command.name in WRITING_FILMS:
        assert disturb_at_random(command, INTERRUPTS, signal.SIGTERM, seed=5)[130] == INTERRUPTS
    hashed = digest(json.dumps(command.whole, sort_keys=True).encode())[:12]
    print(
        f"\n{command.name}: {command.seconds:.2f} s undisturbed, {len(command.whole)} files, hash {hashed}; "
        f"SIGKILL {killed}, SIGINT {interrupted}; all ended with the same files"
    )


@pytest.mark.soak
@each("training")
def test_killed_twice_over_it_still_goes_on(command):
    for share in (0.3, 0.5, 0.7):
        command.run(disturb=after(share * command.seconds))
    command.go_on()


@each("highlight")
def test_what_a_killed_highlight_left_goes_after_an_hour(command):
    command.folder.mkdir()
    old, fresh = (command.folder / f".{number:012x}.partial" for number in (1, 2))
    for folder, age in ((old, 3700), (fresh, 60)):
        folder.mkdir()
        (folder / "0").write_text("half a film")
        for path in (folder / "0", folder):
            os.utime(path, (time.time() - age,) * 2)
    command.go_on()
    assert fresh.exists() and not old.exists()


# A full disk


def one_sentence(done: Outcome) -> str:
    """What was said at the end, which has to be the only complaint."""
    assert done.status == 1, done.text
    assert "Traceback" not in done.text
    return done.text.strip().splitlines()[-1]


# Bytes that a file may have: less than the largest of each command's files.
LARGEST = {"dataset": 20_000, "features": 2_000, "training": 30_000, "highlight": 8_000}


@each(*FILMS_LAST)
def test_a_file_that_cannot_grow_is_told_and_left_out(command):
    sentence = one_sentence(command.run(largest_file=LARGEST[command.name]))
    assert "cannot be written" in sentence, sentence
    command.check_rest()
    command.go_on()


def can_mount(folder: Path) -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None and mount(folder, "size=16k")


def mount(folder: Path, options: str) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def disk(command) -> Iterator[Path]:
    """The command's folder as a disk of its own, of 16 kB until it is mounted anew."""
    if not can_mount(command.folder):
        pytest.skip("needs to be root, and allowed to mount a disk")
    yield command.folder
    subprocess.run(["umount", "-l", str(command.folder)], check=True)


@each("features", "training", *map(soaking, ("dataset", "highlight")))
def test_a_full_disk_is_told_and_left_resumable(command, disk):
    assert subprocess.run(["mount", "-o", "remount,size=64k", str(disk)]).returncode == 0
    sentence = one_sentence(command.run())
    assert "cannot be written" in sentence, sentence
    command.check_rest()
    hidden = [path for path in disk.rglob(".*") if path.is_file() and not path.match("davihd/*")]
    assert not hidden, "what could not be finished takes no room"
    assert subprocess.run(["mount", "-o", "remount,size=64m", str(disk)]).returncode == 0
    command.go_on()


@each(*FILMS_LAST)
def test_a_read_only_disk_is_told(command, disk):
    assert subprocess.run(["mount", "-o", "remount,ro", str(disk)]).returncode == 0
    sentence = one_sentence(command.run())
    assert "cannot be" in sentence, sentence
    assert not any(disk.iterdir())


# Folders that go away


@each("features", *map(soaking, ("dataset", "training", "highlight")))
def test_a_folder_that_vanishes_is_told_or_made_again(command):
    def vanish(process: int):
        time.sleep(0.4 * command.seconds)
        os.kill(process, signal.SIGSTOP)
        shutil.rmtree(command.folder)
        os.kill(process, signal.SIGCONT)

    done = command.run(disturb=vanish)
    assert done.status in (0, 1) and "Traceback" not in done.text, done.text
    if command.folder.exists():
        command.check_rest()
    command.go_on()


@each(*FILMS_LAST)
def test_a_file_where_a_folder_belongs_is_told(command):
    command.folder.mkdir()
    (command.folder / "file").touch()
    places = {"dataset": "--out", "features": "--out", "training": "--output", "highlight": "--output-dir"}
    place = places[command.name]
    assert "file/below" in one_sentence(command.run(place, "file/below"))
    assert [path.name for path in command.folder.iterdir()] == ["file"]
