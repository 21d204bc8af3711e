# shunt: build, install, test, lint, bench, demo, fuzz, clean.
#
#   make                      release build, leaves ./shunt
#   make DEBUG=1              -O0 -g, in its own build folder
#   make SAN=address,undefined | SAN=thread     sanitizer builds
#   make CC=clang             another compiler
#   make V=1                  shows each command
#   make install DESTDIR=... PREFIX=/usr/local

PREFIX  ?= /usr/local
DESTDIR ?=
SECONDS ?=
JOBS    ?= $(shell nproc)
Q       := $(if $(V),,@)

VERSION := $(shell cat VERSION)
FOLDERS := base strategies router conf proxy load control admin cli

# One build folder per flavour, so that they never mix.
comma   := ,
FLAVOUR := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(DEBUG),debug,release))
BUILD   := build/$(if $(filter cc gcc,$(CC)),,$(CC)-)$(FLAVOUR)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla -Wformat=2 -Wundef
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection
CFLAGS_debug := -O0 -g3
CFLAGS_san := -O1 -g1 -fno-omit-frame-pointer -fsanitize=$(SAN) \
	-fno-sanitize-recover=all -DARENA_MALLOC
KIND := $(if $(SAN),san,$(if $(DEBUG),debug,release))

ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -MMD -MP -fPIE -pthread \
	-DSHUNT_VERSION='"$(VERSION)"' $(WARNINGS) $(CFLAGS_$(KIND)) $(CFLAGS)
ALL_LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now -Wl,-z,noexecstack \
	$(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
# The linker is asked only for what is used, so a library is listed once here.
LIBS = -Wl,--as-needed -levent -levent_openssl -lyaml -lpcre2-8 -ljansson -lssl -lcrypto \
	-lnghttp2 -lsqlite3 -lcares -lm

SOURCES := $(wildcard $(FOLDERS:%=%/*.c)) bench/app.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LIB_OBJECTS := $(filter-out $(BUILD)/cli/main.o,$(OBJECTS))
PURE_OBJECTS := $(filter $(addprefix $(BUILD)/,base/% strategies/% router/% \
	conf/% proxy/access_entry.o proxy/access_format.o proxy/ring.o \
	proxy/h1_% proxy/fifo.o proxy/retry.o proxy/http.o proxy/hop.o proxy/wheel.o \
	proxy/proxy_header.o proxy/client_table.o proxy/h2_guard.o \
	proxy/h2_fields.o proxy/h2_memory.o proxy/tls_tickets.o \
	proxy/websocket.o proxy/grpc.o proxy/redirect.o proxy/edits.o \
	proxy/client_address.o proxy/admit.o proxy/newcomer.o \
	proxy/set_cookie.o proxy/soft_error.o proxy/keep_request.o \
	proxy/stats.o proxy/shadow.o proxy/queue.o \
	control/check_codec.o control/check_h1.o control/grpc_health.o \
	control/window.o control/weights.o control/question.o \
	control/explain.o control/launch_lines.o control/launch_policy.o \
	control/pod_set.o control/store.o control/diff.o \
	control/rollout.o control/rollout_store.o control/rollout_facts.o \
	control/rollout_sample.o control/rollout_weights.o control/events.o \
	control/dns_answer.o control/name.o control/name_targets.o \
	$(addprefix load/,histogram.o schedule.o downtime.o timeline.o board.o \
	buffer.o jar.o users.o profile.o request.o judge.o target.o expect.o \
	result.o plot.o report_plots.o) \
	admin/label.o cli/table.o cli/rollout_words.o),$(OBJECTS))
UNIT_SOURCES := $(wildcard tests/unit/*/*_test.c)
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(BUILD)/%)

.PHONY: all deps deps-test deps-bench install test units unit e2e lint bench \
	micro experiment demo fuzz clean distclean

all: deps
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/shunt
	@if [ $(BUILD) = build/release ]; then cp --remove-destination $(BUILD)/shunt shunt; fi

$(BUILD)/shunt: $(OBJECTS)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(OBJECTS) $(LIBS)

$(BUILD)/%.o: %.c VERSION Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Unit tests see only the pure folders: no libevent, no sockets. Of these each
# is linked with what it needs.
$(BUILD)/pure.a: $(PURE_OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/tests/unit/%_test: tests/unit/%_test.c $(BUILD)/pure.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/pure.a \
		-Wl,--as-needed -lm -lcmocka -lyaml -lpcre2-8 -ljansson -lssl \
		-lcrypto -lsqlite3

-include $(OBJECTS:.o=.d) $(UNIT_TESTS:=.d) $(BUILD)/bench/micro.d

deps:
	@./tools/install-deps build
deps-test:
	@./tools/install-deps build test
deps-bench:
	@./tools/install-deps build bench

install: all
	install -D -m 755 shunt $(DESTDIR)$(PREFIX)/bin/shunt
	install -d $(DESTDIR)$(PREFIX)/share/doc/shunt/examples
	install -m 644 README.md LICENSE docs/config.md docs/strategies.md \
		docs/load.md \
		$(DESTDIR)$(PREFIX)/share/doc/shunt
	install -m 644 examples/*.yaml \
		$(DESTDIR)$(PREFIX)/share/doc/shunt/examples

# Everything that must hold: unit, end-to-end and lint checks.
test: deps-test
	@$(MAKE) --no-print-directory all
	@./tests/run $(if $(SAN),--san $(SAN)) --build $(BUILD)

# A part of them.
unit e2e: deps-test
	@$(MAKE) --no-print-directory all
	@./tests/run $(if $(SAN),--san $(SAN)) --build $(BUILD) --only $@

units: $(UNIT_TESTS)

lint: deps-test
	@./tests/lint/run

bench: deps-bench
	@$(MAKE) --no-print-directory all
	@./bench/run

# What deciding on a request costs, without sockets.
$(BUILD)/bench/micro: $(BUILD)/bench/micro.o $(PURE_OBJECTS)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ \
		-Wl,--as-needed -lm -lyaml -lpcre2-8 -ljansson -lssl -lcrypto \
		-lsqlite3

micro: deps
	@$(MAKE) --no-print-directory -j$(JOBS) $(BUILD)/bench/micro
	@$(BUILD)/bench/micro

# The five strategies, measured; SCALE=1 is the original 11 minutes a row.
experiment:
	@$(MAKE) --no-print-directory all
	@./bench/experiment/run --scale $(or $(SCALE),60)

demo:
	@$(MAKE) --no-print-directory all
	@./examples/demo $(SECONDS)

fuzz:
	@$(MAKE) --no-print-directory deps-test
	@./tests/fuzz/run $(or $(SECONDS),60)

clean:
	rm -rf build shunt

distclean: clean
