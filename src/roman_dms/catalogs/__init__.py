"""Catalogues of sources, from images and mosaics."""
