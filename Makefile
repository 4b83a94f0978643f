# Two commands matter: `make demo` and `make test`.  Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
EXPOSURE := r0000101001001001001_0001_wfi01_f158

.PHONY: demo test lint docs bench lock clean

demo: $(VENV)/.run  ## simulate a small visit, calibrate it, align it, combine it, draw it
	test -d $(DEMO)/references || $(BIN)/rdms references bootstrap --store $(DEMO)/references --miniature
	$(BIN)/rdms simulate scene --ra 270 --dec 66 --radius 0.03 -o $(DEMO)/scene.parquet
	$(BIN)/rdms simulate plan --ra 270 --dec 66 --aim WFI01 --dithers 3 --pattern sub -o $(DEMO)/plan.sim.ecsv
	$(BIN)/rdms simulate visit $(DEMO)/plan.sim.ecsv --scene $(DEMO)/scene.parquet --store $(DEMO)/references -o $(DEMO)/l1
	$(BIN)/rdms calibrate $(DEMO)/l1/*_uncal.asdf --store $(DEMO)/references --output $(DEMO)/l2 --quiet
	$(BIN)/rdms simulate gaia $(DEMO)/scene.parquet -o $(DEMO)/gaia.parquet
	$(BIN)/rdms align $(DEMO)/l2/*_cal.asdf --gaia $(DEMO)/gaia.parquet
	$(BIN)/rdms mosaic $(DEMO)/l2/*_cal.asdf --centre 270 66 --size 2400 -o $(DEMO)/l3
	$(BIN)/rdms info $(DEMO)/l2/$(EXPOSURE)_cal.asdf
	$(BIN)/rdms preview $(DEMO)/l2/$(EXPOSURE)_cal.asdf --raw $(DEMO)/l1/$(EXPOSURE)_uncal.asdf --output $(DEMO)/preview.png
	$(BIN)/rdms preview $(DEMO)/l3/*_coadd.asdf --output $(DEMO)/mosaic.png
	@echo "Look at $(DEMO)/preview.png, an exposure raw and calibrated, and $(DEMO)/mosaic.png"

test: $(VENV)/.test lint  ## everything that CI runs
	$(BIN)/pytest -n 2 -q

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.run  ## write the generated part of the reference
	$(BIN)/python docs/generate.py

bench: $(VENV)/.test  ## side by side with romancal and romanisim; see benchmarks/README.md
	$(BIN)/python benchmarks/simulation_side_by_side.py
	$(BIN)/python benchmarks/star_field.py
	$(BIN)/python benchmarks/side_by_side.py
	$(BIN)/python -m benchmarks.alignment 4
	$(BIN)/python benchmarks/mosaic_side_by_side.py

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
