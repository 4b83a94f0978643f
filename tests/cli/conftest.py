"""What tests of commands share: a call of the command, in this process."""

import pytest

from roman_dms.cli.main import main


@pytest.fixture
def rdms(capsys):
    """Run the command in this process; gives exit code, output and errors."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return call


@pytest.fixture
def miniature_references(miniature_store, monkeypatch):
    """Commands find the references of the miniature exposure."""
    monkeypatch.setenv("RDMS_REFERENCES", str(miniature_store))
