## tokenize_batch the program that scripts/check_tokenizer.py compares with a reference
$(BUILD)/tokenize_batch: $(BUILD)/tests/tools/tokenize_batch.o $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
-include $(BUILD)/tests/tools/tokenize_batch.d
