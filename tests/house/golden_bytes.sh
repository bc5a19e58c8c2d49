#!/bin/sh
# The golden file is what its program writes, and the stamps in docs/wire-format.md are in it.
command -v python3 >/dev/null || exit 77
tests/golden/model.py --check || exit 1
tests/golden/sketch.py --check || exit 1
for name in first kafka last; do
    for line in "stamp.$name" "stamp.$name.text"; do
        value=$(sed -n "s/^$line //p" tests/golden/model.txt)
        if [ -z "$value" ] || ! grep -qxF -e "$value" docs/wire-format.md; then
            echo "docs/wire-format.md does not show $line"
            exit 1
        fi
    done
done
value=$(cd tests/golden && python3 -c 'import sketch; print(sketch.Sketch(sketch.Key(7, 1), 16).encode().hex())')
if ! grep -qxF -e "$value" docs/sketches.md; then
    echo "docs/sketches.md does not show the empty sketch"
    exit 1
fi
