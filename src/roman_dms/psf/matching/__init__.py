"""Kernels from one point-spread function to another, and targets for them."""
