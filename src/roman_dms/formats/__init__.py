"""Products to and from files."""
