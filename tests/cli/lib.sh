# The words that the tests are written in. One test is `it "behaviour"`, a `run`, and what is expected of it.
#
#   it NAME                    begins a test
#   run ARGS…                  runs lathe; leaves $work/out, $work/err and $status
#   run_in COMMAND…            the same for any command line
#   expect_status N            expect_out TEXT…  expect_err TEXT…   (each TEXT somewhere in it)
#   expect_no_out [TEXT]       nothing on stdout, or not this text; expect_no_err likewise
#   expect_json PATH VALUE     stdout is one JSON object with VALUE at PATH
#   expect_file FILE           FILE is there; expect_no_file FILE
#   expect_same FILE FILE      same bytes

passed=0 failed=0 name= problems=

finish() {
    [ -n "$name" ] || return 0
    if [ -z "$problems" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s' "$name" "$problems"
        [ ! -s "$work/err" ] || sed 's/^/    stderr: /' "$work/err" | head -5
    fi
    name= problems=
}

it() {
    finish
    name=$1
    : >"$work/out"
    : >"$work/err"
}

problem() {
    problems="$problems    $1
"
}

run_in() {
    status=0
    timeout 120 "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
}

run() { run_in "$lathe" "$@"; }

expect_status() { [ "$status" = "$1" ] || problem "exit status $status, expected $1"; }
expect_out() { for t; do grep -qF -- "$t" "$work/out" || problem "stdout lacks: $t"; done; }
expect_err() { for t; do grep -qF -- "$t" "$work/err" || problem "stderr lacks: $t"; done; }

expect_none() { # file, text or nothing
    if [ $# -gt 1 ]; then
        ! grep -qF -- "$2" "$work/$1" || problem "std$1 has: $2"
    else
        [ ! -s "$work/$1" ] || problem "std$1 is not empty: $(head -c 200 "$work/$1")"
    fi
}
expect_no_out() { expect_none out "$@"; }
expect_no_err() { expect_none err "$@"; }

expect_json() {
    got=$("$helper" json "$work/out" "$1" 2>&1) || { problem "JSON at '$1': $got"; return 0; }
    [ $# -lt 2 ] || [ "$got" = "$2" ] || problem "JSON at '$1' is $got, expected $2"
}

expect_file() { [ -e "$1" ] || problem "there is no $1"; }
expect_no_file() { [ ! -e "$1" ] || problem "there is a $1"; }
expect_same() { cmp -s "$1" "$2" || problem "$1 and $2 differ"; }

# One line of message, as every error must be.
expect_usage_error() {
    expect_status 2
    expect_no_out
    expect_err "lathe: error: " "$@"
    [ "$(wc -l <"$work/err")" = 1 ] || problem "the message is not one line"
}
expect_failure() {
    expect_status 1
    expect_err "lathe: error: " "$@"
}
