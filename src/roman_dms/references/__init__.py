"""Reference kinds, selection rules, contexts, store, certification.

>>> from roman_dms.references import ReferenceStore, parameters_of
>>> context = ReferenceStore("store").context()  # doctest: +SKIP
>>> context.select(parameters_of(exposure.meta), ["flat", "gain"])  # doctest: +SKIP
{'flat': Path(...), 'gain': Path(...)}
"""

from roman_dms.references.context import Context, Selection, parameters_of
from roman_dms.references.store import ReferenceStore, default_path
from roman_dms.references.submission import build_context, submit

__all__ = [
    "Context",
    "ReferenceStore",
    "Selection",
    "build_context",
    "default_path",
    "parameters_of",
    "submit",
]
