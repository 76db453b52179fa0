# SPDX-License-Identifier: GPL-2.0-only
#
# What whoever works on the project runs: verifier cost, lint, format, documents.

BASELINE := selftests/verifier/baseline.csv
SHELLS	:= $(wildcard tools/*.sh tools/*/*.sh selftests/*.sh selftests/*/*.sh) .ci/run
LINT_C	:= $(wildcard user/*.c tools/*.c)

$(O)/verstat: $(O)/tools/verstat.o $(O)/libfw.a
	$(call msg,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

verstat: $(O)/verstat $(PROGS:%=$(O)/%.bpf.o) ## verifier cost against the committed baseline (UPDATE=1 rewrites it)
	$(Q)if [ -n "$(UPDATE)" ]; then \
		$(O)/verstat $(PROGS:%=$(O)/%.bpf.o) > $(BASELINE); \
	else \
		$(O)/verstat --baseline $(BASELINE) $(PROGS:%=$(O)/%.bpf.o); \
	fi

LINT_PKGS := cppcheck shellcheck clang-tidy sparse
lint: $(SKELS) ## cppcheck, clang-tidy, sparse and shellcheck
	$(Q)for p in $(LINT_PKGS); do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null
	$(call msg,LINT,shellcheck)
	$(Q)shellcheck -x -S warning $(SHELLS)
	$(call msg,LINT,cppcheck)
	$(Q)cppcheck -q --error-exitcode=1 --inline-suppr --std=c11 --language=c \
		--enable=warning,portability --suppress=missingIncludeSystem \
		'-DLIBBPF_OPTS(type, name, ...)=struct type name = { __VA_ARGS__ }' $(LINT_C)
	$(call msg,LINT,clang-tidy)
	$(Q)clang-tidy --quiet $(LINT_C) -- $(subst -I$(O),-isystem $(O),$(CPPFLAGS)) -std=gnu11 2>/dev/null
	$(call msg,LINT,sparse)
	$(Q)sparse -Wno-decl -Wno-vla $(CPPFLAGS) $(LINT_C) 2>&1 | grep -E '^(user|tools)/.*(error|endian)' && exit 1 || true

format: ## clang-format the files changed since HEAD
	$(Q)git diff --name-only --diff-filter=AM HEAD -- '*.c' '*.h' | xargs -r clang-format -i

docs: ## the manual page, from reStructuredText
	$(Q)command -v rst2man >/dev/null || { echo "make docs: no rst2man (Debian's python3-docutils; make deps installs it)" >&2; exit 1; }
	$(call msg,DOC,$(O)/bpf-iptables.8)
	$(Q)mkdir -p $(O) && rst2man Documentation/bpf-iptables.8.rst > $(O)/bpf-iptables.8

soak: deps ## 1,000,000 packets, 300 rulesets and more per hook, recorded in Documentation/soak.csv (long)
	$(Q)$(MAKE) all tests
	$(Q)tools/soak.sh $(HOOK)

fuzz: deps ## every fuzzer for long, under the sanitizers: SEED=n (default the time) COUNT=n
	$(Q)$(MAKE) O=$(O)/san SAN=1 all tests
	$(Q)seed=$(or $(SEED),$$(date +%s)); count=$(or $(COUNT),20000); \
	BPFIPT=$(O)/san/bpf-iptables SEED=$$seed COUNT=$$count selftests/cli/fuzz.py && \
	ASAN_OPTIONS=detect_leaks=0 $(O)/san/selftests/unit/damage $$seed && \
	ASAN_OPTIONS=detect_leaks=0 $(O)/san/selftests/prog_run/fuzz_programs --seed $$seed \
		--frames $$((count * 10)) --images $$count

verdict-diff: deps ## FILE=rules [HOOK=tc]: does bpf-iptables decide as iptables does for this iptables-save file?
	$(Q)$(MAKE) all tests
	$(Q)tools/verdict-diff --hook $(or $(HOOK),tc) $(FILE)

KERNEL	?= 6.1
vmtest: deps ## the suites under another kernel: KERNEL=6.1, 6.12 or a folder; RUN=tests, HOOK=
	$(Q)$(MAKE) all tests
	$(Q)O=$(O) tools/vm/vmtest.sh $(KERNEL) $(RUN)

.PHONY: fuzz verdict-diff vmtest soak verstat lint format docs

include tools/bench/rules.mk
