#!/bin/sh
# Requests from the server's specification, right ones and wrong ones: no answer is a 5xx, and all are as they
# are specified. Streams, which do not end, and requests that wait for results of any length are left out.
#
#     python3 -m venv /tmp/schemathesis && /tmp/schemathesis/bin/pip install schemathesis
#     ./mfm serve --port 8088 --folder /tmp/fuzzed --max-frames 17 --max-pixels 4096 &
#     bench/server/schemathesis.sh http://127.0.0.1:8088 /tmp/schemathesis/bin/schemathesis [examples, 50]
exec "$2" run "$1/openapi.json" --url "$1" --max-examples "${3:-50}" --request-timeout 30 --seed 1 \
  --exclude-path-regex '/sync$|/events$|/v1/images|/load$' \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
