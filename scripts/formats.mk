## formats_probe  the program that scripts/check_formats.py compares with transformers, safetensors and PEFT
$(BUILD)/formats_probe: $(BUILD)/tests/tools/formats_probe.o $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
-include $(BUILD)/tests/tools/formats_probe.d
