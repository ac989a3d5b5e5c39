## bench-decode   tokens per second by batch, beside the bandwidth of memory; ARGS=MODEL
.PHONY: bench-decode
bench-decode: $(BUILD)/bench-decode
	$(BUILD)/bench-decode $(ARGS)

$(BUILD)/bench-decode: $(BUILD)/tests/bench/bench_decode.o $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
-include $(BUILD)/tests/bench/bench_decode.d
