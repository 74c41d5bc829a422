"""Many films in one process, many visitors at once: nothing grows or leaks, nobody gets another's film.

`pytest tests/reliability/test_soak.py -m soak -s` runs the long ones and prints their figures.
"""

import gc
import json
import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from films import film_with_sound, make_film, tone, truncate
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import QueueError
from paths import ROOT

from modeling_davihd import cli, cli_options
from modeling_davihd.loading import DEFAULT_MODEL, load_pipeline
from modeling_davihd.media import cut_reel, stream_segments

sys.path.append(str(ROOT / "spaces_demo"))  # a Space's files import each other as a program's do

import app  # noqa: E402
import handlers  # noqa: E402
from limits import Limits  # noqa: E402

FILMS, WARM_UP = 300, 100
VISITORS = 24
SCORE_FILM = handlers.score_film

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:::gradio")]


def loud_at(second: int, seconds: int) -> np.ndarray:
    """A quiet sound with something to hear from that second on."""
    parts = ((second, 0.005), (2, 0.6), (seconds - second - 2, 0.005))
    return np.concatenate([tone(length, 16000, amplitude=level) for length, level in parts])


# Films, one after the other


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Films of several kinds, some of them damaged."""
    folder = tmp_path_factory.mktemp("films")
    for number, suffix in enumerate(("mp4", "mkv", "mov", "ts")):
        film_with_sound(folder / f"film{number}.{suffix}", loud_at(2 + number, 9), 9)
    for suffix in ("wav", "mp3", "flac"):
        make_film(folder / f"sound.{suffix}", sounds=[(0.0, loud_at(3, 8))], rate=16000)
    film_with_sound(folder / "mute.mp4", None, 4)
    truncate(film_with_sound(folder / "cut.mkv", loud_at(2, 12), 12), 0.6)
    truncate(film_with_sound(folder / "broken.mp4", loud_at(2, 6), 6), 0.02)
    (folder / "notes.mp4").write_text("not a film")
    return folder


FORMATS = ("json", "csv", "png", "mp4", "clips", "edl", "otio")


def highlight_all(films: Path, out: Path, count: int, after_each=lambda: None, formats=FORMATS) -> int:
    """The command's work on that many films in this process; how many were refused."""
    device, refused = cli._device("cpu"), 0
    detect = load_pipeline(DEFAULT_MODEL, device)
    paths = sorted(films.iterdir())
    out.mkdir(exist_ok=True)
    words = ["highlight", *map(str, paths), "--output-dir", str(out), "--formats", ",".join(formats)]
    options = cli_options.parse([*words, "--names", "none"])
    finish = cli._finish(device, options)
    for number in range(count):
        try:
            cli._highlight(detect, finish, paths[number % len(paths)], options)
        except ValueError:
            refused += 1
        after_each()
    return refused


def handles() -> tuple[int, int]:
    """Open files of this process, and its threads."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def kilobytes() -> int:
    """Memory of this process that is its own."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise AssertionError("Linux tells")


linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")


@linux
def test_films_leave_no_handle_and_no_thread(films, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        highlight_all(films, tmp_path, 11, formats=("json", "mp4"))
        before = handles()
        assert highlight_all(films, tmp_path, 11, formats=("json", "mp4")) == 2
    assert all(now <= then for now, then in zip(handles(), before, strict=True))


@linux
def test_a_decoder_goes_with_its_film_and_waits_for_no_garbage_collector(films, tmp_path):
    gc.collect()
    gc.disable()
    try:
        before = handles()
        cut_reel(films / "sound.flac", [(1, 3)], tmp_path / "reel.mp4")
        chunks = stream_segments(films / "sound.flac", chunk_seconds=1)
        next(chunks)
        chunks.close()  # in the middle of the film
        assert handles() == before
    finally:
        gc.enable()


def soak(films: Path, out: Path) -> dict:
    """Figures of FILMS films in this process."""
    warnings.simplefilter("ignore")
    memory, open_things = [], []

    def measure():
        gc.collect()  # decoders wait for it, and their threads
        memory.append(kilobytes())
        open_things.append(handles())

    started = time.perf_counter()
    refused = highlight_all(films, out, FILMS, measure)
    seconds = time.perf_counter() - started
    warm, last = (float(np.median(part)) for part in (memory[WARM_UP : WARM_UP + 33], memory[-33:]))
    return {
        "films": FILMS,
        "refused": refused,
        "seconds": round(seconds, 1),
        "warm_mb": round(warm / 1024, 1),
        "last_mb": round(last / 1024, 1),
        "growth": round(last / warm - 1, 4),
        "handles": [open_things[WARM_UP], open_things[-1]],
    }


@linux
@pytest.mark.soak
def test_three_hundred_films_in_one_process(films, tmp_path):
    code = "import sys, json, test_soak; from pathlib import Path; "
    code += "print(json.dumps(test_soak.soak(*map(Path, sys.argv[1:]))), file=sys.stderr)"
    paths = os.pathsep.join(map(str, [ROOT, ROOT / "tests" / "support", Path(__file__).parent]))
    done = subprocess.run(
        [sys.executable, "-c", code, str(films), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stderr.splitlines()[-1])
    print(f"\n{figures}")
    assert figures["growth"] < 0.05
    before, after = figures["handles"]
    assert after[0] <= before[0] and after[1] <= before[1]


# Visitors of the Space


@contextmanager
def running_space(folder: Path, limits: Limits):
    """The Space; films that are named in `gates` are held back until those are open; `scored` are done."""
    scored, gates = [], {}

    def score_film(detect, info, model_id, limits):
        if gate := gates.get(info.path.name):
            gate.reached.set()
            assert gate.opened.wait(60)
        scored.append(info.path.name)
        return SCORE_FILM(detect, info, model_id, limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setattr(handlers, "score_film", score_film)
        page = app.build(limits)
        app.launch(page, limits, prevent_thread_lock=True, quiet=True)
        yield SimpleNamespace(url=page.local_url.rstrip("/"), folder=folder, scored=scored, gates=gates)
        page.close()


@pytest.fixture
def space(tmp_path):
    with running_space(tmp_path / "gradio", Limits(jobs=1, waiting=2, leave_seconds=0.1)) as server:
        yield server


def gate(space: SimpleNamespace, name: str) -> SimpleNamespace:
    space.gates[name] = SimpleNamespace(reached=Event(), opened=Event())
    return space.gates[name]


def upload(space: SimpleNamespace, film: Path) -> str:
    """Where the server has put it."""
    with film.open("rb") as file:
        answer = httpx.post(f"{space.url}/gradio_api/upload", files={"files": (film.name, file)})
    return answer.raise_for_status().json()[0]


def ask(space: SimpleNamespace, film: object, session: str, timeout: float = 60) -> httpx.Response:
    """Join the queue of `/highlights` as any program could, whatever `film` is."""
    config = httpx.get(f"{space.url}/config").json()
    number = next(one["id"] for one in config["dependencies"] if one["api_name"] == "highlights")
    body = {"data": [film, "davihd-small", 0, 2, 30, None], "fn_index": number, "session_hash": session}
    return httpx.post(f"{space.url}/gradio_api/queue/join", json=body, timeout=timeout)


def answer(space: SimpleNamespace, session: str) -> dict:
    """What the queue says in the end."""
    address = f"{space.url}/gradio_api/queue/data"
    with httpx.stream("GET", address, params={"session_hash": session}, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and (said := json.loads(line[5:]))["msg"] == "process_completed":
                return said
    raise AssertionError("the queue gave no answer")


def film_data(path: str, **more) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}} | more


def test_space_refuses_paths_of_the_server(space, tmp_path):
    secret = film_with_sound(tmp_path / "secret.mp4", loud_at(2, 9), 9)
    inside = upload(space, film_with_sound(tmp_path / "mine.mp4", loud_at(3, 9), 9))
    climbing = f"{space.folder}/../secret.mp4"
    deep = f"{Path(inside).parent}/../../../secret.mp4"
    films = [film_data(str(path)) for path in (secret, climbing, deep, "/etc/passwd", "../secret.mp4", "")]
    films += [{"path": str(secret)}, str(secret), [film_data(str(secret))], {"meta": None}, {}, 3]
    films += [film_data("x.mp4", url=url) for url in (f"file://{secret}", f"{space.url}/config", str(secret))]
    for number, film in enumerate(films):
        session = f"stranger{number}"
        joined = ask(space, film, session)
        if joined.status_code == 200:
            said = answer(space, session)
            assert not said["success"], film
            assert "secret" not in json.dumps(said.get("output", {}).get("duration", "")), film
    assert space.scored == []
    for path in (secret, climbing, "/etc/passwd", f"{inside}/../../../secret.mp4"):
        for route in ("file=", "file/"):
            assert httpx.get(f"{space.url}/gradio_api/{route}{path}").status_code in (403, 404), path
    ask(space, film_data(inside), "owner")
    assert answer(space, "owner")["success"] and space.scored == ["mine.mp4"]


def test_space_gives_up_the_place_of_a_visitor_who_leaves(space, tmp_path):
    names = ("first", "left", "second", "last")
    films = {name: film_with_sound(tmp_path / f"{name}.mp4", loud_at(2, 9), 9) for name in names}
    paths = {name: upload(space, film) for name, film in films.items()}
    held = gate(space, "first.mp4")
    ask(space, film_data(paths["first"]), "first")
    assert held.reached.wait(30)
    for name in ("left", "second"):
        assert ask(space, film_data(paths[name]), name).status_code == 200
    full = ask(space, film_data(paths["last"]), "last")
    assert full.status_code == 503 and "Queue is full" in full.text
    with httpx.stream("GET", f"{space.url}/gradio_api/queue/data", params={"session_hash": "left"}) as stream:
        next(stream.iter_lines())  # and away
    deadline = time.monotonic() + 20
    while ask(space, film_data(paths["last"]), "last").status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(answer, space, name) for name in ("first", "second", "last")]
        held.opened.set()
        assert all(one.result()["success"] for one in waiting)
    assert space.scored == ["first.mp4", "second.mp4", "last.mp4"]
    assert not list(space.folder.glob("visit-*"))


def visit(url: str, film: Path) -> tuple[str, object, int]:
    """What a visitor gets in the end: a result, or what is wrong; and how often the queue was full."""
    client, refused = Client(url, verbose=False, httpx_kwargs={"timeout": 60}), 0
    while True:
        try:
            return "result", client.predict(handle_file(film), api_name="/highlights"), refused
        except QueueError as full:
            refused += 1
            assert "full" in str(full)
            time.sleep(0.5)
        except AppError as wrong:
            return "told", str(wrong), refused


@pytest.mark.soak
def test_space_serves_twenty_four_visitors_at_once(tmp_path):
    limits = replace(Limits(), leave_seconds=0.1, keep_seconds=30)
    films, words = [], {}
    for number in range(VISITORS):
        kind = number % 3
        path = tmp_path / f"visitor{number}.mp4"
        film_with_sound(path, loud_at(2 + number // 3, 20) if kind < 2 else np.zeros(48000, np.float32), 20)
        if kind == 2 and number % 2:
            path.write_text(f"not a film {number}")
        words[path.name] = "has no audible sound" if kind == 2 and not number % 2 else "not a film"
        films.append(path)
    with running_space(tmp_path / "gradio", limits) as space:
        blocked = [gate(space, films[number].name) for number in (0, 1)]
        with ThreadPoolExecutor(VISITORS) as pool:
            started = time.perf_counter()
            visits = [pool.submit(visit, space.url, film) for film in films]
            for held in blocked:  # until all have come
                held.reached.wait(20)
            time.sleep(8)
            for held in blocked:
                held.opened.set()
            found = [one.result() for one in visits]
            seconds = time.perf_counter() - started
        for number, (film, (kind, got, _)) in enumerate(zip(films, found, strict=True)):
            if number % 3 == 2:
                assert kind == "told" and words[film.name] in got and film.name in got, got
                assert str(tmp_path) not in got
                continue
            assert kind == "result", got
            assert got["source"] == film.name and len(got["scores"]) == 20
            assert any(one["start"] <= 3 + number // 3 <= one["end"] for one in got["highlights"])
        assert not list(space.folder.glob("visit-*"))
        turned_away = sum(1 for _, _, refused in found if refused)
        deadline = time.monotonic() + 150
        while any(path.is_file() for path in space.folder.rglob("*.mp4")) and time.monotonic() < deadline:
            time.sleep(1)
        left = [path for path in space.folder.rglob("*.mp4") if path.is_file()]
    print(
        f"\n{VISITORS} visitors at once: {sum(kind == 'result' for kind, *_ in found)} served their own "
        f"result, {sum(kind == 'told' for kind, *_ in found)} told why, in {seconds:.0f} s; {turned_away} "
        f"met a full queue and came again; uploads left {len(left)}"
    )
    assert left == []
