"""PSFs from and to products: reference files, calibrated images."""
