"""Effective PSFs from stars: many of them, in dithered images of one detector and filter.

The method is that of Anderson & King (2000, PASP 112, 1360), generalised: positions are
averaged over the dithers, so that errors that go with the pixel phase average out; the
oversampled grid is then the least-squares fit to all pixels of all stars, among the functions
that the telescope's pupil can make; and it varies over the detector as a polynomial.
"""
