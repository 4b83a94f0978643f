# Two commands matter: `make demo` and `make test`.  Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
EXPOSURE := r0000101001001001001_0001_wfi01_f158
RAW := tests/data/miniature/$(EXPOSURE)_uncal.asdf

.PHONY: demo test lint docs bench lock clean

demo: $(VENV)/.run  ## bootstrap references, calibrate a miniature exposure, draw it
	test -d $(DEMO)/references || $(BIN)/rdms references bootstrap --store $(DEMO)/references --miniature
	$(BIN)/rdms calibrate $(RAW) --store $(DEMO)/references --output $(DEMO)/l2
	$(BIN)/rdms info $(DEMO)/l2/$(EXPOSURE)_cal.asdf
	$(BIN)/rdms preview $(DEMO)/l2/$(EXPOSURE)_cal.asdf --raw $(RAW) --output $(DEMO)/preview.png
	@echo "Look at $(DEMO)/preview.png"

test: $(VENV)/.test lint  ## everything that CI runs
	$(BIN)/pytest -n 2 -q

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.run  ## write the generated part of the reference
	$(BIN)/python docs/generate.py

bench: $(VENV)/.test  ## side by side with romancal; see benchmarks/README.md
	$(BIN)/python benchmarks/side_by_side.py

$(VENV)/.run: locks/run.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r locks/run.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.test: $(VENV)/.run locks/test.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r locks/test.txt
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) build dist

lock:  ## renew the locked versions (needs uv)
	uv pip compile -q --no-header --no-annotate --python-version 3.11 pyproject.toml -o locks/run.txt
	uv pip compile -q --no-header --no-annotate --python-version 3.11 --extra test -c locks/run.txt pyproject.toml -o locks/test.txt
