#!/usr/bin/env bash
# What `make install` installs is enough to build C and C++ programs with pkg-config, shared and
# static, and with CMake; it works from wherever the prefix is moved to.
set -euo pipefail

build=${DUET_BUILD:-build}
[ -e "$build/librmq.so" ] || { echo "skipped: a build without shared libraries"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { printf 'FAILED: %s\n' "$1"; exit 1; }

cmake --install "$build" --prefix "$scratch/first" >/dev/null
mv "$scratch/first" "$scratch/prefix"
prefix=$scratch/prefix
libdir=$(dirname "$(dirname "$(find "$prefix" -name rmq.pc)")")
export PKG_CONFIG_PATH=$libdir/pkgconfig

# The same text is C and C++. It needs no broker: an address that is none must be refused, by
# name.
cat >"$scratch/rmq_program.c" <<'PROGRAM'
#include <stdio.h>
#include <string.h>
#include "rmq/rmq.h"
int main(void)
{
    rmq_client_config config;
    rmq_client *client = NULL;
    memset(&config, 0, sizeof(config));
    config.namesrv = "no port";
    if (rmq_client_new(&config, &client) != DT_EINVAL || strstr(dt_error_text(), "no port") == NULL)
        return 1;
    config.namesrv = "127.0.0.1:9";
    if (rmq_client_new(&config, &client) != DT_OK)
        return 2;
    rmq_client_free(client);
    return printf("%s\n", rmq_version()) > 5 ? 0 : 3;
}
PROGRAM
cat >"$scratch/duet_program.c" <<'PROGRAM'
#include <stdio.h>
#include <string.h>
#include "duet/duet.h"
#include "rmq/rmq.h"
int main(void)
{
    duet_producer *producer = NULL;
    /* the sentence is set in libduet and read from librmq */
    if (duet_producer_open("/no/such/file.yaml", "a", &producer) == DT_OK ||
        strstr(dt_error_text(), "/no/such/file.yaml") == NULL)
        return 1;
    return strcmp(duet_version(), rmq_version()) == 0 ? 0 : 2;
}
PROGRAM
for name in rmq duet; do cp "$scratch/${name}_program.c" "$scratch/${name}_program.cc"; done

run() { # WHAT PROGRAM
    LD_LIBRARY_PATH=$libdir "$2" >/dev/null || fail "$1: the program exits with $?"
    printf 'fine: %s\n' "$1"
}
needs() { readelf -d "$2" | grep -E "NEEDED.*\[$1" >/dev/null; }

warnings="-Wall -Wextra -pedantic -Werror"
for package in rmq duet; do
    for compiler in "gcc -std=c11 $scratch/${package}_program.c" "g++ -std=c++11 $scratch/${package}_program.cc"; do
        # shellcheck disable=SC2046
        $compiler $warnings -o "$scratch/program" $(pkg-config --cflags --libs "$package") ||
            fail "$package, shared, does not build with '$compiler'"
        needs "lib$package.so.0" "$scratch/program" || fail "$package was not linked by its soname"
        if needs libuv "$scratch/program"; then fail "$package: programs get what only the library needs"; fi
        run "$package shared, ${compiler%% *}" "$scratch/program"
        # the archives, with what pkg-config says that they need
        static=$(pkg-config --static --libs "$package" | sed -E 's/-l(rmq|duet)( |$)/-l:lib\1.a\2/g')
        # shellcheck disable=SC2046,SC2086
        $compiler $warnings -o "$scratch/program" $(pkg-config --static --cflags "$package") $static ||
            fail "$package, static, does not build with '$compiler'"
        if needs "lib(rmq|duet)" "$scratch/program"; then fail "$package was not linked from its archive"; fi
        run "$package static, ${compiler%% *}" "$scratch/program"
    done
done
[ "$(pkg-config --modversion rmq)" = "$(LD_LIBRARY_PATH=$libdir "$scratch/program" >/dev/null; "$prefix"/bin/duet --version | awk '{ print $NF }')" ] ||
    fail "rmq.pc has another version than the command"

for package in rmq duet; do
    project=$scratch/project-$package
    mkdir "$project"
    cp "$scratch/${package}_program.c" "$scratch/${package}_program.cc" "$project"
    cat >"$project/CMakeLists.txt" <<PROJECT
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C CXX)
find_package($package 0.1 REQUIRED)
foreach(target $package ${package}_static)
  add_executable(c_\${target} ${package}_program.c)
  add_executable(cc_\${target} ${package}_program.cc)
  target_link_libraries(c_\${target} PRIVATE $package::\${target})
  target_link_libraries(cc_\${target} PRIVATE $package::\${target})
endforeach()
PROJECT
    env -u PKG_CONFIG_PATH cmake -G Ninja -S "$project" -B "$project/build" \
        -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/log" 2>&1 && cmake --build "$project/build" >>"$scratch/log" 2>&1 ||
        fail "find_package($package): $(tail -n 20 "$scratch/log")"
    for program in "c_$package" "cc_$package" "c_${package}_static" "cc_${package}_static"; do
        run "CMake, $program" "$project/build/$program"
    done
    needs "lib$package.so.0" "$project/build/c_$package" || fail "$package::$package is not the shared library"
    if needs "lib(rmq|duet)" "$project/build/c_${package}_static"; then fail "$package::${package}_static is not the archive"; fi
    sed -i "s/$package 0.1/$package 9.9/" "$project/CMakeLists.txt"
    if cmake -G Ninja -S "$project" -B "$project/other" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1; then
        fail "find_package($package 9.9) finds this version"
    fi
done
