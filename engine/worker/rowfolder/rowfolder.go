// Package rowfolder keeps rows of pictures in a folder, so that several workers with equal vision towers encode a
// picture once for all of them, and a worker finds again what an earlier one has encoded.
//
// Nobody but its user can read the folder. A file has its name once it is whole, and is checked when it is read: a
// worker that is killed, or a full disk, leaves nothing that anybody takes for rows. The bytes are bounded over all
// workers that use the folder. What was used longest ago goes first.
//
// It must not know what pictures show or who asked for them, and keeps no rows in memory.
package rowfolder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/qwenvld/qwenvld/engine/worker/rowcache"
)

// Tower names all that rows depend on but the picture: the tower's weights, and how it computes.
type Tower [sha256.Size]byte

// Options say which folder it is.
type Options struct {
	// Path of a folder, which is made where there is none. The rows lie in one below it.
	Path string
	// MaxBytes bound its files.
	MaxBytes int64
	// Lasts says that rows are of use after all who use the folder have gone. Otherwise they are written only while
	// another worker has the same tower.
	Lasts bool
}

// Folder is one that is in use. It is safe for concurrent use.
type Folder struct {
	path  string
	tower Tower
	most  int64
	lasts bool
	// claims has a byte for each picture, which is locked by who encodes it, and one for each tower, which all who have
	// it lock together.
	claims *os.File
}

const (
	// below is the folder in Options.Path. Its name goes with the form of the files.
	below = "rows-1"
	// suffix ends the names of rows, incoming is what one is called until it is whole.
	suffix   = ".rows"
	incoming = "incoming"
	// writing is a file that is locked by who writes or removes files.
	writing = "writing"
	// poll is how often a lock is tried that somebody else has.
	poll = 20 * time.Millisecond
	// patience is how long rows that are to be written wait for others. Whoever is stopped in the middle of writing
	// keeps nobody for longer.
	patience = 2 * time.Second
)

// Open begins to use a folder for the rows of a tower.
func Open(o Options, tower Tower) (_ *Folder, err error) {
	f := &Folder{path: filepath.Join(o.Path, below), tower: tower, most: o.MaxBytes, lasts: o.Lasts}
	if err := f.private(); err != nil {
		return nil, fmt.Errorf("folder of rows: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	if f.claims, err = f.lockFile("claims"); err != nil {
		return nil, fmt.Errorf("folder of rows: %w", err)
	}
	return f, f.join()
}

// private makes the folder, or checks that it is this user's own and nobody else's.
func (f *Folder) private() error {
	const rwx = 0o700
	if err := os.MkdirAll(filepath.Dir(f.path), rwx); err != nil {
		return err
	}
	if err := os.Mkdir(f.path, rwx); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(f.path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&^os.FileMode(rwx) != 0 || ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%q must be a folder of this user that no other can enter (chmod 700)", f.path)
	}
	return nil
}

func (f *Folder) lockFile(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(f.path, name), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600) //nolint:gosec // in a folder of ours
}

// Close ends the use of the folder, and gives up all claims.
func (f *Folder) Close() error {
	if f.claims == nil {
		return nil
	}
	return f.claims.Close()
}

// name is what the rows of a picture are called.
func (f *Folder) name(k rowcache.Key) Name {
	return sha256.Sum256(append(f.tower[:len(f.tower):len(f.tower)], k[:]...))
}

// Name is a picture as a tower sees it.
type Name [sha256.Size]byte

func (f *Folder) file(n Name) string { return filepath.Join(f.path, hex.EncodeToString(n[:])+suffix) }

// Find gives the rows of a picture where they are there. Otherwise the caller is to encode the picture: release must
// be called when its rows are saved, or will not be, and until then others wait for them. While another worker encodes
// it, busy is called once and Find waits; it fails when ctx is done.
func (f *Folder) Find(ctx context.Context, k rowcache.Key, busy func()) (rows *rowcache.Rows, release func(), err error) {
	n := f.name(k)
	var again *time.Ticker
	for {
		if rows := f.load(n); rows != nil {
			return rows, nil, nil
		}
		if release, ok := f.claim(n); ok {
			// It may have been saved between the two.
			if rows := f.load(n); rows != nil {
				release()
				return rows, nil, nil
			}
			return nil, release, nil
		}
		if again == nil {
			busy()
			again = time.NewTicker(poll)
			defer again.Stop()
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// load reads the rows of a picture, nil where they are not there. What is no good is removed.
func (f *Folder) load(n Name) *rowcache.Rows {
	file, err := os.OpenFile(f.file(n), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > f.most {
		return nil
	}
	data := make([]byte, info.Size())
	rows := (*rowcache.Rows)(nil)
	if _, err = io.ReadFull(file, data); err == nil {
		rows, err = decode(n, data)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(file.Name(), now, now) // where it fails, they go earlier than they might
	return rows
}
