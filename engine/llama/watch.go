package llama

// #include <stdlib.h>
// #include "watch.h"
import "C"

import (
	"sync"
	"time"
	"unsafe"
)

// watch stops a computation of the library's, and sees it get on. It is C memory, which the library uses meanwhile.
type watch struct{ ptr *C.qv_watch }

func newWatch() watch { return watch{(*C.qv_watch)(C.calloc(1, C.sizeof_qv_watch))} }

func (w watch) free() { C.free(unsafe.Pointer(w.ptr)) }

// stop ends the computation, and those that follow until resume.
func (w watch) stop() { C.qv_watch_stop(w.ptr, 1) }

func (w watch) resume() { C.qv_watch_stop(w.ptr, 0) }

// poll counts a beat, and says whether the computation is to stop. Cards ask nothing between the nodes of a graph, so
// that is done around each.
func (w watch) poll() (stopped bool) { return bool(C.qv_watch_poll(unsafe.Pointer(w.ptr))) }

// beats grow with every part of a computation that is done.
func (w watch) beats() uint64 { return uint64(C.qv_watch_beats(w.ptr)) }

// ReportProgress calls progress about once a second while beats grow, from a goroutine of its own. stop ends it and
// waits for it.
func ReportProgress(beats func() uint64, progress func()) (stop func()) {
	done := make(chan struct{})
	var reporting sync.WaitGroup
	reporting.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for last := uint64(0); ; {
			select {
			case <-done:
				return
			case <-tick.C:
				if now := beats(); now != last {
					last = now
					progress()
				}
			}
		}
	})
	return func() {
		close(done)
		reporting.Wait()
	}
}
