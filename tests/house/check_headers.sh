#!/usr/bin/env bash
# scripts/check finds a third-party header outside its folder, and lets it be inside.
# shellcheck source-path=SCRIPTDIR source=tree.inc
. "$(dirname "$0")/tree.inc"

clean headers

for planted in \
    'src/dual|librdkafka/rdkafka.h|side' 'src/side|uv.h|net' 'src/rmq|openssl/ssl.h|net and src/base' \
    'src/control|sqlite3.h|store' 'src/dual|libpq-fe.h|store' 'src/cli|yaml.h|config' \
    'src/cli|microhttpd.h|http' 'src/control|curl/curl.h|client' 'src/base|libsmartcols/libsmartcols.h|cli' \
    'include/duet|sqlite3.h|store' 'src/side|rdkafka.h|' 'src/http|microhttpd.h|' 'src/base|openssl/evp.h|'; do
    IFS='|' read -r folder header home <<<"$planted"
    if [ -n "$home" ]; then
        planted headers "$folder/planted.h" "#include <$header>" "<$header> is known to src/$home only"
    else
        mkdir -p "$copy/$folder"
        printf '#include <%s>\n' "$header" >"$copy/$folder/planted.h"
        clean headers
        rm "$copy/$folder/planted.h"
    fi
done

# Other rooms of the tree are free.
mkdir -p "$copy/tests/unit"
printf '#include <sqlite3.h>\n' >"$copy/tests/unit/planted.c"
clean headers
