"""From pixels to the sky: distortion, pointing, footprints."""
