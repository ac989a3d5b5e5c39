# Calling the program: help, versions, unknown words, and the streams it is given.

it "prints the version"
run --version
expect_status 0
expect_out "lathe "
expect_no_err

it "lists its commands on --help"
run --help
expect_status 0
expect_out "lathe COMMAND" "doctor"
expect_no_err

it "shows help and fails when no command is given"
run
expect_status 2
expect_no_out
expect_err "lathe COMMAND" "lathe: error: "

it "suggests the command that was meant"
run docotr
expect_usage_error "unknown command 'docotr'" "did you mean doctor?"

it "has help for every command that it lists"
run --help
for command in $(sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' "$work/out"); do
    run "$command" --help
    expect_status 0
    expect_out "lathe $command" "Examples" "--help"
    expect_no_err
done

it "shows the same page for 'help COMMAND'"
run doctor --help
cp "$work/out" "$work/first"
run help doctor
expect_same "$work/first" "$work/out"

it "lets --help win over what else is wrong"
run doctor --help --nonsense
expect_status 0
expect_out "Examples"

it "keeps help within the width of the terminal"
run_in "$helper" pty 70 "$lathe" doctor --help
expect_status 0
[ -z "$(tr -d '\r' <"$work/out" | sed 's/\x1b\[[0-9;]*m//g' | awk 'length > 70')" ] || problem "a line is longer than 70 columns"

it "suggests the option that was meant"
run doctor --thread 2
expect_usage_error "unknown option '--thread'" "did you mean --threads?"

it "takes snake_case and = as well"
run doctor --json --threads=1
expect_status 0
expect_json threads 1

it "refuses a value of the wrong type and names the option"
run doctor --threads many
expect_usage_error "--threads: expected a whole number, found 'many'"

it "refuses a value out of range"
run doctor --threads -1
expect_usage_error "--threads: expected a number from 0 to 256, found '-1'"

it "says which value an option lacks"
run doctor --threads
expect_usage_error "--threads needs a value: N"

it "refuses a value for a negated switch"
run doctor --no-json=1
expect_usage_error "--no-json takes no value"

it "refuses arguments that it has no use for"
run doctor now
expect_usage_error "unexpected argument 'now'"

it "refuses short options, which it does not have"
run doctor -x
expect_usage_error "unknown option '-x'"

it "survives an option name of any length"
run doctor "--$(head -c 5000 /dev/zero | tr '\0' a)"
expect_usage_error "unknown option"

it "names a kernel set that this machine does not have"
run_in env LATHE_CPU=sse9 "$lathe" doctor
expect_usage_error "sse9"

it "fails when the result cannot be written"
status=0
"$lathe" --help >/dev/full 2>"$work/err" || status=$?
expect_status 1
expect_err "lathe: error: standard output"

it "fails when standard output is closed"
status=0
"$lathe" --help >&- 2>"$work/err" || status=$?
expect_status 1
expect_err "lathe: error: standard output"

it "is quiet when the reader has had enough"
{ "$lathe" --man 2>"$work/err"; echo $? >"$work/status"; } | head -c 10 >/dev/null
status=$(cat "$work/status")
expect_status 0
expect_no_err

it "works without standard error"
status=0
"$lathe" --version >"$work/out" 2>&- || status=$?
expect_status 0
expect_out "lathe "

it "has no colours when its output is no terminal"
run doctor --help
expect_no_out "$(printf '\033[')"

it "has colours on a terminal"
run_in "$helper" pty 80 "$lathe" --help
expect_out "$(printf '\033[')"

it "has no colours on a terminal when NO_COLOR is set"
run_in env NO_COLOR=1 "$helper" pty 80 "$lathe" --help
expect_out "lathe COMMAND"
expect_no_out "$(printf '\033[')"

it "has no colours on a dumb terminal"
run_in env TERM=dumb "$helper" pty 80 "$lathe" --help
expect_no_out "$(printf '\033[')"

it "writes a manual page with every command and option"
run --man
expect_status 0
expect_out ".TH LATHE 1" '\fBlathe doctor\fR' '\-\-threads'
