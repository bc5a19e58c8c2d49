#!/usr/bin/env bash
# scripts/check finds tabs, trailing blanks and paths of one machine.
# shellcheck source-path=SCRIPTDIR source=tree.inc
. "$(dirname "$0")/tree.inc"

clean text
planted text docs/planted.md 'one line \n' 'trailing blanks'
planted text scripts/planted 'if true; then\n\ttrue\nfi' 'tab'
# In two parts, so that this file is clean itself.
planted text src/base/planted.c "static const char *here = \"/ho""me/somebody/duet\";" 'a path of one machine'
planted text docs/planted.md "cd /ro""ot/duet" 'a path of one machine'
printf 'all:\n\ttrue\n' >"$copy/docs/Makefile"
printf 'https://example.org/home/page and PREFIX/home/x\n' >"$copy/docs/fine.md"
clean text
