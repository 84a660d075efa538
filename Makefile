# The commands of this repository. `make` lists them.

.DEFAULT_GOAL := help
.PHONY: help demo test test-env interop openapi browser screenshots faults histories versions up down build logs shell-site shell-api \
	migrate create-superuser bench compare compare-test peers peers-check peers-test capacity cost cost-check fuzz mutants lint minimal \
	api docs clean

EXAMPLES := -p shared-session-examples
SECONDS ?= 600
# Most tests wait for servers, so there are more threads than cores.
TEST_THREADS := 4
ROUNDS ?= 5
PART ?=
INPUTS ?=
VERSIONS := scripts/redis-versions
# The files that decide about sessions.
MUTATED := audit authorization cookie cookie/**/* csrf/**/* engine/**/* record/id record/previous record/sealed record/sealed/* record/tag \
	store/redis store/redis/ifeq store/redis/wire/driver throttle throttle/* users/auth users/auth/* users/require_fresh users/guard
FILES ?= $(MUTATED:%=shared-session/src/%.rs)
SHARD ?=
COMPARE_MANIFEST := benches/compare/Cargo.toml
COMPARE := CARGO_TARGET_DIR=$(CURDIR)/target/compare cargo run --release --locked --quiet --manifest-path \
	$(COMPARE_MANIFEST) --
PEERS_MANIFEST := tests/peers/Cargo.toml
PEERS := CARGO_TARGET_DIR=$(CURDIR)/target/peers cargo run --locked --quiet --manifest-path $(PEERS_MANIFEST) --
# The servers that `make versions` has built. An empty value means the same as no value.
COMPARE_SERVERS = REDIS_OLD="$(lastword $(wildcard $(CURDIR)/.test-env/redis-7*/redis-server))" \
	REDIS_NEW="$(lastword $(wildcard $(CURDIR)/.test-env/redis-8*/redis-server))"
TOPOLOGIES ?= single sentinel cluster
# Profiles of docker-compose.yml, and the settings that each profile passes to the services.
PROFILE ?=
COMPOSE = docker compose $(addprefix --profile ,$(PROFILE))
STACK = $(foreach profile,$(PROFILE),$(STACK_$(profile)))
STACK_sentinel = STACK_SESSION_URL=redis+sentinel://sentinel-1:26379,sentinel-2:26379,sentinel-3:26379/sessions
STACK_cluster = STACK_SESSION_URL=redis+cluster://redis-node-1:6379,redis-node-2:6379,redis-node-3:6379
STACK_tls = SESSION_COOKIE_SECURE=true SITE_ORIGIN=https://localhost:8443 API_ORIGIN=https://localhost:8444 \
	TRUSTED_PROXIES=172.16.0.0/12,192.168.0.0/16
STACK_django = SESSION_PROFILE=django-cache
SITE := cargo run $(EXAMPLES) --example site --
# Warnings of rustdoc are errors, as in CI.
export RUSTDOCFLAGS ?= -D warnings

help: ## List these commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' Makefile

demo: ## Run both services on an embedded database until Ctrl-C.
	@scripts/demo

test: test-env ## Install what is missing and run every test (BROWSER_TESTS=off: not those with Chromium).
	@tests/browser/run check
	@echo "== Building the example services, which the end-to-end tests start"
	cargo build --workspace --all-features --examples --bins
	@echo "== Running every test"
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$(TEST_THREADS)} cargo test --workspace --all-features --no-fail-fast
	@echo "== Building and running the programs of the READMEs from the packaged crates"
	@scripts/packaged
	@echo "== Sharing sessions with Django and FastAPI (make interop: with every version of Django and every serializer)"
	@tests/interop/run quick 5.2
	@echo "== Holding api to its OpenAPI document"
	@tests/openapi/run
	@echo "== Looking at the services through Chromium"
	@tests/browser/run

interop: test-env ## Share sessions with Django 4.2, 5.2 and 6.1, and with FastAPI.
	@echo "== Building the services and the codec"
	cargo build -p shared-session-examples --examples
	cargo build -p shared-session-interop-codec
	@tests/interop/run all

openapi: ## Hold api to its OpenAPI document: valid, every answer in it, a client made from it.
	@echo "== Building the example services"
	cargo build $(EXAMPLES) --examples
	@tests/openapi/run

browser: test-env ## Look at every page of the services through Chromium: two themes, two languages, four widths.
	@echo "== Building the example services"
	cargo build $(EXAMPLES) --examples
	@tests/browser/run

screenshots: test-env ## Draw the pictures of docs/tour.md anew (docs/images/).
	@echo "== Building the example services"
	cargo build $(EXAMPLES) --examples
	@tests/browser/run screenshots

faults: test-env ## Run every test of a fault, the slow ones too.
	@echo "== Building the example services, which the end-to-end tests start"
	cargo build $(EXAMPLES) --examples
	@echo "== Running every test of a fault"
	cargo test -p shared-session-e2e faults:: -- --include-ignored --test-threads 4

histories: test-env ## Random faults on one Redis, with Sentinels, in a cluster: make histories SECONDS=600 (each)
	@echo "== Building the example services, and their client"
	cargo build $(EXAMPLES) --examples
	cargo build -p shared-session-histories
	@for topology in $(TOPOLOGIES); do \
		echo "== Running random faults for $(SECONDS) seconds: $$topology"; \
		cargo run -p shared-session-histories -- --topology $$topology --seconds $(SECONDS) \
			--file target/histories/$$topology.jsonl || exit 1; \
	done

versions: test-env ## Run the tests that depend on the server on Redis 7.0 and 8.6 with TLS, built from sources (not in make test).
	@echo "== Building the example services, and Redis 7.0 and 8.6 where they are missing"
	cargo build $(EXAMPLES) --examples
	@scripts/redis-versions
	@echo "== Running the tests of the servers, of the stores and of the faults, and some random faults"
	$(VERSIONS) cargo test -p test-servers
	$(VERSIONS) cargo test -p shared-session --all-features --test it -- \
		redis:: near_cache:: tiered:: django_stores:: --include-ignored
	$(VERSIONS) cargo test -p shared-session-e2e --test it -- faults:: redis_tls:: --include-ignored --test-threads 4
	$(VERSIONS) cargo run -p shared-session-histories -- --seconds 20 --redis old
	$(VERSIONS) cargo run -p shared-session-histories -- --seconds 20 --redis new --near-cache

test-env: ## Find or install the servers that the tests need (in .test-env/).
	@echo "== Looking for the servers that the tests need"
	@scripts/test-env

up: ## Start Redis, PostgreSQL and both services in Docker: make up PROFILE="sentinel observability"
	@echo "== Starting Redis, PostgreSQL, site and api: http://localhost:8000 and http://localhost:8001/docs"
	$(STACK) $(COMPOSE) up --build --detach --wait

down: ## Stop the containers of every profile; the data stays.
	@echo "== Stopping the containers"
	docker compose --profile "*" down

build: ## Build the Docker images.
	@echo "== Building the images"
	$(COMPOSE) build

logs: ## Follow the logs of the containers.
	$(COMPOSE) logs --follow --tail 100

shell-site: ## Open a shell in the container of site.
	docker compose exec site bash

shell-api: ## Open a shell in the container of api.
	docker compose exec api bash

migrate: ## Create the missing tables in DATABASE_URL.
	@echo "== Creating the tables that are missing"
	$(SITE) migrate

create-superuser: ## Create an administrator: make create-superuser USERNAME=ada EMAIL=ada@example.org
	@test -n "$(USERNAME)" && test -n "$(EMAIL)" || \
		{ echo "usage: make create-superuser USERNAME=ada EMAIL=ada@example.org" >&2; exit 2; }
	@echo "== Creating the superuser $(USERNAME)"
	@$(SITE) create-superuser --username "$(USERNAME)" --email "$(EMAIL)"

bench: test-env ## Run the benchmarks, and check the cost of a request.
	@echo "== Running the benchmarks"
	cargo bench --manifest-path benches/Cargo.toml --bench cookie --bench record --bench layer --bench near --bench redis
	cargo bench --manifest-path benches/Cargo.toml --bench users --features users
	@$(MAKE) --no-print-directory cost-check

cost: test-env ## Count the instructions and allocations of a request (needs valgrind).
	@cargo bench --manifest-path benches/Cargo.toml --bench cost

cost-check: test-env ## Fail if a request costs 3 % more than benches/cost/budget.txt says.
	@cargo bench --manifest-path benches/Cargo.toml --bench cost -- --check

compare: test-env ## Compare with other session layers under load, write docs/benchmarks.md: make compare ROUNDS=5
	@echo "== Comparing with other session layers: 11 minutes after the build (PART=tail or growth: one part, printed)"
	$(COMPARE_SERVERS) ROUNDS=$(ROUNDS) $(COMPARE) $(PART)

peers: test-env ## Ask other session libraries for our security requirements, write docs/compare.md's table of them.
	@echo "== Asking other session libraries for the requirements of docs/security.md: 8 minutes after the build"
	@$(PEERS)

peers-check: test-env ## Fail if other session libraries answer otherwise than docs/compare.md says.
	@echo "== Asking other session libraries for the requirements of docs/security.md: 8 minutes after the build"
	@$(PEERS) check

peers-test: test-env ## Test the program that asks other session libraries.
	CARGO_TARGET_DIR=$(CURDIR)/target/peers cargo clippy --locked --all-targets --manifest-path $(PEERS_MANIFEST) -- -D warnings
	CARGO_TARGET_DIR=$(CURDIR)/target/peers cargo test --locked --manifest-path $(PEERS_MANIFEST)

capacity: ## Calculate the servers that many sessions need: make capacity INPUTS="price=12 signed-in=0.5"
	@$(COMPARE) capacity $(INPUTS)

compare-test: test-env ## Test the programs that compare and calculate.
	CARGO_TARGET_DIR=$(CURDIR)/target/compare cargo test --locked --manifest-path $(COMPARE_MANIFEST)

fuzz: ## Feed hostile bytes to all code that reads them: make fuzz FUZZ_SECONDS=60 (per target; default 600)
	@echo "== Fuzzing; needs a nightly compiler and cargo-fuzz"
	@fuzz/run

mutants: test-env ## Change the code and fail if no test notices: make mutants FILES="shared-session/src/authorization.rs" SHARD=0/12
	@echo "== Changing the code of this worktree, one place at a time, and back; needs cargo-mutants"
	cargo mutants --in-place --package shared-session --output target/mutants \
		$(foreach file,$(FILES),--file '$(file)') $(addprefix --shard ,$(SHARD)) -- --lib --test it

lint: ## Check format, lints, documentation, dependencies and each feature alone.
	@scripts/lint

minimal: ## Compile the crates with the oldest dependencies that they accept.
	@scripts/minimal

api: ## Compare the public API with the last release, and with the types it may show of other crates.
	@scripts/api

docs: ## Build the documentation as docs.rs does; needs a nightly compiler.
	@echo "== Building the documentation of the published crates as docs.rs does"
	RUSTDOCFLAGS="--cfg docsrs -D warnings" cargo "+$${NIGHTLY:-nightly}" doc --locked --all-features --no-deps \
		-p shared-session -p shared-session-axum -p shared-session-actix

clean: ## Remove what was built, the test servers and the demo's data.
	@echo "== Removing target/, .test-env/ and .data/"
	cargo clean
	rm -rf .test-env .data
