# Chat templates against Python: the program that scripts/check_templates.py drives.
$(BUILD)/render_template: $(BUILD)/tests/tools/render_template.o $(BUILD)/liblathe.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
-include $(BUILD)/tests/tools/render_template.d
