#!/usr/bin/env bash
# scripts/check finds each kind of include that the architecture forbids, and names it.
# shellcheck source-path=SCRIPTDIR source=tree.inc
. "$(dirname "$0")/tree.inc"

clean arrows

# Circles, of two folders and of three.
mkdir -p "$copy/src/mirror" "$copy/src/journal" "$copy/src/client"
: >"$copy/src/mirror/there.h"
: >"$copy/src/journal/there.h"
: >"$copy/src/dual/there.h"
: >"$copy/src/store/there.h"
: >"$copy/src/client/there.h"
clean arrows
printf '#include "mirror/there.h"\n' >"$copy/src/dual/there.h"
planted arrows src/mirror/planted.c '#include "dual/there.h"' 'circle of folders: dual -> mirror -> dual' src/dual/there.h
: >"$copy/src/dual/there.h"
printf '#include "store/there.h"\n' >"$copy/src/client/there.h"
printf '#include "client/there.h"\n' >"$copy/src/journal/there.h"
planted arrows src/store/planted.c '#include "journal/there.h"' 'circle of folders: client -> store -> journal -> client' src/client/there.h
: >"$copy/src/client/there.h"
: >"$copy/src/journal/there.h"

# The verifier shares nothing with the writers: straight, over another folder, or the encoder
# behind a header of the model.
planted arrows src/verify/planted.c '#include "dual/there.h"' 'verify must not reach dual: verify -> dual'
planted arrows src/verify/planted.c '#include "mirror/there.h"' 'verify must not reach mirror'
printf '#include "journal/there.h"\n' >"$copy/src/store/there.h"
planted arrows src/verify/planted.c '#include "store/there.h"' 'verify must not reach journal: verify -> .*journal' 'src/verify/[a-z_]+\.[ch]'
: >"$copy/src/store/there.h"
planted arrows src/verify/planted.c '#include "model/mapping_encode.h"' 'how the mapping encodes'
printf '#include "model/mapping_encode.h"\n' >"$copy/src/model/there.h"
planted arrows src/verify/planted.c '#include "model/there.h"' 'how the mapping encodes: .* -> src/model/there.h -> '
rm "$copy/src/model/there.h"

# Pure rooms, floors, public headers, strangers.
planted arrows src/model/planted.c '#include "store/there.h"' 'model may reach only base include/rmq: model -> store'
planted arrows src/base/planted.c '#include "model/stamp.h"' 'base may reach only include/rmq'
planted arrows src/rmq/planted.c '#include "duet/duet.h"' 'rmq may reach only'
planted arrows src/store/planted.c '#include "dual/there.h"' 'store -> dual points upwards'
planted arrows include/duet/planted.h '#include "base/status.h"' 'include/duet may reach only include/rmq'
planted arrows src/attic/planted.c '#include "base/status.h"' 'folder attic has no place'
planted arrows src/base/planted.c '#include "status.h"' 'include by folder path'

clean arrows
