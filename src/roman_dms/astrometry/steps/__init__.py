"""Alignment of files: catalogues in, corrected WCS out."""
