# Recipes: the same options from a YAML file.

recipe() { printf '%b' "$1" >"$work/r.yaml"; }

it "reads options from a recipe"
recipe 'threads: 1\n'
run doctor --json --config "$work/r.yaml"
expect_status 0
expect_json threads 1

it "lets the command line win over the recipe"
recipe 'threads: 1\n'
run doctor --json --config "$work/r.yaml" --threads 2
expect_json threads 2

it "takes an empty recipe for no wishes"
recipe '# nothing\n'
run doctor --json --config "$work/r.yaml"
expect_status 0

it "names file, line and the nearest key for an unknown one"
recipe '\nthread: 1\n'
run doctor --config "$work/r.yaml"
expect_usage_error "r.yaml:2: thread" "did you mean threads?"

it "names file and line of a value of the wrong type"
recipe 'threads: [1, 2]\n'
run doctor --config "$work/r.yaml"
expect_usage_error "r.yaml:1: threads: expected one value, found a list"

it "refuses keys about the call rather than the run"
recipe 'json: true\n'
run doctor --config "$work/r.yaml"
expect_usage_error "json" "command line"

it "refuses a recipe that is no mapping"
printf -- '- 1\n' >"$work/r.yaml"
run doctor --config "$work/r.yaml"
expect_usage_error "expected a mapping of options, found a list"

it "refuses a recipe for another command"
recipe 'command: sft\n'
run doctor --config "$work/r.yaml"
expect_usage_error "this recipe is for 'lathe sft'"

it "names file and place of broken YAML"
recipe 'threads: [1\n'
run doctor --config "$work/r.yaml"
expect_failure "r.yaml:"

it "names a recipe that is not there"
run doctor --config "$work/none.yaml"
expect_failure "none.yaml" "No such file"

it "does not wait for a recipe from a FIFO"
mkfifo "$work/fifo"
run doctor --config "$work/fifo"
expect_failure "fifo"
