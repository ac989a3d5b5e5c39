## test-cli       the command line, tested from outside; ARGS=tests/cli/test_usage.sh picks a file
.PHONY: test-cli
test-cli: $(BUILD)/lathe $(BUILD)/tests/cli/helper
	CC='$(CC)' LT_TEST_CFLAGS='$(SANITIZE)' tests/cli/run $(BUILD)/lathe $(BUILD)/tests/cli/helper $(ARGS)

$(BUILD)/tests/cli/helper: tests/cli/helper.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS)
