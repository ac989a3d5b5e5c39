# lathe. The targets a developer uses daily; `make help` lists them.
#
# A file dropped into a folder is built: nothing here names sources. The folder is the flag: simd/avx512/*.c are the
# only files compiled with AVX-512, and so on.

CC       ?= cc
BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  := 0.1.0
SANITIZE ?=
# Kernels may go without: they parse nothing, and instrumented tiles take clang minutes each.
SIMD_SANITIZE ?= $(SANITIZE)
SANITIZERS = $(SANITIZE)
WERROR   ?=
OPT      ?= -O2 -g

PKGS     := libzstd libpcre2-8 libutf8proc jansson yaml-0.1 libxxhash

ifneq ($(filter clean help setup,$(MAKECMDGOALS)),$(if $(MAKECMDGOALS),$(MAKECMDGOALS),none))
  ifneq ($(shell pkg-config --exists $(PKGS) && echo yes),yes)
    ifeq ($(MAKE_RESTARTS),)
      # The first make on a new machine brings what is missing (or says the exact command).
      $(shell scripts/setup >&2)
      ifneq ($(shell pkg-config --exists $(PKGS) && echo yes),yes)
        $(error packages are missing; see the command above)
      endif
    endif
  endif
endif

# Only now is there a compiler to ask, on a machine that had none.
ARCH     := $(shell $(CC) -dumpmachine | cut -d- -f1)

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wno-missing-field-initializers $(if $(WERROR),-Werror)
CPPFLAGS += -Isrc -I. -I$(BUILD)/gen -D_GNU_SOURCE -DLT_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CFLAGS   += -std=gnu11 $(OPT) $(WARN) -fopenmp -fno-math-errno -fno-strict-aliasing $(SANITIZERS)
LDFLAGS  += -fopenmp $(SANITIZE)
LDLIBS   += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread

# Instruction-set folders: plain C everywhere; SIMDe code everywhere (native AVX2 on x86, translated elsewhere);
# the rest on x86-64 only.
SIMD_DIRS := simd simd/ref simd/avx2
ifeq ($(ARCH),x86_64)
  SIMD_DIRS += simd/avx512 simd/avx512bf16 $(wildcard simd/amx)
endif
ISA_x86_64_simd/avx2       := -mavx2 -mfma -mf16c -O3
ISA_x86_64_simd/avx512     := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c -mprefer-vector-width=512 -O3
ISA_x86_64_simd/avx512bf16 := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mfma -mf16c -mprefer-vector-width=512 -O3
ISA_x86_64_simd/amx        := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mamx-tile -mamx-bf16 -mfma -mf16c -O3
ISA_aarch64_simd/avx2      := -O3

LIB_SRC  := $(foreach d,src/core src/nn src/adapt src/objective src/train src/rl src/text src/api formats models $(SIMD_DIRS),$(wildcard $(d)/*.c))
CLI_SRC  := $(wildcard src/cli/*.c)
UNIT_SRC := $(wildcard tests/unit/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(BUILD)/%.o)
UNIT_OBJ := $(UNIT_SRC:%.c=$(BUILD)/%.o)

.PHONY: all help setup clean
all: $(BUILD)/lathe $(BUILD)/liblathe.a

help:
	@sed -n 's/^## //p' Makefile scripts/*.mk

## all            build the program and the library (default)
## setup          install the packages that the build needs
setup:
	scripts/setup

$(BUILD)/simd/%.o: SANITIZERS = $(SIMD_SANITIZE)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(ISA_$(ARCH)_$(patsubst %/,%,$(dir $*))) -MMD -MP -c -o $@ $<

$(BUILD)/liblathe.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/lathe: $(CLI_OBJ) $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $(CLI_OBJ) $(BUILD)/liblathe.a $(LDLIBS)

# One Criterion program holds every unit test; tests/unit mirrors the sources.
$(BUILD)/unit: $(UNIT_OBJ) $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $(UNIT_OBJ) $(BUILD)/liblathe.a $(LDLIBS) -lcriterion

clean:
	rm -rf build build-*

include $(wildcard scripts/*.mk)
-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(UNIT_OBJ:.o=.d)
