"""Reference data: kinds, rules, contexts, store, certification."""
