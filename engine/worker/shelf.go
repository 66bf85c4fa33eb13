package worker

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/qwenvld/qwenvld/engine/gguf"
	"github.com/qwenvld/qwenvld/engine/llama"
	"github.com/qwenvld/qwenvld/engine/worker/compute"
	"github.com/qwenvld/qwenvld/engine/worker/rowfolder"
)

var _ compute.Shelf = (*rowfolder.Folder)(nil)

// openShelf opens the folder that rows of pictures are shared in, beside what else is loaded: the tower's weights are
// read once more for its name. The result waits for that. It is nil where there is no folder, or none that can be used.
func (w *weights) openShelf(ctx context.Context, logger *slog.Logger) (opened func() *rowfolder.Folder) {
	c := &w.config
	if c.RowFolder == "" || w.vision == nil {
		return func() *rowfolder.Folder { return nil }
	}
	how := fmt.Sprint(w.vision.Device(), llama.SystemInfo().Kernels)
	done := make(chan *rowfolder.Folder, 1)
	go func() {
		var folder *rowfolder.Folder
		tower, err := towerOf(ctx, c.Projector, how)
		if err == nil {
			folder, err = rowfolder.Open(rowfolder.Options{Path: c.RowFolder, MaxBytes: c.RowFolderBytes, Lasts: c.RowFolderLasts}, tower)
		}
		if err != nil && ctx.Err() == nil {
			logger.Warn("rows of pictures are not shared with other workers", "error", err)
		}
		done <- folder
	}()
	return func() *rowfolder.Folder { return <-done }
}

// rowsAre is part of a tower's name. It changes with whatever changes the rows that towers make.
const rowsAre = "1"

// towerOf names the tower of a projector by its weights and by how it is computed. What the file says of itself, such
// as its name, does not count.
func towerOf(ctx context.Context, projector, how string) (tower rowfolder.Tower, err error) {
	header, err := gguf.Read(projector)
	if err != nil {
		return tower, err
	}
	file, err := os.Open(projector) //nolint:gosec // the operator's own file
	if err != nil {
		return tower, err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(header.Start, io.SeekStart); err != nil {
		return tower, err
	}
	h := sha256.New()
	digest := header.Digest("clip.")
	_, _ = fmt.Fprintf(h, "%s %q %x\n", rowsAre, how, digest) // a hash takes all
	if _, err := io.CopyBuffer(h, reading{ctx, file}, make([]byte, 1<<20)); err != nil {
		return tower, fmt.Errorf("%q: %w", projector, err)
	}
	return rowfolder.Tower(h.Sum(nil)), nil
}

// reading ends with its context.
type reading struct {
	ctx  context.Context //nolint:containedctx // a reader has no other way to be given one
	from io.Reader
}

// Read implements io.Reader.
func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}
