// Package deps keeps modules in go.mod while their users are being written.
package deps

import (
	_ "code.dny.dev/ssrf"
	_ "github.com/go-chi/chi/v5"
	_ "github.com/go-chi/chi/v5/middleware"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/nikolalohinski/gonja/v2/exec"
	_ "github.com/ollama/ollama/llama/llama.cpp/src"
	_ "github.com/pb33f/libopenapi"
	_ "github.com/pb33f/libopenapi-validator"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/rogpeppe/go-internal/txtar"
	_ "github.com/santhosh-tekuri/jsonschema/v6"
	_ "github.com/spf13/cobra"
	_ "github.com/spf13/pflag"
	_ "github.com/spf13/viper"
	_ "github.com/tmaxmax/go-sse"
	_ "go.uber.org/goleak"
	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/text/unicode/norm"
	_ "pgregory.net/rapid"
)
