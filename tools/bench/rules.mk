# SPDX-License-Identifier: GPL-2.0-only
#
# make bench: every contender in one run on one machine (tools/bench/bench.py)

BENCH_PKGS := nftables iptables ipset iperf3 ethtool iproute2 python3 bpftool
BENCH_TOOLS := $(O)/bench/blast $(O)/bench/peer

$(O)/blast.bpf.o: tools/bench/blast.bpf.c tools/bench/blast.h | $(O)/
	$(call msg,CLNG-BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(O)/bench/%: tools/bench/%.c $(O)/blast.skel.h tools/bench/blast.h
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -lbpf -o $@

# A run of everything is the one to keep; of a part of it, only to look at.
OUT ?= $(if $(QUICK)$(WORKLOADS),$(O)/benchmarks,Documentation/benchmarks)

bench: deps ## contenders side by side: WORKLOADS="rules ..." ROUNDS=n QUICK=1 RESUME=1 BPFILTER=path OUT=dir
	$(Q)missing=; for p in $(BENCH_PKGS); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; [ -z "$$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null
	$(Q)command -v gnuplot >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gnuplot-nox \
		>/dev/null 2>&1 || echo "  no gnuplot: no plots"
	$(Q)$(MAKE) all bench-tools
	$(Q)O=$(O) tools/bench/bench.py $(addprefix --workload ,$(WORKLOADS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick) $(if $(RESUME),--resume) \
		$(if $(BPFILTER),--bpfilter $(BPFILTER)) --out $(OUT) $(BENCH_ARGS)

bench-tools: $(BENCH_TOOLS) ## the generator and the socket peer of make bench

.PHONY: bench bench-tools
