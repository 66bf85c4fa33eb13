package main

import (
	"cmp"
	"log/slog"
	"os"
	"sync"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/worker"
	"github.com/qwenvld/qwenvld/internal/tempdir"
)

const (
	// rowsPrefix begins the names of folders for rows of pictures that go with a daemon, in that of temporary files.
	rowsPrefix = "qwenvld-rows-"
	// passingRows and lastingRows are how many bytes a folder has by default that goes with the daemon, or stays.
	passingRows = 256 << 20
	lastingRows = 4 << 30
)

// rowFolder is the folder in which the workers of a daemon share rows of pictures, unless the configuration names one.
// It is made when it is needed.
type rowFolder struct {
	parent string // empty for the system's folder of temporary files

	mu  sync.Mutex
	dir *tempdir.Dir
}

// share tells a worker of m which folder it shares. Without r it is one that the configuration names.
func (r *rowFolder) share(m *config.Model, c *worker.Config, logger *slog.Logger) {
	e := &m.Engine
	if c.Projector == "" {
		return
	}
	switch e.VisionFolder {
	case config.FolderOff:
	case "", config.FolderAuto:
		if r != nil && alikeTowers(m) {
			c.RowFolder, c.RowFolderBytes = r.path(logger), cmp.Or(e.VisionFolderBytes, passingRows)
			// Where the variants take turns in memory, the other one is not there while this one encodes.
			c.RowFolderLasts = m.Residency == config.ResidentOne || m.Residency == config.ResidentLazy
		}
	default:
		c.RowFolder, c.RowFolderBytes, c.RowFolderLasts = e.VisionFolder, cmp.Or(e.VisionFolderBytes, lastingRows), true
	}
}

// alikeTowers reports whether both variants of m may have the same tower. Whether they have, the workers find out, who
// read the weights.
func alikeTowers(m *config.Model) bool {
	size := func(path string) int64 {
		info, err := os.Stat(path)
		if path == "" || err != nil {
			return -1
		}
		return info.Size()
	}
	instruct := size(m.Instruct.Projector)
	return instruct >= 0 && instruct == size(m.Thinking.Projector)
}

// path makes the folder. It is empty where that is not possible: the workers encode for themselves then.
func (r *rowFolder) path(logger *slog.Logger) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dir == nil {
		dir, err := tempdir.New(r.parent, rowsPrefix)
		if err != nil {
			logger.Warn("workers do not share rows of pictures", "error", err)
			return ""
		}
		r.dir = dir
	}
	return r.dir.Path
}

// close removes the folder, after the workers have gone.
func (r *rowFolder) close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dir == nil {
		return nil
	}
	return r.dir.Close()
}
