# moat's build. `make help` lists the targets.
#   BUILD=release|debug|asan|tsan|cov|fuzz   CC=gcc|clang   PREFIX, DESTDIR for install
BUILD ?= release
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
B ?= build/$(BUILD)
PREFIX ?= /usr/local
PKGS := libseccomp libunwind

WARN := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror
CFLAGS_release := -O2 -g
CFLAGS_debug := -O1 -g -DMOAT_DEBUG
CFLAGS_asan := -O1 -g -DMOAT_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_tsan := -O1 -g -DMOAT_DEBUG -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_cov := -O0 -g -DMOAT_DEBUG --coverage
CFLAGS_fuzz := -O1 -g -DMOAT_DEBUG -fsanitize=fuzzer-no-link,address,undefined
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE -DMOAT_BUILD='"$(BUILD)"'
CFLAGS += -std=gnu17 $(WARN) $(CFLAGS_$(BUILD)) -fno-strict-aliasing -fstack-protector-strong -pthread
LDFLAGS += $(CFLAGS_$(BUILD)) -pthread
LDLIBS += -lseccomp -lunwind -lunwind-x86_64 -lbsd

# The stub is a freestanding blob of its own: no libc, fixed address, general registers only.
STUB_SRC := $(sort $(wildcard platform/stub/*.c platform/stub/*.S))
SRC := $(sort $(filter-out platform/stub/%,$(shell find base platform sentry fs net cli -name '*.c' -o -name '*.S' 2>/dev/null)))
OBJ := $(patsubst %,$(B)/%.o,$(SRC))
LIB_OBJ := $(filter-out $(B)/cli/main.c.o,$(OBJ))

all: $(B)/moat ## build build/$(BUILD)/moat

# An archive, so that a program takes in only what it uses.
$(B)/libmoat.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/moat: $(B)/cli/main.c.o $(B)/libmoat.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.S.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

STUB_CFLAGS := -std=gnu17 $(WARN) -O2 -g -ffreestanding -fno-stack-protector -fno-pic -fno-pie -mcmodel=large \
	-mgeneral-regs-only -mno-red-zone -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing \
	$(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)
$(B)/stub/%.o: platform/stub/%
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(STUB_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/stub/stub.elf: $(patsubst platform/stub/%,$(B)/stub/%.o,$(STUB_SRC)) platform/stub/stub.lds
	$(CC) -nostdlib -static -Wl,-T,platform/stub/stub.lds -Wl,--build-id=none -Wl,-z,noexecstack -o $@ $(filter %.o,$^)
$(B)/gen/stub.bin: $(B)/stub/stub.elf
	@mkdir -p $(@D)
	objcopy -O binary $< $@
$(B)/platform/systrap/stub_blob.S.o: $(B)/gen/stub.bin

UNIT_SRC := $(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null))
UNIT_OBJ := $(patsubst %,$(B)/%.o,$(UNIT_SRC))
# Under the sanitizers, a small stand-in takes criterion's place: see tests/unit/plain/criterion/criterion.h.
ifneq ($(filter asan tsan,$(BUILD)),)
$(B)/tests/unit/%.o: CPPFLAGS := -Itests/unit/plain $(CPPFLAGS)
UNIT_OBJ += $(B)/tests/unit/plain/main.c.o
else
UNIT_LIBS := -lcriterion
endif
$(B)/unit-tests: $(UNIT_OBJ) $(B)/libmoat.a
	$(CC) $(LDFLAGS) -o $@ $^ $(UNIT_LIBS) $(LDLIBS)

unit: $(B)/unit-tests ## build and run the unit tests
	$(B)/unit-tests

# Real guests under the real platform, served by a sentry of a dozen calls.
PLATFORM_TEST_OBJ := $(patsubst %,$(B)/%.o,$(sort $(wildcard tests/platform/*.c)))
$(B)/tests/platform/guest_code.c.o: CFLAGS += -O2 -fvisibility=hidden -fno-tree-vectorize -fno-tree-slp-vectorize -fno-stack-protector -fno-sanitize=all -fno-jump-tables -ffreestanding
$(B)/platform-tests: $(PLATFORM_TEST_OBJ) $(B)/libmoat.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/platform-bench: $(B)/bench/platform.c.o $(filter-out %/main.c.o,$(PLATFORM_TEST_OBJ)) $(B)/libmoat.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

platform-tests: $(B)/platform-tests ## build and run the platform's integration tests
	$(B)/platform-tests

format: ## lay out all sources with clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean: ## remove build output
	rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all unit platform-tests format clean help
.DELETE_ON_ERROR:
