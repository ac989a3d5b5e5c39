## bench          speed and memory of training steps, in minutes: shapes of 135M and 0.5B, limits, threads; PEER=eager,compile beside PyTorch
.PHONY: bench
PYTHON ?= python3
PEER   ?= none
ROUNDS ?= 2
BENCH  := $(PYTHON) scripts/bench_peer.py --lathe $(BUILD)/lathe --rounds $(ROUNDS)
bench: $(BUILD)/lathe
	@echo 'SmolLM2-135M, 512 tokens:'; $(BENCH) --shape smollm2-135m --peer $(PEER)
	@echo 'Qwen2.5-0.5B, 512 tokens:'; $(BENCH) --shape qwen2.5-0.5b --steps 5 --peer $(PEER)
	@echo 'SmolLM2-135M, 8 rows of 100 tokens:'; $(BENCH) --shape smollm2-135m --tokens 100 --batch 8 --peer $(PEER)
	@echo 'SmolLM2-135M under limits:'; $(BENCH) --shape smollm2-135m --steps 5 --limit 112MiB --limit 224MiB
	@echo 'Qwen2.5-0.5B under limits:'; $(BENCH) --shape qwen2.5-0.5b --steps 4 --limit 192MiB --limit 384MiB
	@echo 'SmolLM2-135M, threads:'; $(BENCH) --shape smollm2-135m --steps 5 --scaling
