## test-cli       the command line, tested from outside; ARGS=tests/cli/test_usage.sh picks a file
.PHONY: test-cli
test-cli: $(BUILD)/lathe $(BUILD)/tests/cli/helper
	CC='$(CC)' LT_TEST_CFLAGS='$(SANITIZE)' tests/cli/run $(BUILD)/lathe $(BUILD)/tests/cli/helper $(ARGS)

$(BUILD)/tests/cli/helper: tests/cli/helper.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS)

## test-cli-asan  the same with the address and undefined-behaviour sanitizers
.PHONY: test-cli-asan
test-cli-asan:
	$(MAKE) BUILD=build-asan SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined' OPT='-O1 -g' test-cli
