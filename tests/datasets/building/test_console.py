"""How commands end."""

import warnings

import pytest

from datasets_scripts.building.console import run_command, run_dataset_command
from modeling_davihd.engines.errors import DatasetError, UsageError
from modeling_davihd.media import MediaWarning


def failing(error: BaseException):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status"),
    [(DatasetError("a: is\nwrong."), 1), (UsageError("--b is wrong."), 2), (KeyboardInterrupt(), 130)],
)
def test_commands_fail_in_one_line(capsys, error, status):
    for run in (run_command, run_dataset_command):
        assert run(failing(error), "program.py") == status
        assert capsys.readouterr().err.count("\n") == 1


def test_what_is_said_of_an_error(capsys):
    assert run_command(failing(OSError(2, "No such file", "a.mp4")), "program.py") == 1
    assert capsys.readouterr().err == "program.py: error: [Errno 2] No such file: 'a.mp4'\n"
    assert run_command(failing(KeyboardInterrupt()), "program.py", "interrupted; again") == 130
    assert capsys.readouterr().err == "program.py: interrupted; again\n"
    assert run_dataset_command(failing(DatasetError("a: is\nwrong.")), "program.py") == 1
    assert capsys.readouterr().err == "program.py: a: is wrong.\n"


def test_errors_of_the_program_itself_are_not_hidden():
    with pytest.raises(KeyError):
        run_command(failing(KeyError("name")), "program.py")


def test_a_dataset_command_tells_what_is_wrong_with_films_and_nothing_else(capsys):
    def command():
        warnings.warn("a.mp4: is\ndamaged.", MediaWarning, stacklevel=1)
        warnings.warn("something of a library", stacklevel=1)

    assert run_dataset_command(command, "program.py") == 0
    assert capsys.readouterr().err == "program.py: warning: a.mp4: is damaged.\n"
