# Conformance and speed of the kernel sets.

# A product and a sum fuse where the code says so and nowhere else: the bytes do not depend on the compiler's mood.
$(foreach d,$(SIMD_DIRS),$(eval ISA_$(ARCH)_$(d) += -ffp-contract=off))

# The program is plain C on the kernels and the little they need, so that it builds and runs without any library, also
# for another architecture.
KERNEL_SRC := $(wildcard tests/kernels/*.c) $(foreach d,$(SIMD_DIRS),$(wildcard $(d)/*.c)) src/core/dtype.c src/core/threads.c
KERNEL_OBJ := $(KERNEL_SRC:%.c=$(BUILD)/%.o)
-include $(KERNEL_OBJ:.o=.d)

$(BUILD)/check-kernels: $(KERNEL_OBJ)
	$(CC) $(LDFLAGS) -o $@ $^ -lm -lpthread

# The unit tests run a sample of the same.
KERNEL_TEST_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/kernels/main.c tests/kernels/bench.c,$(wildcard tests/kernels/*.c)))
UNIT_OBJ += $(KERNEL_TEST_OBJ)
$(BUILD)/unit: $(KERNEL_TEST_OBJ)


# Waiting threads sleep: the products tested are far smaller than the time slices of a busy machine.
RUN_KERNELS := OMP_WAIT_POLICY=passive $(EMULATOR) $(BUILD)/check-kernels

## check-kernels  every kernel of every set against the reference and the truth; ARGS='--quick avx2' for less
## bench-kernels  the speed of every kernel; ARGS=avx512 picks a set
## check-kernels-arm64  the same conformance test, cross-compiled for AArch64 and emulated
.PHONY: check-kernels bench-kernels check-kernels-arm64
check-kernels: $(BUILD)/check-kernels
	$(RUN_KERNELS) $(ARGS)

bench-kernels: $(BUILD)/check-kernels
	$(RUN_KERNELS) --bench $(ARGS)

check-kernels-arm64:
	$(MAKE) CC=aarch64-linux-gnu-gcc BUILD=build-arm64 LDFLAGS='-static -fopenmp' EMULATOR=qemu-aarch64 ARGS='--quick --no-speed' check-kernels
