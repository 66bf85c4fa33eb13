// Lists what images are made of, kept out of the daemon's own go.mod.
module github.com/qwenvld/qwenvld/tools/inventory

go 1.26.0

require github.com/google/licensecheck v0.3.1
