package llama

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"unsafe"
)

// DeviceKind tells graphics cards from what else computes.
type DeviceKind string

// Kinds of devices.
const (
	// DiscreteGPU has memory of its own, IntegratedGPU shares the processor's.
	DiscreteGPU   DeviceKind = "gpu"
	IntegratedGPU DeviceKind = "integrated"
	Processor     DeviceKind = "cpu"
	// Accelerator helps the processor with some operations.
	Accelerator DeviceKind = "accelerator"
)

// Device is a compute device as ggml knows it.
type Device struct {
	// Name is ggml's, such as CUDA0, and Backend that of its library, such as CUDA.
	Name, Backend string
	Description   string
	Kind          DeviceKind
	// Free and Total are bytes of memory; 0 where the device has none of its own.
	Free, Total int64
}

// Devices are the compute devices of this process.
type Devices struct{ list []Device }

// OpenDevices loads the backends in folders, beside those that are compiled in, and lists all devices. Each folder is
// named after its backend, such as cuda, and holds libggml-cuda.so and the libggml-base.so.0 that it is linked to. It
// must come before the first model of the process. Faults of a driver may end the process.
func OpenDevices(folders []string, logger *slog.Logger) (*Devices, error) {
	defer sink.attach(logger)()
	var faults []error
	for _, folder := range folders {
		if err := loadBackend(folder); err != nil {
			faults = append(faults, fmt.Errorf("backend %s: %w", folder, err))
		}
	}
	return &Devices{list: devices()}, errors.Join(faults...)
}

// List returns the devices in ggml's order, in which the first of several like ones comes first.
func (d *Devices) List() []Device { return d.list }

// loadBackend loads one backend. ggml says in its log why it found no device.
func loadBackend(folder string) error {
	base := C.CString(filepath.Join(folder, "libggml-base.so.0"))
	defer C.free(unsafe.Pointer(base))
	library := C.CString(filepath.Join(folder, "libggml-"+filepath.Base(folder)+".so"))
	defer C.free(unsafe.Pointer(library))
	var text [visionErrorSize]C.char
	if reg := C.qv_load_backend(base, library, &text[0], C.size_t(len(text))); reg != nil && C.ggml_backend_reg_dev_count(reg) > 0 {
		return nil
	}
	detail := strings.Join([]string{C.GoString(&text[0]), sink.takeErrors()}, "; ")
	if detail = strings.Trim(detail, "; "); detail == "" {
		detail = "no device of its kind is there"
	}
	return &Error{Op: "load", Detail: detail}
}

// devices lists what ggml has registered.
func devices() []Device {
	var out []Device
	for i := range C.ggml_backend_dev_count() {
		dev := C.ggml_backend_dev_get(i)
		var free, total C.size_t
		C.ggml_backend_dev_memory(dev, &free, &total)
		out = append(out, Device{
			Name:        C.GoString(C.ggml_backend_dev_name(dev)),
			Backend:     C.GoString(C.ggml_backend_reg_name(C.ggml_backend_dev_backend_reg(dev))),
			Description: C.GoString(C.ggml_backend_dev_description(dev)),
			Kind:        kindOf(dev), Free: int64(free), Total: int64(total),
		})
	}
	return out
}

func kindOf(dev C.ggml_backend_dev_t) DeviceKind {
	switch C.ggml_backend_dev_type(dev) {
	case C.GGML_BACKEND_DEVICE_TYPE_GPU:
		return DiscreteGPU
	case C.GGML_BACKEND_DEVICE_TYPE_IGPU:
		return IntegratedGPU
	case C.GGML_BACKEND_DEVICE_TYPE_CPU:
		return Processor
	default:
		return Accelerator
	}
}

// deviceByName finds a device for a model or a tower; none for "".
func deviceByName(name string) (C.ggml_backend_dev_t, error) {
	if name == "" {
		return nil, nil
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if dev := C.ggml_backend_dev_by_name(text); dev != nil {
		return dev, nil
	}
	return nil, &Error{Op: "open device", Detail: fmt.Sprintf("there is no device %q", name)}
}

// memoryOf says in a few words how much memory a device has, for errors.
func memoryOf(dev C.ggml_backend_dev_t) string {
	var free, total C.size_t
	C.ggml_backend_dev_memory(dev, &free, &total)
	const mib = 1 << 20
	return fmt.Sprintf("%s has %d of %d MiB free", C.GoString(C.ggml_backend_dev_name(dev)), free/mib, total/mib)
}
