# What a run leaves for people: report.html and TensorBoard's events.

. tests/cli/tiny.sh

it "a run leaves a page and events; lathe report makes them again"
run sft --model "$tiny" --data "$work/train.jsonl" --eval-data "$work/dev.jsonl" --threads 1 --output "$work/o" --logging-steps 1 --max-steps 3
expect_status 0
expect_file "$work/o/report.html"
expect_file "$work/o/runs/events.out.tfevents.0.lathe"
grep -q '<polyline' "$work/o/report.html" || problem "no curve in the page"
! grep -qE 'https?:|<script' "$work/o/report.html" || problem "the page needs something else"
cp "$work/o/report.html" "$work/first"
rm "$work/o/report.html"
run report "$work/o"
expect_status 0
expect_out "$work/o/report.html"
expect_same "$work/first" "$work/o/report.html"
run report "$work/o" --json
expect_json report "$work/o/report.html"

it "report says what is missing"
run report
expect_status 2
mkdir "$work/empty"
run report "$work/empty"
expect_status 1
expect_err metrics.jsonl
