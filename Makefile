# Scout: `make help` lists the targets. `make run` and `make test` install what they need.

SHELL := /bin/bash
.DEFAULT_GOAL := help

BIN    := bin
TOOLS  := .tools/bin
VAR    := var
# Programs as the linker wrote them, in pieces of 2 MB, of which the kernel makes a whole one resident for each page that is touched: an idle
# daemon held 35 MB of its program. In copies the pieces are small: 21 MB.
LINKED := $(BIN)/.linked
export SCOUT_MODELS ?= $(CURDIR)/$(VAR)/models
# Where make install puts Scout, and a folder to prepend to that, for building packages.
PREFIX  ?= $(HOME)/.local
DESTDIR ?=
# All Go commands of these targets use the same flags, so that nothing is compiled twice. -trimpath is not among them:
# with it, go vet reads the cgo files of the checkout that compiled them first, and fails if that checkout is gone.

# A release has a number; a build from a checkout names its commit, even if GOFLAGS has -buildvcs=false.
RELEASE ?=
COMMIT  := $(shell c=$$(git rev-parse --short=12 HEAD 2>/dev/null) && { git diff --quiet HEAD 2>/dev/null && echo $$c || echo $$c+changes; })
STAMP   := $(if $(RELEASE),number=$(RELEASE),$(if $(COMMIT),commit=$(COMMIT)))
SCOUT_LDFLAGS  := -ldflags '$(if $(STAMP),-X github.com/scout-speech/scout/internal/release.$(STAMP) )-s -w'
# The engine finds its shared libraries in lib/ beside itself.
ENGINE_LDFLAGS := -ldflags '-s -w -extldflags "-Wl,-rpath,$$ORIGIN/lib"'
# The pinned native libraries are in this module, in the module cache.
NATIVE_MODULE := github.com/k2-fsa/sherpa-onnx-go-linux
NATIVE_TRIPLE := $(if $(filter aarch64 arm64,$(shell uname -m)),aarch64-unknown-linux-gnu,x86_64-unknown-linux-gnu)
# Only debuggers read DWARF, and the linker leaves it out of the programs and of tests that run: without it the compiler takes a tenth less.
LEAN := -gcflags=github.com/scout-speech/scout/...=-dwarf=false
# Speech with references for the benchmarks; see README.md.
SPEECH ?= ../shared/speech/dev
# A clip of it in which the two passes hear different words, for the picture in the README.
PICTURED ?= libri_3331-159605-0009.flac
# A program with the race detector sleeps for a second when it ends, so that other threads can report. Tests start about fifty
# programs of their own and hundreds of engines and recorders, whose threads are done when the tests end.
TEST_GORACE ?= atexit_sleep_ms=50
# The race detector does not watch libraries that compute a lot, each on one goroutine, on memory that they share with nobody:
# decoders of audio, and SQLite, which is translated from C, with the C library and the allocator that it is translated with: nobody
# else calls those. The driver, all of our code, and everything else, is watched and checked.
COMPUTING := github.com/hajimehoshi/go-mp3 github.com/jfreymuth/vorbis github.com/mewkiz/flac github.com/pion/opus modernc.org/libc modernc.org/memory
UNWATCHED := -gcflags=modernc.org/sqlite/lib=-race=false $(COMPUTING:%=-gcflags=%/...=-race=false)
# An eighth of the time of compiler and linker is the collection of garbage, which they can leave. Tests keep the default.
ROOMY := GOGC=400 GOMEMLIMIT=1500MiB
SOAK_CANCELS  ?= 10000
SOAK_REQUESTS ?= 100000

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# SETUP=small leaves out Whisper: 145 MB less to fetch, and no Python.
export SETUP ?= full

.PHONY: setup
setup: ## install what is missing, build, and fetch the models (SETUP=small: only the small one)
	@scripts/setup.sh packages
	@$(MAKE) --no-print-directory build
	@scripts/setup.sh models

# The page is part of the program. It is built again when something of it has changed.
PAGE         := internal/page/dist/site
PAGE_SOURCES := $(shell find web/src -type f ! -name schema.d.ts ! -name "*.test.ts" 2>/dev/null) $(wildcard web/*.json web/*.ts web/*.js web/*.html)

.PHONY: page
page: $(PAGE)/.built ## build the page in web/, which is embedded in bin/scout

$(PAGE)/.built: $(PAGE_SOURCES)
	@scripts/page.sh

.PHONY: build
build: page ## build the programs into bin/
	@mkdir -p $(BIN)/lib $(LINKED)
	go build $(LEAN) $(SCOUT_LDFLAGS) -o $(LINKED)/scout ./cmd/scout
	go build $(LEAN) $(SCOUT_LDFLAGS) -o $(LINKED)/scout-bench ./cmd/scout-bench
	go build $(LEAN) $(SCOUT_LDFLAGS) -o $(LINKED)/scout-recorder ./cmd/scout-recorder
	go build $(LEAN) $(ENGINE_LDFLAGS) -o $(LINKED)/scout-engine ./cmd/scout-engine
	@for program in scout scout-bench scout-recorder scout-engine; do \
		cmp -s "$(LINKED)/$$program" "$(BIN)/$$program" || install -m 755 "$(LINKED)/$$program" "$(BIN)/$$program" || exit; done
	@native="$$(go list -m -f '{{.Dir}}' $(NATIVE_MODULE))/lib/$(NATIVE_TRIPLE)"; \
	for lib in libsherpa-onnx-c-api.so libonnxruntime.so; do \
		cmp -s "$$native/$$lib" "$(BIN)/lib/$$lib" || install -m 644 "$$native/$$lib" "$(BIN)/lib/$$lib" || exit; done

.PHONY: run
run: setup ## transcribe the clip in testdata/, and start the service in the background
	@$(BIN)/scout transcribe --summary testdata/jfk.wav
	@$(BIN)/scout serve --detach

.PHONY: test
test: setup ## go vet, all tests with the race detector, and make page-test where npm is
	@$(MAKE) --no-print-directory -j2 test-setup $$(command -v npm >/dev/null 2>&1 && echo page-test)
	@GORACE='$(TEST_GORACE)' SCOUT_TEST_PROGRAMS='$(CURDIR)/$(BIN)' $(TOOLS)/gotestsum --format pkgname-and-test-fails -- -race $(LEAN) $(UNWATCHED) -toolexec 'env $(ROOMY)' -vet=all -timeout 12m ./...

# One fetches, the other computes.
.PHONY: test-setup
test-setup:
	@scripts/setup.sh tests

.PHONY: lint
lint: ## run the pinned golangci-lint
	@scripts/setup.sh lint
	@$(TOOLS)/golangci-lint run ./...

.PHONY: bench
bench: setup ## measure accuracy, speed and memory on $(SPEECH)
	@scripts/bench.sh "$(SPEECH)"

.PHONY: bench-live
bench-live: setup ## dictate at the rate of speech and print every figure (hours; continues where it was stopped; FIGURES="2s 10s" for some)
	@scripts/bench-live.sh "$(SPEECH)" $(FIGURES)

.PHONY: bench-service
bench-service: setup ## measure the service under load and faults and print every figure (half an hour; FIGURES="idle load" for some)
	@scripts/bench-service.sh "$(SPEECH)" $(FIGURES)

.PHONY: picture
picture: setup ## record the pictures of scout dictate in the README anew (SPEECH=… for the one with a second pass)
	@scripts/record-terminal.sh
	@scripts/record-terminal.sh docs/images/second-pass.svg $(SPEECH)/$(PICTURED)

.PHONY: bench-store
bench-store: ## make STORE_TEXTS transcripts (default 100000) and print what search, lists, start and memory take
	@SCOUT_STORE_FIGURES=$(or $(STORE_TEXTS),100000) SCOUT_STORE_KILLS=100 \
		go test -count=1 -timeout 1h -v -run '^(TestFigures|TestKilledAtRandomMoments)$$' ./internal/store/sqlite

.PHONY: soak-engine
soak-engine: setup ## cancel SOAK_CANCELS requests, send SOAK_REQUESTS of any kind: an hour
	@SCOUT_SOAK_CANCELS=$(SOAK_CANCELS) SCOUT_SOAK_REQUESTS=$(SOAK_REQUESTS) \
		go test -count=1 -timeout 6h -v -run '^(TestCancelsLeaveNothingBehind|TestAnyRequestIsAnsweredOrRefused)$$' ./cmd/scout

.PHONY: chaos
chaos: setup ## take away device, server, recorder, disk, engine and daemon TIMES times (default 20) and print every figure
	@scripts/chaos.sh $(or $(TIMES),20)

.PHONY: kills
kills: setup ## kill the daemon KILLS times (default 100) while everything is used, and compare every change and frame
	@scripts/daemon-kills.sh $(or $(KILLS),100)

.PHONY: soak
soak: setup ## record for DURATION (default 10m) on a busy machine and compare every frame (LOAD=quiet for none); dictate for DICTATION (3h) on a simulated clock
	@scripts/soak.sh $(or $(DURATION),10m) $(LOAD)
	@SCOUT_SOAK_DICTATION=$(or $(DICTATION),3h) go test -count=1 -timeout 2h -v -run '^TestSoakDictation$$' ./internal/dictate

.PHONY: edits
edits: ## change texts while their second pass is published, EDITS dictations (default 1000) from number EDITS_FROM, and print whether a change was lost
	@scripts/edits.sh $(or $(EDITS),1000) $(or $(EDITS_FROM),0)

.PHONY: fuzz
fuzz: setup ## fuzz every fuzz target for FUZZTIME each (default 30s), try every property CHECKS times (1000), ORDERS of realtime messages (10000), and every case of long tables
	@scripts/fuzz.sh

.PHONY: api-fuzz
api-fuzz: setup ## ask a daemon all that its document allows, and more, EXAMPLES requests (default 50) for each operation
	@scripts/api-fuzz.sh $(or $(EXAMPLES),50)

.PHONY: acceptance
acceptance: setup ## run other people's clients (OpenAI's SDKs, LiveKit, Pipecat, …) against a daemon and print a table (CLIENTS="curl tus" for some)
	@scripts/setup.sh acceptance
	@node acceptance/run.mjs $(CLIENTS)

.PHONY: screenshots
screenshots: build ## make the pictures of the page in docs/images (ALL=1: every state, in var/screens)
	@scripts/setup.sh tests
	@scripts/screenshots.sh

.PHONY: page-figures
page-figures: build ## measure the page in a browser: size, first answer, stop to text, wrong words, search and scrolling (SPEECH=…; ROUNDS=20; TEXTS=10000)
	@scripts/setup.sh tests
	@SPEECH='$(SPEECH)' scripts/page-figures.sh

.PHONY: page-test
page-test: ## check the types of the page and run its unit tests
	@scripts/setup.sh page
	@cd web && npm run --silent check && npm run --silent test

.PHONY: install
install: setup ## install programs, models (SETUP=small: one), manual and completion below PREFIX (default: ~/.local)
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install.sh

.PHONY: install-user
install-user: install ## make install, and units for this user's systemd; nothing is started
	@PREFIX='$(PREFIX)' scripts/install.sh --units

.PHONY: uninstall
uninstall: ## remove what make install put below PREFIX
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install.sh --remove

.PHONY: dist
dist: export GOFLAGS := -trimpath $(GOFLAGS)
dist: build ## make dist/scout, a folder that runs on another machine
	@rm -rf dist && mkdir -p dist/scout
	@cp -r $(BIN)/scout $(BIN)/scout-recorder $(BIN)/scout-engine $(BIN)/lib LICENSE NOTICE README.md dist/scout/
	@tar -C dist -czf dist/scout-$$(uname -s | tr A-Z a-z)-$$(uname -m).tar.gz scout
	@echo "dist/scout is complete; packed as dist/$$(cd dist && ls *.tar.gz)"

.PHONY: clean
clean: ## remove what was built; installed models and tools stay
	rm -rf $(BIN) dist $(PAGE)
