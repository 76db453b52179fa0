# SPDX-License-Identifier: GPL-2.0-only
#
# make bench: every contender in one run on one machine (tools/bench/bench.py)

BENCH_PKGS := nftables iptables ipset iperf3 gnuplot-nox ethtool iproute2 python3
BENCH_TOOLS := $(O)/bench/blast

$(O)/blast.bpf.o: tools/bench/blast.bpf.c tools/bench/blast.h | $(O)/
	$(call msg,CLNG-BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(O)/bench/%: tools/bench/%.c $(O)/blast.skel.h tools/bench/blast.h
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -lbpf -o $@

bench: deps ## every contender side by side: WORKLOAD=name ROUNDS=n QUICK=1 BPFILTER=path
	$(Q)missing=; for p in $(BENCH_PKGS); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; [ -z "$$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null
	$(Q)$(MAKE) all bench-tools
	$(Q)O=$(O) tools/bench/bench.py $(if $(WORKLOAD),--workload $(WORKLOAD)) \
		$(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick) $(if $(BPFILTER),--bpfilter $(BPFILTER)) \
		$(if $(OUT),--out $(OUT)) $(BENCH_ARGS)

bench-tools: $(BENCH_TOOLS) ## the generator and the socket peer of make bench

.PHONY: bench bench-tools
