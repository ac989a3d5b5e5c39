# lathe inspect

it "asks for what it shall look at"
run inspect
expect_usage_error "inspect needs PATH"

it "names the file that is not there"
run inspect "$work/none.safetensors"
expect_failure "none.safetensors" "No such file"

it "says what makes a folder worth looking at"
mkdir -p "$work/empty"
run inspect "$work/empty"
expect_failure "$work/empty" "config.json" "adapter_config.json"

it "names the place in a broken config.json"
mkdir -p "$work/broken"
printf '{"model_type": "llama",}' >"$work/broken/config.json"
run inspect "$work/broken"
expect_failure "broken/config.json: line 1"

it "refuses a file of tensors that is cut short"
printf '\377\377\0\0\0\0\0\0{}' >"$work/cut.safetensors"
run inspect "$work/cut.safetensors"
expect_failure "cut.safetensors"
expect_no_out

it "lists the tensors of a file"
head='{"model.layers.0.w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"model.layers.1.w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}} '
{ printf "\\$(printf %o ${#head})\0\0\0\0\0\0\0%s" "$head"; printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'; } >"$work/two.safetensors"
run inspect "$work/two.safetensors"
expect_status 0
expect_out "model.layers.0-1.w" "x 2" "parameters" "(4)"

it "lists them one by one as JSON"
run inspect "$work/two.safetensors" --json
expect_json kind file
expect_json parameters 4
expect_json tensors.1.name model.layers.1.w
expect_json tensors.1.shape.0 2
