"""The table of formats: what it costs to read it, and what goes in and out of it."""

import pytest
from films import film_with_sound, tone

from modeling_davihd import cli, writers
from modeling_davihd.writers import WRITERS, FileWriter, Writer


def test_the_table_holds_each_writer_under_its_name():
    for name, writer in WRITERS.items():
        assert issubclass(writer, Writer) and writer.name == name
        assert getattr(writers, writer.__name__) is writer and writer.__name__ in dir(writers)
    with pytest.raises(KeyError):
        WRITERS["gif"]
    with pytest.raises(AttributeError, match="no attribute 'GIFWriter'"):
        _ = writers.GIFWriter


class ToyWriter(FileWriter):
    """How many highlights there are."""

    name, suffix = "toy", ".highlights.toy"

    def save(self, result, path):
        path.write_text(str(len(result.highlights)))


def test_a_format_from_outside_is_one_of_the_command_line(tmp_path, capsys):
    film = film_with_sound(tmp_path / "match.mp4", tone(4, 16000), 4)
    command = ["highlight", str(film), "--output-dir", str(tmp_path), "--formats", "toy"]

    def listed() -> bool:
        with pytest.raises(SystemExit):
            cli.main(["highlight", "--help"])
        return "chapters,ffmetadata,toy" in "".join(capsys.readouterr().out.split())

    assert not listed()
    WRITERS["toy"] = ToyWriter
    try:
        assert listed() and cli.main(command) == 0
        assert capsys.readouterr().out.endswith("match.highlights.toy\n")
    finally:
        del WRITERS["toy"]
    assert (tmp_path / "match.highlights.toy").read_text().isdigit()
    assert not listed() and "toy" not in WRITERS
    with pytest.raises(SystemExit) as stop:
        cli.main(command)
    assert stop.value.code == 2 and "'toy' is none of json, csv" in capsys.readouterr().err
