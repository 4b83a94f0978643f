"""The command rdms: parse, call one function, print."""
