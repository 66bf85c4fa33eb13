#!/usr/bin/env bash
# Runs foreign clients against bin/qwenvld with the built-in pair and prints a table. The SDKs come from PyPI and npm.
set -euo pipefail
cd "$(dirname "$0")"
work=../../.deps/conformance
mkdir -p "$work"
[[ -x $work/venv/bin/python ]] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
# Two folders below the root, as the script expects of itself.
cp package.json openai_node.mjs "$work/"
npm install --prefix "$work" --silent --no-audit --no-fund >&2

port=${PORT:-8193}
export QWENVLD_URL=http://127.0.0.1:$port LITELLM_LOCAL_MODEL_COST_MAP=True LANGCHAIN_TRACING_V2=false
XDG_CACHE_HOME=$work/cache ../../bin/qwenvld serve --listen "127.0.0.1:$port" >"$work/serve.log" 2>&1 &
server=$!
trap 'kill $server; wait $server' EXIT
for _ in $(seq 120); do
	curl -fs "$QWENVLD_URL/health/ready" >/dev/null && break
	sleep 0.5
done

status=0
echo "| client | case | result |"
echo "| --- | --- | --- |"
"$work/venv/bin/python" openai_python.py 2>>"$work/errors.log" || status=1
"$work/venv/bin/python" others.py 2>>"$work/errors.log" || status=1
NODE_PATH=$work/node_modules node "$work/openai_node.mjs" 2>>"$work/errors.log" || status=1
exit $status
