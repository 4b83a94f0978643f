"""Frozen, typed products: what the steps take and give.

A product knows arrays, metadata and units; it knows no file, no algorithm.
"""
