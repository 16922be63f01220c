# moat's build. `make help` lists the targets and the variables.
#
# Everything goes to build/$(BUILD); one tree of objects serves the program, the unit tests and the
# platform tests. Change a flag or the compiler and all of it is built again (see $(B)/flags).

BUILD ?= release
ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(BUILD)),clang,gcc)
endif
B ?= build/$(BUILD)
PREFIX ?= /usr/local
OBJCOPY ?= objcopy
OBJDUMP ?= objdump

WARN := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror
MODE_release := -O2 -g
MODE_debug := -O1 -g -DMOAT_DEBUG
MODE_asan := -O1 -g -DMOAT_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MODE_tsan := -O1 -g -DMOAT_DEBUG -fsanitize=thread -fno-omit-frame-pointer
MODE_cov := -O0 -g -DMOAT_DEBUG --coverage
MODE_fuzz := -O1 -g -DMOAT_DEBUG -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
MODE := $(MODE_$(BUILD))
ifeq ($(MODE),)
$(error BUILD is release, debug, asan, tsan, cov or fuzz, not '$(BUILD)')
endif

# CPPFLAGS, CFLAGS, LDFLAGS and LDLIBS are the caller's: they are added behind these.
ALL_CPPFLAGS = -I. -I$(B)/gen -D_GNU_SOURCE -DMOAT_BUILD='"$(BUILD)"' $(CPPFLAGS)
ALL_CFLAGS = -std=gnu17 $(WARN) $(MODE) -fPIE -fno-strict-aliasing -fstack-protector-strong -ffunction-sections -pthread $(CFLAGS)
ALL_LDFLAGS = $(MODE) -pie -pthread -static-libgcc -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
# A library takes the start of a sandbox some 100 us: what can be is static, and Zydis, of which Debian has no archive, is
# mapped by the sentry if it is to rewrite call sites (platform/systrap/library.c).
ALL_LDLIBS = -Wl,-Bstatic -lseccomp -lbsd -Wl,-Bdynamic $(LDLIBS)
# The program itself has no library at all, and what every start runs stands together in it; not so where the compiler's
# runtime forbids it, and in the tests, which have criterion.
COMMA := ,
STATIC := $(filter release debug,$(BUILD))
TEXT_ORDER := tools/text-order.lds
PROGRAM_LDFLAGS = $(if $(STATIC),$(patsubst -pie,-static-pie -Wl$(COMMA)-z$(COMMA)pack-relative-relocs,$(ALL_LDFLAGS)) \
	-Wl$(COMMA)-T$(COMMA)$(TEXT_ORDER) -Wl$(COMMA)-Map=$(B)/moat.map,$(ALL_LDFLAGS))
PROGRAM_LDLIBS = $(if $(STATIC),-lseccomp -lbsd $(LDLIBS),$(ALL_LDLIBS))

# Short lines unless V=1.
Q := $(if $(filter-out 0,$(V)),,@)
say = @$(if $(Q),printf '  %-8s%s\n' $(1) $(2),:)

SRC_DIRS := base platform sentry fs net cli
SRC := $(sort $(filter-out platform/stub/%,$(shell find $(SRC_DIRS) -name '*.c' -o -name '*.S' 2>/dev/null)))
OBJ := $(patsubst %,$(B)/%.o,$(SRC))
LIB_OBJ := $(filter-out $(B)/cli/main.c.o $(B)/cli/libc_start.c.o,$(OBJ))

all: $(B)/moat ## build build/$(BUILD)/moat

# --- objects, the program --------------------------------------------------------------------------

$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) $(STUB_CC) $(STUB_CFLAGS))' >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(B)/%.c.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(FILE_CPPFLAGS) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(FILE_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/%.S.o: %.S $(B)/flags
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Where it is and the name under which it is found: of the library that the headers belong to.
LIBZYDIS = $(shell $(CC) -print-file-name=libZydis.so)
$(B)/platform/systrap/patch_plan.c.o $(B)/tests/unit/platform/library_test.c.o: FILE_CPPFLAGS += -DLIBZYDIS='"$(shell $(OBJDUMP) -p $(LIBZYDIS) | sed -n 's/^ *SONAME *//p')"' \
	-DLIBZYDIS_DIR='"$(dir $(realpath $(LIBZYDIS)))"'
$(B)/tests/unit/platform/library_test.c.o: FILE_CPPFLAGS += -DLIBC='"$(realpath $(shell $(CC) -print-file-name=libc.so.6))"'

# An archive, so that a program takes in only what it uses.
$(B)/libmoat.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(B)/cli/libc_start.c.o: FILE_CFLAGS = -fno-stack-protector
$(B)/moat: $(B)/cli/main.c.o $(if $(STATIC),$(B)/cli/libc_start.c.o) $(B)/libmoat.a $(if $(STATIC),$(TEXT_ORDER))
	$(call say,LINK,$@)
	$(Q)$(CC) $(PROGRAM_LDFLAGS) -o $@ $(filter-out %.lds,$^) $(PROGRAM_LDLIBS)

# --- the stub --------------------------------------------------------------------------------------
# A freestanding blob of its own that ends up inside the program: no libc, a fixed address, general
# registers only (a guest's vector registers must survive it).

STUB_SRC := $(sort $(wildcard platform/stub/*.c platform/stub/*.S))
STUB_OBJ := $(patsubst platform/stub/%,$(B)/stub/%.o,$(STUB_SRC))
# Nothing instrumented has a place there.
STUB_CC := $(patsubst afl-%-fast,%,$(patsubst afl-%-lto,%,$(CC)))
STUB_CFLAGS := -std=gnu17 $(WARN) -O2 -g -ffreestanding -fno-stack-protector -fno-pic -fno-pie -mcmodel=large \
	-mgeneral-regs-only -mno-red-zone -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing \
	$(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)
$(B)/stub/%.o: platform/stub/% $(B)/flags
	@mkdir -p $(@D)
	$(call say,STUB,$<)
	$(Q)$(STUB_CC) $(ALL_CPPFLAGS) $(STUB_CFLAGS) -MMD -MP -c -o $@ $<
$(B)/stub/stub.elf: $(STUB_OBJ) platform/stub/stub.lds
	$(call say,LINK,$@)
	$(Q)$(STUB_CC) -nostdlib -static -Wl,-T,platform/stub/stub.lds -Wl,--build-id=none -Wl,-z,noexecstack -o $@ $(STUB_OBJ)
$(B)/gen/stub.bin: $(B)/stub/stub.elf
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) -O binary $< $@
$(B)/platform/systrap/stub_blob.S.o: $(B)/gen/stub.bin

# --- tests -----------------------------------------------------------------------------------------

UNIT_OBJ := $(patsubst %,$(B)/%.o,$(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null)))
# Under the sanitizers, a small stand-in takes criterion's place: see tests/unit/plain/criterion/criterion.h.
ifneq ($(filter asan tsan,$(BUILD)),)
$(B)/tests/unit/%.o: FILE_CPPFLAGS := -Itests/unit/plain
UNIT_OBJ += $(B)/tests/unit/plain/main.c.o
else
UNIT_LIBS := -lcriterion
endif
$(B)/unit-tests: $(UNIT_OBJ) $(B)/libmoat.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(UNIT_LIBS) $(ALL_LDLIBS)

# Real guests under the real platform, served by a sentry of a dozen calls.
PLATFORM_TEST_OBJ := $(patsubst %,$(B)/%.o,$(sort $(wildcard tests/platform/*.c)))
$(B)/tests/platform/guest_code.c.o $(B)/tests/platform/guest_sites.c.o: FILE_CFLAGS := -O2 -fvisibility=hidden -fno-tree-vectorize -fno-tree-slp-vectorize \
	-fno-stack-protector -fno-sanitize=all -fno-jump-tables -ffreestanding
$(B)/platform-tests: $(PLATFORM_TEST_OBJ) $(B)/libmoat.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

$(B)/platform-bench: $(B)/bench/platform.c.o $(filter-out %/main.c.o,$(PLATFORM_TEST_OBJ)) $(B)/libmoat.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

# What moat costs beside no sandbox and others; numbers, no verdict. bench/run NAME-GLOB for some of it.
BENCH_PROGRAMS := $(B)/bench-micro $(B)/bench-barrier $(B)/bench-launch
$(B)/bench-micro: $(wildcard bench/micro*.c)
$(B)/bench-barrier: bench/barrier.c
$(B)/bench-launch: bench/launch.c
$(BENCH_PROGRAMS): bench/micro.h $(B)/flags
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu17 $(WARN) -D_GNU_SOURCE -O2 -pthread -o $@ $(filter %.c,$^)
bench-programs: $(B)/moat $(BENCH_PROGRAMS) ## build what bench/run measures with
bench: bench-programs ## measure moat beside no sandbox and others of its kind: a few minutes
	$(Q)bench/run --moat $(B)/moat

unit: $(B)/unit-tests ## run the unit tests
	$(Q)$(B)/unit-tests

platform-tests: $(B)/platform-tests ## run the platform's integration tests
	$(Q)$(B)/platform-tests

compat: $(B)/moat ## run the same programs natively and inside moat, and compare
	$(Q)tests/compat/run --moat $(B)/moat

apps: $(B)/moat ## run real programs inside moat (slow)
	$(Q)tests/apps/run --moat $(B)/moat

security: $(B)/moat ## attack moat from inside; tests/security/run --rounds 10 for longer
	$(Q)tests/security/run --moat $(B)/moat

# Parsers of untrusted bytes, by libFuzzer, or by AFL++ with CC=afl-clang-fast: see tests/fuzz/README.md. They use the
# unit tests' fixtures.
FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,%,$(sort $(wildcard tests/fuzz/*_fuzz.c)))
$(B)/tests/fuzz/%.o: FILE_CPPFLAGS := -Itests/unit/plain
$(FUZZ_TARGETS:%=$(B)/fuzz/%): $(B)/fuzz/%: $(B)/tests/fuzz/%_fuzz.c.o $(B)/tests/fuzz/fixtures.c.o $(B)/libmoat.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LDLIBS) -lZydis
fuzz-targets: $(FUZZ_TARGETS:%=$(B)/fuzz/%)

fuzz: ## fuzz the parsers: TARGET=name for one, MINUTES=n for each (a few seconds)
	$(Q)$(MAKE) --no-print-directory BUILD=fuzz B=build/fuzz CC=clang fuzz-targets
	$(Q)tests/fuzz/run $(if $(MINUTES),--minutes $(MINUTES)) $(TARGET)

fuzz-guest: ## make system calls at random inside a sandbox: MINUTES=n (20 seconds)
	$(Q)$(MAKE) --no-print-directory BUILD=asan B=build/asan build/asan/moat
	$(Q)tests/fuzz/run_guest --moat build/asan/moat $(if $(MINUTES),--minutes $(MINUTES))

tests: $(B)/moat $(B)/unit-tests $(B)/platform-tests ## build the program and all tests, run nothing

RESULTS ?= $(B)/results
check: deps ## install what is needed, build, run all tests
	$(Q)rm -f $(RESULTS)
	$(Q)BUILD=$(BUILD) B=$(B) CC='$(CC)' tools/check --results $(RESULTS) build unit platform compat apps security

demo: deps ## install what is needed, build, show real programs inside moat
	$(Q)$(MAKE) --no-print-directory $(if $(findstring j,$(MAKEFLAGS)),,-j$(JOBS)) all
	$(Q)tools/demo $(B)/moat

# --- the rules of the house ------------------------------------------------------------------------

C_FILES := $(sort $(shell find $(SRC_DIRS) tests bench -name '*.[ch]' 2>/dev/null))
format: ## lay out all sources with clang-format
	$(Q)clang-format -i $(C_FILES)

check-format: ## is every source laid out so?
	$(Q)clang-format --dry-run --Werror $(C_FILES)

check-layers: $(B)/libmoat.a ## do imports point one way, are host calls made in the gateways only?
	$(Q)tools/check-layers $(B)

# The checks are chosen in .clang-tidy and tools/cppcheck.supp, each with its reason.
TIDY_SRC := $(filter %.c,$(SRC)) $(filter %.c,$(STUB_SRC))
check-tidy: ## clang-tidy
	$(Q)printf '%s\n' $(TIDY_SRC) | xargs -P $(JOBS) -n 1 tools/tidy $(ALL_CPPFLAGS) -std=gnu17 --
check-cppcheck: ## cppcheck
	$(Q)mkdir -p $(B)/cppcheck
	$(Q)cppcheck --quiet -j $(JOBS) --error-exitcode=1 --enable=warning,performance,portability --std=c11 \
		--inline-suppr --suppressions-list=tools/cppcheck.supp --cppcheck-build-dir=$(B)/cppcheck \
		--include=/usr/include/bsd/sys/queue.h --include=/usr/include/bsd/sys/tree.h \
		-I. -D_GNU_SOURCE -D__x86_64__ -U__SANITIZE_THREAD__ -U__SANITIZE_ADDRESS__ $(SRC_DIRS)
lint: check-tidy check-cppcheck ## both
JOBS ?= $(shell nproc)

# --- the rest --------------------------------------------------------------------------------------

deps: ## install what is needed from Debian; says what, and does nothing if all is there
	$(Q)tools/deps

install: $(B)/moat ## install to $(DESTDIR)$(PREFIX)/bin
	install -D -m 755 $(B)/moat $(DESTDIR)$(PREFIX)/bin/moat

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/moat

compile_commands.json: ## for editors and language servers
	$(Q)$(MAKE) --no-print-directory -Bn V=1 B=$(B) all tests | tools/compile-commands >$@

clean: ## remove all build output
	rm -rf build compile_commands.json

help: ## list the targets
	@sed -n 's/^\([a-z_.-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24
	@echo
	@echo "  BUILD=release|debug|asan|tsan|cov|fuzz (into build/BUILD)   CC=gcc|clang   V=1 shows the commands"
	@echo "  PREFIX, DESTDIR for install   CPPFLAGS, CFLAGS, LDFLAGS, LDLIBS are added behind moat's own"

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all bench bench-programs unit platform-tests compat apps security fuzz fuzz-guest fuzz-targets tests check demo format check-format check-layers check-tidy \
	check-cppcheck lint deps install uninstall compile_commands.json clean help FORCE
.DELETE_ON_ERROR:
