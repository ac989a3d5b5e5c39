## demo           install what is missing, build, teach the small model that ships a task, show the result
.PHONY: demo
demo: $(BUILD)/lathe
	@LATHE=$(BUILD)/lathe scripts/demo/run $(BUILD)/demo
