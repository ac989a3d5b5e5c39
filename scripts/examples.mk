## examples_probe the program that scripts/check_examples.py compares with transformers and TRL
$(BUILD)/examples_probe: $(BUILD)/tests/tools/examples_probe.o $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
-include $(BUILD)/tests/tools/examples_probe.d
