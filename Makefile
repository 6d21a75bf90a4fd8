# Set-up, the main job and the tests. `make help` lists what there is.
# Everything is installed below this directory, except Debian packages (by sudo when not root).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PY := .venv/bin/python
UV := .tools/bin/uv
UV_VERSION := 0.13.9
# Sites with a proxy of their own put its certificate into the system's store.
export UV_SYSTEM_CERTS := 1
SEED ?=
PACKAGES := $(filter-out %/boot.txt %/vehicle.txt %/kiosk.txt %/proxy.txt %/system.txt %/image.txt,$(wildcard image-build/packages/*.txt))

.PHONY: help setup packages lock demo test check lint bench bench-bond simulate simulate-long bench-vitals bench-vitals-loss test-netns fuzz clean test-units test-headset test-support test-rules node-clients bench-headset check-arm64 bench-call wheel sbom

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: setup ## The main job on simulated hardware: panel and remote page in the browser
	@exec $(PY) -m edgebox demo $(ARGS)

# Side by side what bears it; whole demos alone, as in a vehicle.
test: setup node-clients ## All tests; ARGS="-k mission" some of them
ifeq ($(strip $(ARGS)),)
	$(PY) -m pytest -n auto tests/unit tests/simulation tests/fuzz
	$(PY) -m pytest -n 2 --dist loadfile -m "not long and not alone" tests/integration tests/namespaces
	$(PY) -m pytest -m "alone and not long" tests/integration
else
	$(PY) -m pytest --ignore=tests/boot $(ARGS)
endif

test-netns: setup ## The bond over real interfaces in network namespaces, all of it (a few minutes)
	@$(shell test "$$(id -u)" = 0 || echo unshare --user --map-root-user --) \
	  $(PY) -m pytest -m "long or not long" tests/namespaces $(ARGS)

test-headset: setup ## Pairing in a browser, with staff, and between two vehicles: all of it
	$(PY) -m pytest -m "long or not long" tests/integration/test_headset_pairing.py \
	  tests/integration/test_headset_peers.py tests/integration/test_hub_fleet.py \
	  tests/namespaces/test_headset_namespaces.py $(ARGS)

test-support: setup ## Technical help in all its forms: demo, panel, desk, everything that breaks
	$(PY) -m pytest -m "long or not long" tests/integration/test_support_*.py \
	  tests/integration/test_panel_support.py tests/integration/test_panel_technician.py $(ARGS)

test-rules: setup ## Removes each rule of WHIP and pairing, in a copy, and sees a test fail (10 minutes)
	@$(PY) -m tests.mutation.run $(ARGS)

node-clients: setup ## WHIP clients of npm that tests publish with; left out where there is no npm
	@if command -v npm >/dev/null && test ! -d tests/node/node_modules/werift; then \
	  (cd tests/node && npm ci --silent) || echo "no registry of npm: its clients are left out"; fi

bench-headset: setup ## A headset's way to the panel: wake, latency, processor (a minute)
	@$(PY) -m bench.headset_path $(ARGS)

fuzz: .fuzz/.ready ## Coverage-guided fuzzing of every parser: make fuzz ARGS="--runs 10000 bus"
	@.fuzz/bin/python -m tests.fuzz.run $(ARGS)

.fuzz/.ready: .venv/.ready image-build/lock/fuzz.txt
	@$(UV) venv --quiet --clear --python $(PY) .fuzz
	@$(UV) pip sync --quiet --python .fuzz/bin/python --require-hashes image-build/lock/dev.txt
	@$(UV) pip install --quiet --python .fuzz/bin/python --require-hashes --only-binary :all: \
	  -r image-build/lock/fuzz.txt
	@touch $@

simulate: setup ## The bond in virtual time, 1,000 random vehicles; SEED=7 replays that seed
	@$(PY) -m bench.simulate $(if $(SEED),--seed $(SEED),--vehicles 1000) $(ARGS)

simulate-long: setup ## 10,000 of them
	@$(PY) -m bench.simulate --vehicles 10000 $(ARGS)

bench-bond: setup ## The bond against its rivals and the bound, every regime: ARGS="--only LTE"
	@$(PY) -m bench.bond_matrix $(ARGS)

bench-call: setup ## The call: focus, poor links, sound and lip sync, the panel on a slow processor (15 minutes)
	@for one in media_focus media_ladder media_sound panel_load; do $(PY) -m bench.$$one || exit 1; done

bench-vitals: setup ## Vitals: latency, how far waves are from their picture, cost, parsers (7 minutes)
	@$(PY) -m bench.vitals_latency
	@$(PY) -m bench.vitals_alignment
	@$(PY) -m bench.vitals_load
	@$(PY) -m bench.vitals_fuzz --runs 100000

bench-vitals-loss: setup ## What kill -9 loses between monitor and hub: 1,000 times (16 minutes)
	@$(PY) -m bench.vitals_loss --points 1000 --offline 100 $(ARGS)

lint: setup ## Static checks
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/mypy

test-units: setup ## The systemd units in a booted container (root; needs mmdebstrap, systemd-container)
	@image-build/install-packages.sh image-build/packages/boot.txt
	$(PY) -m tests.boot.machine
	$(PY) -m pytest tests/boot $(ARGS)

image: setup ## The image of a box for this machine's processor, below .image (root; 6 GB of disk)
	@image-build/install-packages.sh image-build/packages/image.txt
	@image-build/image.sh

test-image: image ## The image booted in user-mode Linux: main job, power cuts, bad input (root)
	$(PY) -m pytest -m "long or not long" tests/boot/test_image*.py tests/boot/test_update_image.py $(ARGS)

check-arm64: setup ## Whether all a Raspberry Pi needs exists for it (Debian 12 and 13; fetches indexes)
	@image-build/check-arm64.sh

bench: setup ## Figures of the main job on this machine: ARGS="start latency cut step load"
	@$(PY) -m bench.main_job $(ARGS)

check: ## Exactly what CI runs
	@bash .ci/run

wheel: setup ## The program as one file in dist/, the same bytes each time for the same commit
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(UV) build --quiet --wheel --python $(PY) --out-dir dist

sbom: setup ## What the program, and the image if there is one, is made of: CycloneDX and licences, in dist/
	@export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) EDGEBOX_VERSION=$$(image-build/version.sh); \
	$(PY) image-build/sbom.py wheel image-build/lock/run.txt .venv/lib/python3*/site-packages dist/edgebox; \
	if test -d .image/root; then $(PY) image-build/sbom.py image .image/root dist/image; fi

setup: packages .venv/.ready

packages: .tools/packages.ready

.tools/packages.ready: $(PACKAGES)
	@image-build/install-packages.sh $(PACKAGES)
	@mkdir -p .tools && touch $@

$(UV): .tools/packages.ready
	@python3 -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.ready: $(UV) image-build/lock/dev.txt pyproject.toml
	@test -x $(PY) || $(UV) venv --quiet --python "$$(command -v /usr/bin/python3 || command -v python3)" .venv
	@$(UV) pip sync --quiet --python $(PY) --require-hashes image-build/lock/dev.txt
	@$(UV) pip install --quiet --python $(PY) --no-deps --editable .
	@touch $@

lock: $(UV) ## Resolve the dependencies anew into the lock files: all, and what boxes and hubs run
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --extra hub --group dev --quiet --upgrade -o image-build/lock/dev.txt
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --extra hub --constraint image-build/lock/dev.txt --quiet \
	  -o image-build/lock/run.txt

clean: ## Remove what set-up made below this directory
	rm -rf .venv .fuzz .tools
