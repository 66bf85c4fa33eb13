package llama

// #include "bridge.h"
import "C"

import (
	"runtime"
	"strings"
)

// Base is the llama.cpp commit that the vendored sources are based on.
const Base = "ec98e2002"

// SystemReport tells what was compiled in and found.
type SystemReport struct {
	// Kernels are the CPU features that the kernels were compiled for, such as AVX2.
	Kernels []string
	// Devices are the compute devices found.
	Devices []string
	// Base is the llama.cpp commit.
	Base string
	// Native reports whether the CPU kernels use the vector instructions of a present-day processor.
	Native bool
	// Warning is a sentence for the operator when they do not, else empty.
	Warning string
}

// SystemInfo reports compiled kernels and devices.
func SystemInfo() SystemReport {
	sink.install()
	r := SystemReport{Base: Base}
	for i := range C.ggml_backend_dev_count() {
		dev := C.ggml_backend_dev_get(i)
		r.Devices = append(r.Devices, C.GoString(C.ggml_backend_dev_name(dev))+": "+C.GoString(C.ggml_backend_dev_description(dev)))
		if kindOf(dev) == Processor {
			r.Kernels = append(r.Kernels, features(C.ggml_backend_dev_backend_reg(dev))...)
		}
	}
	for _, k := range r.Kernels {
		r.Native = r.Native || k == "AVX2" || k == "NEON"
	}
	if !r.Native {
		r.Warning = "built without vector kernels for " + runtime.GOARCH + ": several times slower than it should be; build with make"
	}
	return r
}

// features lists a backend's flags; those with a value other than 1 keep it.
func features(reg C.ggml_backend_reg_t) []string {
	var buf [2048]C.char
	C.qv_backend_features(reg, &buf[0], C.size_t(len(buf)))
	var out []string
	for _, f := range strings.Fields(C.GoString(&buf[0])) {
		name, value, _ := strings.Cut(f, "=")
		switch value {
		case "0":
		case "1":
			out = append(out, name)
		default:
			out = append(out, f)
		}
	}
	return out
}
