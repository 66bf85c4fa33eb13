package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/qwenvld/qwenvld/hub"
)

// Watcher is told how a download goes; either function may be nil.
type Watcher struct {
	// Progress is told how many bytes are there.
	Progress func(done int64)
	// Note is told what went wrong, where the download goes on nevertheless.
	Note func(text string)
}

// Download writes f into the file at path, going on after what is there already, which counts only by its hash. When it
// returns nil, all is there, is what the hub says, and is on the disk; after an error what has come stays, unless it is
// wrong. Nobody else may write the file.
func (c *Client) Download(ctx context.Context, s hub.Source, commit string, f hub.File, path string, w Watcher) (err error) {
	// A link in place of the file would have us write elsewhere.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644) //nolint:gosec // others of this machine may read models
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	d := &download{client: c, source: s, url: c.URL(s, commit, f.Path), want: f, file: file, watch: w, sum: sha256.New()}
	if err := d.hashPrefix(ctx); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	// Content that is wrong may be an earlier run's fault, or the way's. It is fetched once more, as a whole.
	for range 2 {
		if err = d.run(ctx); err == nil {
			err = file.Sync()
		}
		var wrong *HashError
		if !errors.As(err, &wrong) {
			break
		}
		d.note(fmt.Sprintf("%v; fetching it anew", wrong))
		if restart := d.restart(); restart != nil {
			return fmt.Errorf("%s: %w", f.Path, restart)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return nil
}

// download is one file on its way.
type download struct {
	client *Client
	source hub.Source
	url    string
	want   hub.File
	file   *os.File
	watch  Watcher
	sum    hash.Hash // of the first done bytes
	done   int64
	anew   int // how often it has begun anew
}

// maxAnew bounds how often a download begins anew: a server that contradicts itself after every beginning would keep it
// for ever.
const maxAnew = 5

func (d *download) note(text string) {
	if d.watch.Note != nil {
		d.watch.Note(text)
	}
}

func (d *download) progress() {
	if d.watch.Progress != nil {
		d.watch.Progress(d.done)
	}
}

// hashPrefix takes over what an earlier run has left.
func (d *download) hashPrefix(ctx context.Context) error {
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() > d.want.Size {
		return d.restart()
	}
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := d.file.Read(buf)
		d.sum.Write(buf[:n])
		d.done += int64(n)
		if errors.Is(err, io.EOF) {
			d.progress()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// restart forgets all that has come.
func (d *download) restart() error {
	if d.anew++; d.anew > maxAnew {
		return &finalError{errors.New("the server contradicts itself again and again")}
	}
	d.sum.Reset()
	d.done = 0
	if err := d.file.Truncate(0); err != nil {
		return &finalError{err}
	}
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return &finalError{err}
	}
	return nil
}

// run fetches what is missing and checks the whole.
func (d *download) run(ctx context.Context) error {
	err := d.client.persist(ctx, d.client.o.Tries, d.note, func() (bool, error) {
		before := d.done
		err := d.once(ctx)
		return d.done > before, err
	})
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.want.SHA256 {
		return &HashError{Path: d.want.Path, Got: got, Want: d.want.SHA256}
	}
	return nil
}

// once asks for the rest and writes what comes.
func (d *download) once(ctx context.Context) error {
	if d.done == d.want.Size {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.client.o.Stall, func() { cancel(errStalled) })
	defer stall.Stop()
	resp, err := d.client.get(ctx, d.source.Host, d.url, d.done)
	if err != nil {
		return d.refused(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := d.place(resp); err != nil {
		return err
	}
	buf := make([]byte, 256<<10)
	for {
		n, err := resp.Body.Read(buf)
		stall.Reset(d.client.o.Stall)
		if d.done+int64(n) > d.want.Size {
			// The beginning may be the file nevertheless, but a hub that says two sizes of it is not to be trusted with
			// the rest.
			if err := d.restart(); err != nil {
				return err
			}
			return fmt.Errorf("more came than the %d bytes that the hub says", d.want.Size)
		}
		if _, werr := d.file.Write(buf[:n]); werr != nil {
			return &finalError{werr}
		}
		d.sum.Write(buf[:n])
		d.done += int64(n)
		if n > 0 {
			d.progress()
		}
		switch {
		case errors.Is(err, io.EOF) && d.done == d.want.Size:
			return nil
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the transfer ended at byte %d of %d", d.done, d.want.Size)
		case err != nil:
			return cause(ctx, err)
		}
	}
}

// cause is why ctx ended, where it did, and else err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// refused treats a server that has nothing after what is here: its file is shorter than what the hub says, or changed.
func (d *download) refused(ctx context.Context, err error) error {
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusRequestedRangeNotSatisfiable && d.done > 0 {
		if err := d.restart(); err != nil {
			return err
		}
		return errors.New("the server has nothing after what has come")
	}
	return cause(ctx, err)
}

var contentRange = regexp.MustCompile(`^bytes (\d+)-\d+/(\d+|\*)$`)

// place makes sure that what follows belongs behind what is here. No ETag is needed for that: the hash of the whole
// decides.
func (d *download) place(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		if d.done > 0 {
			d.note("the server begins anew")
			return d.restart()
		}
		return nil
	}
	m := contentRange.FindStringSubmatch(resp.Header.Get("Content-Range"))
	if m == nil {
		return fmt.Errorf("the server sends a part and says %q of it", resp.Header.Get("Content-Range"))
	}
	if at, err := strconv.ParseInt(m[1], 10, 64); err != nil || at != d.done {
		return fmt.Errorf("the server sends from byte %s on, asked for was %d", m[1], d.done)
	}
	if total, err := strconv.ParseInt(m[2], 10, 64); err == nil && total != d.want.Size {
		if err := d.restart(); err != nil {
			return err
		}
		return fmt.Errorf("the server's file has %d bytes, the hub says %d", total, d.want.Size)
	}
	return nil
}
