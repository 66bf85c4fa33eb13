// Package llama is the only cgo of the project: it loads GGUF weights with libllama, decodes batches of token rows and
// of embedding rows with four position streams, and runs the Qwen3-VL vision tower as a ggml graph of its own.
//
// It does not schedule, sample, render prompts or know of requests; engine/worker does. It must never be linked into
// the process that faces the network, because ggml ends the process on internal errors.
//
// Ownership: every C pointer belongs to exactly one Go value (Model, Context, Batch, Vision), whose Close frees it and
// may be called twice. A Context must be closed before its Model. C keeps no Go pointer: buffers that outlive a call
// are allocated by C.
//
// Threads: Model is safe for concurrent use after loading. Context, Batch and Vision are for one goroutine at a time,
// except Context.Abort. llama.cpp's logger is global, so the logger of the last LoadModel or LoadVision gets its lines.
package llama

// The link .deps/ollama leads to the module's directory; `make` lays it.

// #cgo CPPFLAGS: -I${SRCDIR}/../../.deps/ollama/llama/llama.cpp/include
// #cgo CPPFLAGS: -I${SRCDIR}/../../.deps/ollama/llama/llama.cpp/src
// #cgo CPPFLAGS: -I${SRCDIR}/../../.deps/ollama/ml/backend/ggml/ggml/include
// #cgo CPPFLAGS: -I${SRCDIR}/../../.deps/ollama/ml/backend/ggml/ggml/src
// #cgo CXXFLAGS: -std=c++17
import "C"

import (
	// libllama and ggml themselves.
	_ "github.com/ollama/ollama/llama/llama.cpp/src"
)
