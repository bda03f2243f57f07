# zkd. The two commands a newcomer needs: make run, make test. `make help` lists the rest.

VERSION  ?= 0.1.0
GO       ?= go
FUZZTIME ?= 30s
SOAKTIME ?= 1h
DIST     ?= dist
NFPM     := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

# One binary, no C: the same program on every Linux of the architecture.
export CGO_ENABLED := 0
LDFLAGS := -s -w -X main.version=$(VERSION)

# Rooms with goroutines and locks: they are tested a second time under the race detector.
RACE_ROOMS := ./quorum ./quorum/client ./quorum/replica/... ./quorum/serve/... ./quorum/stats/... ./quorum/peer/... ./daemon ./daemon/admin ./daemon/metrics ./daemon/probe ./daemon/sd ./daemon/socket \
	./firewall/keeper ./firewall/nft ./firewall/e2e

# ZooKeeper 3.9, with which the tests exchange files; packaging/setup.sh fetches it.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/zkd-tests
export ZKD_ZK39_CLASSPATH ?= $(CACHE)/zookeeper-3.9/*
export ZKD_ZK386_CLASSPATH ?= $(CACHE)/zookeeper-3.8/*

# Date of what is built: that of the last commit, so that the same source makes the same package.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)

PACKAGE = umask 022; SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) VERSION=$(VERSION) DIST=$(DIST) \
	ARCH=$$($(GO) env GOARCH) $(GO) run $(NFPM) package

.PHONY: help build run stop status test setup lint race fuzz soak bench stage deb rpm clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

build: ## build bin/zkd and bin/zkctl
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/zkd ./cmd/zkd
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/zkctl ./cmd/zkctl

run: build ## build, start three servers in the background on 127.0.0.1:2181 to 2183, show who leads
	@packaging/local.sh start

stop: ## stop them
	@packaging/local.sh stop

status: ## show how they are
	@packaging/local.sh status

# The last lines are go test's own. One package at a time: several start Java servers, and two of those
# beside each other starve what is measured against the clock of a session or a TTL.
test: setup lint race ## install what the tests need, then run all of them
	@$(MAKE) --no-print-directory fuzz FUZZTIME=3s
	$(GO) test -p 1 -tags java -timeout 30m ./...

setup:
	@packaging/setup.sh

lint: ## formatting, vet, staticcheck
	@unformatted=$$(gofmt -l cmd daemon firewall packaging quorum); test -z "$$unformatted" || { echo "gofmt is needed by:" $$unformatted; exit 1; }
	$(GO) vet -tags java ./...
	$(GO) tool staticcheck -tags java ./...

race: ## the tests of the rooms with goroutines, under the race detector
	CGO_ENABLED=1 $(GO) test -race -short -timeout 15m $(RACE_ROOMS)

# Go's fuzzing fails now and then because its own time is over ("context deadline exceeded"). What it really finds it
# writes down, and the second run fails on it again.
fuzz: ## every fuzz test for FUZZTIME each
	@grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
			again="$(GO) test -run ^\$$ -fuzz ^$$name\$$ -fuzztime $(FUZZTIME) $$(dirname "$$file")"; \
			$$again || $$again || exit 1; \
		done; \
	done

soak: ## the endurance tests, each for SOAKTIME: kill loops, and the simulator with seeds of its own
	ZKD_SOAK=$(SOAKTIME) $(GO) test -tags java -count=1 -timeout 0 -v -run KillLoop ./cmd/zkd/e2e/
	$(GO) test -count=1 -timeout 0 ./quorum/sim -run 'TestSimulation$$' -sim.first=$$(date +%s) -sim.for=$(SOAKTIME)

bench: build ## zkd beside Apache ZooKeeper under load: a table of ratios
	$(GO) run ./cmd/zkbench

# What the packages hold and is made, in DIST. The same source makes the same files, wherever and whenever.
stage:
	@mkdir -p $(DIST)
	@for program in zkd zkctl; do $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(DIST)/$$program ./cmd/$$program || exit 1; done
	@for page in man/*.[0-9]; do gzip -9nc "$$page" > "$(DIST)/$$(basename "$$page").gz"; done
	@gzip -9nc CHANGELOG.md > $(DIST)/changelog.gz
	@printf 'zkd (%s-1) unstable; urgency=medium\n\n  * What changed is in changelog.gz.\n\n -- the zkd authors <zkd@localhost>  %s\n' \
		'$(VERSION)' "$$(LC_ALL=C date -Ru -d @$(SOURCE_DATE_EPOCH))" | gzip -9n > $(DIST)/changelog.Debian.gz
	@for shell in bash zsh fish; do \
		$(DIST)/zkd completion $$shell > $(DIST)/completion.$$shell && \
		$(DIST)/zkctl completion $$shell > $(DIST)/zkctl.completion.$$shell || exit 1; \
	done

deb: stage ## dist/*.deb
	@$(PACKAGE) --packager deb --target $(DIST)/

rpm: stage ## dist/*.rpm
	@$(PACKAGE) --packager rpm --target $(DIST)/

clean: stop ## remove what was built, and the servers of make run with their data
	rm -rf bin dist run
