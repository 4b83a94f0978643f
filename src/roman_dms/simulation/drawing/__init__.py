"""Sources onto pixels."""
