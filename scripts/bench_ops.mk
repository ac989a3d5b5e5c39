## bench-ops      speed of attention, norms and cross-entropy; ARGS=1 for one thread
.PHONY: bench-ops
bench-ops: $(BUILD)/bench-ops
	$(BUILD)/bench-ops $(ARGS)

$(BUILD)/bench-ops: $(BUILD)/tests/bench/bench_ops.o $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
-include $(BUILD)/tests/bench/bench_ops.d
