"""Catalogues of what is in the sky: populations, spectra, variability."""
