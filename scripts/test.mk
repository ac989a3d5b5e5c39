# The test run. `make test` is what a newcomer and the continuous integration call: it brings its own packages.

## test           install what is missing, build, run every test
.PHONY: test test-all unit golden asan fuzz check-clang
test:
	@scripts/setup --all
	@scripts/run-tests

## unit           the unit tests alone; ARGS='--filter tokenizer/*' picks some
unit: $(BUILD)/unit
	$(BUILD)/unit $(ARGS)

$(BUILD)/golden: $(BUILD)/tests/golden/golden.o $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

## golden         losses, logits, gradients and trained adapters against transformers' and PEFT's (CASES='llama3 qwen2' picks some)
golden: $(BUILD)/golden $(BUILD)/lathe
	$(BUILD)/golden $(BUILD)/lathe tests/golden/cases $(CASES)

## asan           the unit tests with the address and undefined-behaviour sanitizers
asan:
	$(MAKE) BUILD=build-asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' OPT='-O1 -g' build-asan/unit
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 build-asan/unit $(ARGS)

## fuzz           every fuzz target for FUZZ_SECONDS (10) each, with clang's libFuzzer; FUZZ_SEED=0 tries other inputs every time
FUZZ_SECONDS ?= 10
FUZZ_SEED ?= 1
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
fuzz:
	$(MAKE) BUILD=build-fuzz CC=clang OPT='-O1 -g' SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fsanitize=fuzzer-no-link' SIMD_SANITIZE= \
	  $(FUZZ_SRC:tests/fuzz/%.c=build-fuzz/%)
	@for t in $(FUZZ_SRC:tests/fuzz/%.c=%); do \
	  mkdir -p build-fuzz/corpus/$$t; \
	  build-fuzz/$$t -seed=$(FUZZ_SEED) -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -max_len=65536 -verbosity=0 -print_final_stats=0 \
	    build-fuzz/corpus/$$t $$(ls -d tests/fuzz/seeds/$${t#fuzz_} 2>/dev/null) > build-fuzz/$$t.log 2>&1 \
	    || { echo "$$t failed:"; tail -40 build-fuzz/$$t.log; exit 1; }; \
	  echo "$$t: $(FUZZ_SECONDS) s without a finding"; \
	done

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

## check-clang    everything compiles with clang without a warning
check-clang:
	$(MAKE) BUILD=build-clang CC=clang WERROR=1 build-clang/lathe build-clang/unit

-include $(BUILD)/tests/golden/golden.d
