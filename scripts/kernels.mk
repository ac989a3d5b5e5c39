# Conformance of the kernel sets.

# A product and a sum fuse where the code says so and nowhere else: the bytes do not depend on the compiler's mood.
$(foreach d,$(SIMD_DIRS),$(eval ISA_$(ARCH)_$(d) += -ffp-contract=off))

KERNEL_CHECK_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/kernels/*.c))
-include $(KERNEL_CHECK_OBJ:.o=.d)

$(BUILD)/check-kernels: $(KERNEL_CHECK_OBJ) $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $(KERNEL_CHECK_OBJ) $(BUILD)/liblathe.a -lm -lpthread

## check-kernels  every kernel of every set against the reference and against the truth; ARGS=--quick for a second's worth
.PHONY: check-kernels
check-kernels: $(BUILD)/check-kernels
	OMP_WAIT_POLICY=passive $(BUILD)/check-kernels $(ARGS)
