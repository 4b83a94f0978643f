"""A survey of the sky in tiles of HEALPix, finer and finer: HiPS (IVOA 1.0, Fernique et al. 2015).

Fernique et al. (2015, A&A 578, A114); https://www.ivoa.net/documents/HiPS.
"""
