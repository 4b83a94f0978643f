"""What the detector does to light: one file per effect."""
