"""A complete baseline of reference files: synthetic, seeded, physically sane.

Nothing here comes from the mission's own reference files, which are not public
in full; medians are published figures and structure is drawn at random.
"""

from roman_dms.references.bootstrap.baseline import MINIATURE, bootstrap

__all__ = ["MINIATURE", "bootstrap"]
