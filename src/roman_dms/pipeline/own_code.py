"""Code of the user's own: ``package.module:name`` or ``file.py:name``."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from roman_dms.errors import UsageError


def own_object(where: str, folder: Path, error: type[UsageError] = UsageError) -> Any:
    """What a user's ``module:name`` or ``file.py:name`` stands for.

    Parameters
    ----------
    where
        What was written.
    folder
        What the path of a file is relative to.
    error
        What is raised.

    Raises
    ------
    UsageError
        For another form, or code that cannot be loaded.
    """
    source, colon, name = where.rpartition(":")
    if not colon:
        raise error(f"The function {where!r} was found.", "module:function or file.py:function")
    try:
        module = (
            _load_file(folder / source)
            if source.endswith(".py")
            else importlib.import_module(source)
        )
        return getattr(module, name)
    except (ImportError, AttributeError, OSError, SyntaxError) as reason:
        raise error(f"{where!r} cannot be loaded: {reason}.") from reason


def _load_file(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(f"_rdms_user_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # annotations are resolved through it
    specification.loader.exec_module(module)
    return module
