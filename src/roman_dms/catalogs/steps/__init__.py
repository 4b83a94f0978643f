"""Catalogues as products."""
