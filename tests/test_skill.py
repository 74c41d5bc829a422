"""What assistants are told of the command is true: its options, formats and fields are there."""

import re
import shlex

import pytest
import yaml
from paths import ROOT

from modeling_davihd.cli_options import parse
from modeling_davihd.writers import WRITERS

SKILL = ROOT / ".agents" / "skills" / "davihd" / "SKILL.md"
TEXT = SKILL.read_text(encoding="utf-8")
COMMANDS = re.findall(r"(?:^ {4}|`)davihd ([^`|\n]*)", TEXT, re.MULTILINE)


def test_it_is_where_and_as_assistants_look_for_it():
    _, head, _ = TEXT.split("---\n", 2)
    fields = yaml.safe_load(head)
    assert fields["name"] == SKILL.parent.name
    assert len(fields["description"]) <= 1024 and len(fields["compatibility"]) <= 500


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_understood(command, capsys):
    try:
        parse(shlex.split(command))
    except SystemExit as stop:
        assert stop.code == 0 and {"--help", "--version"} & set(command.split())


def test_it_names_every_format_and_options_that_there_are(capsys):
    [formats] = re.findall(r"^- `--formats`: ((?:.*\n)*?)- ", TEXT, re.MULTILINE)
    assert set(re.findall("`([a-z0-9]+)`", formats)) == set(WRITERS)
    with pytest.raises(SystemExit):
        parse(["highlight", "--help"])
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    for line in TEXT.splitlines():
        used = set(re.findall(r"(?<!\S)`?(--[a-z][a-z-]+)", line))
        assert used <= options | {"--from", "--version"}, line
