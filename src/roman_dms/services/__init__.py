"""HTTP services: handlers that parse, call one function, serialise."""
