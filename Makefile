# SPDX-License-Identifier: GPL-2.0-only
#
# The front door. `make help` lists what it does; V=1 shows commands, O=dir builds
# elsewhere, SAN=1 builds user space under the address and UB sanitizers.

O	?= build
prefix	?= /usr/local
sbindir	?= $(prefix)/sbin
mandir	?= $(prefix)/share/man
unitdir	?= $(prefix)/lib/systemd/system

CLANG	?= $(shell command -v clang-19 || command -v clang)
BPFTOOL	?= $(shell command -v bpftool || echo /usr/sbin/bpftool)
PKGS	:= xtables libbpf libmnl

ifeq ($(V),1)
Q :=
msg =
else
Q := @
msg = @printf '  %-8s %s\n' "$(1)" "$(2)"
MAKEFLAGS += --no-print-directory
endif

.DELETE_ON_ERROR:
.SECONDARY:

CFLAGS	?= -O2 -g
CFLAGS	+= -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare
CPPFLAGS += -D_GNU_SOURCE -I. -I$(O) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CPPFLAGS += -DXTLIBDIR='"$(shell pkg-config --variable=xtlibdir xtables 2>/dev/null)"'
# libbpf and what it needs are linked in, as bpftool does, where the archives are
# there: three shared objects less to map, a fifth of the time of a small -A.
STATIC	:= $(shell printf 'int main(void){return 0;}' | $(CC) -x c - -x none -l:libbpf.a -l:libelf.a \
	-l:libz.a -o /dev/null 2>/dev/null && echo '-l:libbpf.a -l:libelf.a -l:libz.a')
# libc is searched for symbols first: most are its. libmnl is loaded when it is called (user/mnl.c).
LDLIBS	+= -lc $(or $(STATIC),-lbpf) $(shell pkg-config --libs xtables 2>/dev/null)
ifeq ($(SAN),1)
CFLAGS	+= -fsanitize=address,undefined -fno-omit-frame-pointer
LDFLAGS	+= -fsanitize=address,undefined
endif

BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare
BPF_CFLAGS += -I/usr/include/$(shell uname -m)-linux-gnu -Iprogs

PROGS	:= $(patsubst progs/%.bpf.c,%,$(sort $(wildcard progs/*.bpf.c)))
SKELS	:= $(PROGS:%=$(O)/%.skel.h)
USER	:= $(sort $(wildcard user/*.c))
LIBUSER	:= $(filter-out user/main.c,$(USER))
NAMES	:= bpf-iptables-save bpf-iptables-restore bpf-iptables-init bpf-iptables-init-xdp \
	   bpf-iptables-clean pcn-iptables pcn-iptables-save pcn-iptables-restore \
	   pcn-iptables-init pcn-iptables-init-xdp pcn-iptables-clean

all: $(O)/bpf-iptables $(NAMES:%=$(O)/%) ## build everything into $(O)

$(O)/%/:
	$(Q)mkdir -p $@

$(O)/%.bpf.o: progs/%.bpf.c | $(O)/
	$(call msg,CLNG-BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

$(O)/%.skel.h: $(O)/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q){ echo '/* NOLINTBEGIN: generated */' && $(BPFTOOL) gen skeleton $< name $* && \
		echo '/* NOLINTEND */'; } > $@

$(O)/:
	$(Q)mkdir -p $@

$(O)/%.o: %.c $(SKELS)
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(O)/libfw.a: $(LIBUSER:%.c=$(O)/%.o)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(O)/bpf-iptables: $(O)/user/main.o $(O)/libfw.a
	$(call msg,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@.linked
# The page cache holds a copy in large folios, what a linker wrote in single pages, which
# takes each command 0.06 ms more.
	$(Q)cp $@.linked $@.copy && mv $@.copy $@ && rm $@.linked

$(NAMES:%=$(O)/%): $(O)/bpf-iptables
	$(Q)ln -sf bpf-iptables $@

-include selftests/rules.mk tools/rules.mk

DEPS := clang-19 gcc make pkg-config bpftool libbpf-dev libxtables-dev libmnl-dev libelf-dev \
	zlib1g-dev iptables iproute2 ipset iputils-ping netcat-openbsd ethtool python3 python3-docutils strace curl traceroute iperf3
deps: ## install what the build and the tests need (Debian 12's own packages)
	$(Q)missing=; for p in $(DEPS); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "  APT     $$missing"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; } \
			> /tmp/bpf-iptables-apt.log 2>&1 || { cat /tmp/bpf-iptables-apt.log; exit 1; }; \
	fi

check: deps ## every test ring; last line: N passed, N failed, N skipped
	$(Q)$(MAKE) all tests
	$(Q)selftests/run.sh

demo: deps ## client, router, server in namespaces: our rules beside native iptables'
	$(Q)$(MAKE) all
	$(Q)tools/demo.sh

install: all ## commands, systemd unit and manual page below $(DESTDIR)$(prefix)
	install -d $(DESTDIR)$(sbindir) $(DESTDIR)$(unitdir)
	install -m 755 $(O)/bpf-iptables $(DESTDIR)$(sbindir)/
	for n in $(NAMES); do ln -sf bpf-iptables $(DESTDIR)$(sbindir)/$$n; done
	sed 's,@sbindir@,$(sbindir),' user/bpf-iptables-monitor.service.in \
		> $(DESTDIR)$(unitdir)/bpf-iptables-monitor.service
	if command -v rst2man >/dev/null; then \
		$(MAKE) docs && install -d $(DESTDIR)$(mandir)/man8 && \
		install -m 644 $(O)/bpf-iptables.8 $(DESTDIR)$(mandir)/man8/; \
	fi

clean: ## remove $(O)
	rm -rf $(O)

help: ## this text
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sed 's/\$$(O)/$(subst /,\/,$(O))/'
	@echo "  V=1 verbose, O=dir build directory, SAN=1 sanitizers, CLANG=, prefix=, DESTDIR="

.PHONY: all deps check demo install clean help tests

-include $(SKELS:%.skel.h=%.bpf.d) $(USER:%.c=$(O)/%.d)
