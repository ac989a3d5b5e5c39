# make install, and a program built against what it leaves.

. tests/cli/tiny.sh
prefix=$work/prefix
build=$(dirname "$lathe")

it "installs program, library, header, pkg-config file and manual page"
run_in make -s install BUILD="$build" PREFIX="$prefix"
expect_status 0
for file in bin/lathe lib/liblathe.a include/lathe.h lib/pkgconfig/lathe.pc share/man/man1/lathe.1; do
    expect_file "$prefix/$file"
done

it "installs below DESTDIR, for packages"
run_in make -s install BUILD="$build" PREFIX=/usr DESTDIR="$work/package"
expect_status 0
expect_file "$work/package/usr/bin/lathe"
grep -q '^prefix=/usr$' "$work/package/usr/lib/pkgconfig/lathe.pc" || problem "the pkg-config file names the wrong prefix"

it "has a header that C99 and C++ take"
printf '#include <lathe.h>\nint main(void) { return lathe_version() == 0; }\n' >"$work/only.c"
run_in ${CC:-cc} -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" "$work/only.c"
expect_status 0
if command -v c++ >/dev/null 2>&1; then
    run_in c++ -x c++ -Wall -Wextra -Werror -fsyntax-only -I"$prefix/include" "$work/only.c"
    expect_status 0
fi

it "trains, answers and evaluates from a C program built with pkg-config"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
run_in ${CC:-cc} -Wall -Wextra -o "$work/api" tests/cli/api.c ${LT_TEST_CFLAGS:-} $(pkg-config --cflags --libs lathe)
expect_status 0
run_in "$work/api" "$tiny" "$work/train.jsonl" "$work/api-run"
expect_status 0
expect_out "loss"
expect_no_err

it "repeats a run of the library from the recipe that it leaves"
run sft --config "$work/api-run/recipe.yaml" --output "$work/again"
expect_status 0
expect_same "$work/api-run/adapter_model.safetensors" "$work/again/adapter_model.safetensors"
grep -v '^output:' "$work/api-run/recipe.yaml" | sort >"$work/one"
grep -v '^output:' "$work/again/recipe.yaml" | sort >"$work/other"
[ -z "$(comm -13 "$work/one" "$work/other")" ] || problem "the program's recipe says more: $(comm -13 "$work/one" "$work/other")"

it "uninstalls what it installed"
run_in make -s uninstall BUILD="$build" PREFIX="$prefix"
expect_status 0
[ -z "$(find "$prefix" -type f)" ] || problem "left behind: $(find "$prefix" -type f)"
