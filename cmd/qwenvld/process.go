package main

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/process"
	"github.com/qwenvld/qwenvld/internal/memlimit"
	"github.com/qwenvld/qwenvld/internal/tempdir"
)

// clearLeftovers removes the temporary folders of daemons that were killed, of which some lie in parent.
func clearLeftovers(parent string, logger *slog.Logger) {
	n, err := tempdir.Clear(process.SocketFolder(), process.DirPrefix)
	more, err2 := tempdir.Clear(parent, rowsPrefix)
	n += more
	if err = errors.Join(err, err2); err != nil {
		logger.Warn("temporary folders of an earlier run stay", "error", err)
	} else if n > 0 {
		logger.Info("cleared temporary folders of an earlier run", "count", n)
	}
}

// limitMemory has the garbage collector keep this process within its part of the memory.
func limitMemory(c *config.Config, logger *slog.Logger) {
	limit := c.MemoryLimit
	if limit == 0 && debug.SetMemoryLimit(-1) == math.MaxInt64 { // else GOMEMLIMIT has set it
		// Most of the group's memory is for the workers, which hold the weights.
		const share = 4
		limit = memlimit.OfGroup(os.DirFS("/")) / share
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit)
		logger.Debug("memory limit of the garbage collector", "bytes", limit)
	}
}
