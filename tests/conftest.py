"""What all tests start from."""

import gc
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

WORKERS = 2

# A shell has its background jobs ignore interrupts, and so the programs that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Before torch and the Hub's client are imported, here and in the programs that tests start: a thread for each
# process, of which several work side by side, and no network.
os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker a cache of its own for what transformers, datasets and evaluate keep.

    Until all is imported, the garbage collector would go through a million objects that stay.
    """
    gc.disable()
    cache = tempfile.TemporaryDirectory(prefix="davihd-tests-")
    os.environ["HF_HOME"] = cache.name
    config.add_cleanup(cache.cleanup)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers, or none for a single file, and for tests whose figures are to be read (`-s`)."""
    files = {argument.split("::")[0] for argument in config.args}
    alone = len(files) == 1 and Path(*files).is_file()
    return 0 if alone or config.option.capture == "no" else WORKERS


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Run all files that use the processes below in one worker, so that their imports are made once."""
    from xdist.scheduler import LoadFileScheduling

    @cache
    def uses_processes(file: str) -> bool:
        text = (config.rootpath / file).read_text(encoding="utf-8")
        return "nursery" in text or "outsider" in text

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "processes" if uses_processes(file) else file

    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have files with many slow tests begin first, and then those that lie at the top, which start processes
    of their own, so that in the end no worker waits long for the other.
    """
    for item in items:
        if item.get_closest_marker("soak") or item.get_closest_marker("cluster"):
            item.add_marker("slow")
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[item.path], item.path.parent != Path(__file__).parent))


def pytest_collection_finish() -> None:
    """Have the garbage collector work again, but not on what imports have made."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def hub() -> Iterator:
    """A Hub on this machine, which is the only one for the nursery's programs."""
    from hub_server import HubServer

    with HubServer() as server:
        yield server


@pytest.fixture(scope="session")
def nursery(hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Runs programs of this repository, as alice, without waiting for what they import."""
    from nursery import Nursery

    folder = tmp_path_factory.mktemp("nursery")
    process = Nursery(folder, hub.environment(folder / "home", "alice"))
    yield process
    process.close()


@pytest.fixture(scope="session")
def outsider(hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """A process that cannot import the package."""
    from interpreters import NO_PACKAGE, Interpreter

    folder = tmp_path_factory.mktemp("outsider")
    python = Interpreter(folder, hub.environment(folder / "home"), NO_PACKAGE)
    yield python
    python.close()
