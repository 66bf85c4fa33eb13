package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qwenvld/qwenvld/api/history"
	"github.com/qwenvld/qwenvld/config"
)

func TestResponsesAreKeptWhereTheConfigurationSays(t *testing.T) {
	ctx, file := t.Context(), filepath.Join(t.TempDir(), "r.db")
	for _, c := range []struct {
		path        string
		none, stays bool
	}{{path: config.ResponsesOff, none: true}, {path: config.ResponsesInMemory}, {path: file, stays: true}} {
		o := &config.Responses{Path: c.path, Bytes: 1 << 20}
		s, err := openStore(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		if (s == nil) != c.none {
			t.Errorf("%s: a store of %T", c.path, s)
		}
		if s == nil {
			continue
		}
		r := &history.Response{ID: "x", Created: time.Unix(1, 0), Input: []byte("[]"), Body: []byte("{}")}
		if err := s.Put(ctx, r); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s, err = openStore(ctx, o); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(ctx, "", "x"); (err == nil) != c.stays {
			t.Errorf("%s, opened anew: %v", c.path, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if s, err := openStore(ctx, &config.Responses{Path: filepath.Join(file, "below a file")}); err == nil || s != nil {
		t.Errorf("%v %v", s, err)
	}
}

func TestOldResponsesAreForgottenFromTimeToTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keep = 3 * time.Hour
		s := history.NewMemory(0)
		put := func(id string) {
			if err := s.Put(t.Context(), &history.Response{ID: id, Created: time.Now()}); err != nil {
				t.Error(err)
			}
		}
		put("old")
		go expire(t.Context(), s, keep, slog.New(slog.DiscardHandler))
		time.Sleep(keep / 2)
		put("new")
		time.Sleep(keep/2 + time.Hour)
		synctest.Wait()
		if _, err := s.Get(t.Context(), "", "old"); !errors.Is(err, history.ErrNotFound) {
			t.Errorf("the old one: %v", err)
		}
		if _, err := s.Get(t.Context(), "", "new"); err != nil {
			t.Errorf("the new one: %v", err)
		}
	})
}

// healing counts how often it is tried.
type healing struct{ tries atomic.Int64 }

func (h *healing) Heal(context.Context) error { h.tries.Add(1); return nil }

func TestAStoreIsTriedFromTimeToTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &healing{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { heal(ctx, h); close(done) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := h.tries.Load(); n < 3 {
			t.Errorf("tried %d times in a minute", n)
		}
		cancel()
		<-done
	})
}
