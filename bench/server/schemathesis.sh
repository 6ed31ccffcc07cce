#!/bin/sh
# Requests from the server's specification to all of its routes, right ones and wrong ones: no answer is a 5xx,
# and all are as they are specified. It starts a server of its own and takes some minutes.
#
#     python3 -m venv /tmp/schemathesis && /tmp/schemathesis/bin/pip install schemathesis
#     bench/server/schemathesis.sh /tmp/schemathesis/bin/schemathesis [examples, 20]
cd "$(dirname "$0")/../.." || exit 1
exec node --import tsx bench/server/schemathesis.ts "$@"
