"""Steps, recipes and the runner: how work is declared and done, without physics."""
