## test           build and run every test
.PHONY: test unit
test: unit

## unit           the unit tests alone; ARGS='--filter tokenizer/*' picks some
unit: $(BUILD)/unit
	$(BUILD)/unit $(ARGS)
