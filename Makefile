# make demo   from a fresh clone: install, train a small ResNet on handwritten digits, say where its report is
# make test   from a fresh clone: install, run the test-suite
# make check  lint, format, types, import rules
# make slow   the long reproductions (SIGHTLINE_DATA names the folder of data sets)
# make figures   draw the pictures of docs/theory.md anew

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check slow figures clean

demo: .venv/installed
	$(BIN)/sightline train digits-resnet

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

slow: .venv/installed-dev
	$(BIN)/python -m pytest -m slow --timeout 3600 -s

.venv/torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("sightline needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0
	touch $@

.venv/installed: .venv/torch pyproject.toml
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

figures: .venv/installed
	cd docs/figures && for topic in gradient-descent momentum early-stopping bias-variance double-descent initialisation; do \
	  ../../$(BIN)/sightline explain $$topic --figure $$topic.png > /dev/null; done
	cd docs/figures && rm -f *-2.png momentum-3.png momentum-5.png gradient-descent-3.png bias-variance.png

clean:
	rm -rf .venv build dist *.egg-info src/*.egg-info
