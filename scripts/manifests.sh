#!/usr/bin/env bash
# Checks what containers are described by: the compose files as docker compose would read them (tools/deployment), and the manifests of
# deploy/kubernetes with kubeconform, in which no field may be unknown. It needs Go and python3 with pip. Schemas come from PyPI
# (kubernetes-validate) and that of KEDA's kind from its Go module, into .deps/kubernetes, once.
set -euo pipefail
cd "$(dirname "$0")/.."

kubernetes=1.37.0 keda=v2.21.0 kubeconform=v0.8.0
dir=$PWD/.deps/kubernetes
if [[ $(cat "$dir/versions" 2>/dev/null) != "$kubernetes $keda" ]]; then
	echo "fetching schemas"
	rm -rf "$dir"
	mkdir -p "$dir/schemas"
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --target "$dir/python" "kubernetes-validate==$kubernetes" pyyaml
	cp "$dir/python/kubernetes_validate/kubernetes-json-schema/v$kubernetes-local-strict"/*.json "$dir/schemas/"
	# They name each other by addresses of the server that they were made for.
	sed -i -e 's|"/api/_definitions.json|"_definitions.json|' -e 's|"$id": "https:|"x-id": "https:|' "$dir/schemas"/*.json
	module=$(GOFLAGS=-mod=mod go mod download -json "github.com/kedacore/keda/v2@$keda" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	PYTHONPATH=$dir/python python3 - "$module/config/crd/bases/keda.sh_scaledobjects.yaml" "$dir/schemas/scaledobject-keda-v1alpha1.json" <<-'SCHEMA'
		import json, sys, yaml

		def strict(schema):
		    if isinstance(schema, dict):
		        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
		            schema.setdefault("additionalProperties", False)
		        for part in schema.values():
		            strict(part)
		    elif isinstance(schema, list):
		        for part in schema:
		            strict(part)
		    return schema

		with open(sys.argv[1]) as f:
		    version = next(v for v in yaml.safe_load(f)["spec"]["versions"] if v["name"] == "v1alpha1")
		schema = strict(version["schema"]["openAPIV3Schema"])
		schema["properties"]["metadata"] = {"type": "object"}
		with open(sys.argv[2], "w") as f:
		    json.dump(schema, f)
	SCHEMA
	rm -rf "$dir/python"
	echo "$kubernetes $keda" >"$dir/versions"
fi
go run "github.com/yannh/kubeconform/cmd/kubeconform@$kubeconform" -strict -summary -verbose \
	-schema-location "$dir/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" deploy/kubernetes
go -C tools/deployment test -count=1 ./...
