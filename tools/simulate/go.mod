module github.com/qwenvld/qwenvld/tools/simulate

go 1.26.0

require github.com/qwenvld/qwenvld v0.0.0

require github.com/cespare/xxhash/v2 v2.3.0 // indirect

replace github.com/qwenvld/qwenvld => ../..
