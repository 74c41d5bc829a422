"""What the tests of building share."""

from pathlib import Path

import pytest
from films import film_with_sound, tone


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """Films of 3.5 and 2 s with sound, one without, and a file that is none."""
    folder = tmp_path_factory.mktemp("films")
    film_with_sound(folder / "long.mp4", tone(3.5, 16000), 3.5)
    film_with_sound(folder / "short.mp4", tone(2, 16000, hertz=880), 2)
    film_with_sound(folder / "silent.mp4", None, 2)
    (folder / "broken.mp4").write_bytes(b"no film" * 100)
    return folder
