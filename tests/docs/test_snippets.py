"""README and tutorials do what they say: every command and every Python block is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
BLOCK = re.compile(r"```(console|python)( file=(\S+))?\n(.*?)```", re.DOTALL)
RAW = next((ROOT / "tests" / "data" / "miniature").glob("*_uncal.asdf"), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets(page, tmp_path, miniature_store):
    shutil.copy(RAW, tmp_path)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    environment = {
        **os.environ,
        "RDMS_REFERENCES": str(miniature_store),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for language, _, file, text in BLOCK.findall(page.read_text()):
        if file:
            (tmp_path / file).write_text(text)
        elif language == "python":
            run([sys.executable, "-c", text], tmp_path, environment)
        else:
            for line in text.splitlines():
                command = line.removeprefix("$ ")
                if not command.startswith(("source", "export", "rdms references bootstrap")):
                    run(command, tmp_path, environment, shell=True)


def run(command, folder, environment, shell=False):
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        shell=shell,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
