# SPDX-License-Identifier: GPL-2.0-only
#
# The compiled tests: a .c file with a main() in selftests/unit or prog_run is a
# program of its own under $(O)/selftests/; the others there, and those of tools/,
# are linked into each. BPF objects of a test get a skeleton beside the programs'.

RING_SRCS := $(wildcard selftests/unit/*.c selftests/prog_run/*.c)
TOOL_SRCS := $(wildcard tools/*.c)
MAINS	:= $(shell grep -lwE '^int main' $(RING_SRCS) $(TOOL_SRCS) /dev/null)
TESTS	:= $(patsubst %.c,$(O)/%,$(filter selftests/%,$(MAINS)))
TEST_SKELS := $(patsubst selftests/prog_run/%.bpf.c,$(O)/%.skel.h,$(wildcard selftests/prog_run/*.bpf.c))

TEST_LIB_SRCS := $(filter-out $(MAINS) %.bpf.c,$(RING_SRCS) $(TOOL_SRCS))

$(O)/%.bpf.o: selftests/prog_run/%.bpf.c | $(O)/
	$(call msg,CLNG-BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

# Objects are built by the top Makefile's rule; these also need the tests' skeletons.
$(patsubst %.c,$(O)/%.o,$(filter-out %.bpf.c,$(RING_SRCS))): $(TEST_SKELS)

$(O)/libtest.a: $(TEST_LIB_SRCS:%.c=$(O)/%.o)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(TESTS): $(O)/%: $(O)/%.o $(O)/libtest.a $(O)/libfw.a
	$(call msg,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(O)/inject: $(O)/tools/inject.o $(O)/tools/frame.o
	$(call msg,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@

tests: $(TESTS) $(O)/inject $(O)/bench/blast $(O)/verstat ## build the test programs

-include $(TEST_SKELS:%.skel.h=%.bpf.d) $(RING_SRCS:%.c=$(O)/%.d) $(TOOL_SRCS:%.c=$(O)/%.d)
