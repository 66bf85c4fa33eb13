package responses

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/history"
)

const inBackground = `{"input":"hi","background":true}`

// failingStore fails like a store whose disk is lost, as long as it is broken.
type failingStore struct {
	*history.Memory

	mu     sync.Mutex
	broken bool
	watch  func(error)
}

var _ history.Store = (*failingStore)(nil)

func (f *failingStore) set(broken bool) {
	f.mu.Lock()
	f.broken = broken
	f.mu.Unlock()
	var trouble error
	if broken {
		trouble = errors.New("no disk")
	}
	f.watch(trouble)
}

func (f *failingStore) use() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return history.ErrUnavailable
	}
	return nil
}

func (f *failingStore) Watch(watch func(error)) { f.watch = watch }

func (f *failingStore) Put(ctx context.Context, r *history.Response) error {
	if err := f.use(); err != nil {
		return err
	}
	return f.Memory.Put(ctx, r)
}

func (f *failingStore) Update(ctx context.Context, r *history.Response) error {
	if err := f.use(); err != nil {
		return err
	}
	return f.Memory.Update(ctx, r)
}

func (f *failingStore) Get(ctx context.Context, owner, id string) (*history.Response, error) {
	if err := f.use(); err != nil {
		return nil, err
	}
	return f.Memory.Get(ctx, owner, id)
}

func (f *failingStore) GetBounded(ctx context.Context, owner, id string, maxBytes int64) (*history.Response, error) {
	if err := f.use(); err != nil {
		return nil, err
	}
	return f.Memory.GetBounded(ctx, owner, id, maxBytes)
}

func (f *failingStore) Delete(ctx context.Context, owner, id string) error {
	if err := f.use(); err != nil {
		return err
	}
	return f.Memory.Delete(ctx, owner, id)
}

// A client that loses its connection reads on where it was, and the answer is the whole one.
func TestABackgroundResponseIsReadOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, history.NewMemory(0))
		s.engine.Hold = make(chan struct{})
		s.engine.Events = answer("a", "b", "c")
		ctx, leave := context.WithCancel(t.Context())
		begun := httptest.NewRecorder()
		left := make(chan struct{})
		go func() {
			defer close(left)
			s.mux.ServeHTTP(begun, s.request(http.MethodPost, "/v1/responses", `{"input":"hi","background":true,"stream":true}`).WithContext(ctx))
		}()
		s.engine.Hold <- struct{}{}
		synctest.Wait()
		leave()
		<-left
		seen := readEvents(t, begun.Body)
		var kinds []string
		for _, ev := range seen {
			kinds = append(kinds, strings.TrimPrefix(ev.Type, "response."))
		}
		const want = "created queued in_progress output_item.added content_part.added output_text.delta"
		if got := strings.Join(kinds, " "); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		id := seen[0].Response.ID
		if now := s.get(id).response(); now.Status != StatusInProgress {
			t.Errorf("%s while in the making", now.Status)
		}
		at := fmt.Sprintf("%s?stream=true&starting_after=%d", id, seen[len(seen)-1].Sequence)
		close(s.engine.Hold)
		live := s.get(at)
		if err := s.handler.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again := s.get(at); again.Body.String() != live.Body.String() {
			t.Errorf("kept events differ:\n%s\n%s", again.Body, live.Body)
		}
		text := *seen[len(seen)-1].Delta
		rest := live.events()
		for i, ev := range rest {
			if ev.Sequence != len(seen)+i {
				t.Errorf("event %d of the rest has number %d", i, ev.Sequence)
			}
			if ev.Delta != nil {
				text += *ev.Delta
			}
		}
		if text != "abc" || rest[len(rest)-1].Type != "response.completed" {
			t.Errorf("%q, ended by %s", text, rest[len(rest)-1].Type)
		}
		if now := s.get(id).response(); now.Status != StatusCompleted || now.text() != "abc" {
			t.Errorf("%+v", now)
		}
		if tokens := <-s.billed; tokens != 10 {
			t.Errorf("billed %d tokens", tokens)
		}
	})
}

func TestABackgroundResponseOutlivesItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, history.NewMemory(0))
		s.engine.Hold = make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		out := httptest.NewRecorder()
		s.mux.ServeHTTP(out, s.request(http.MethodPost, "/v1/responses", inBackground).WithContext(ctx))
		leave()
		queued := reply{t, out}.response()
		synctest.Wait()
		if queued.Status != StatusQueued || s.engine.Open() != 1 || s.bodies.Reading() != 0 {
			t.Errorf("%s, %d generations", queued.Status, s.engine.Open())
		}
		limited, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := s.handler.Wait(limited); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting ended with %v", err)
		}
		if got := s.create(`{"input":"a","previous_response_id":"` + queued.ID + `"}`); got.Code != http.StatusBadRequest {
			t.Errorf("something follows what has not ended: %s", got.Body)
		}
		close(s.engine.Hold)
		if err := s.handler.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.get(queued.ID).response(); got.text() != "Hello world" {
			t.Errorf("%+v", got)
		}
		if log := s.log.String(); !strings.Contains(log, `msg="background response"`) || !strings.Contains(log, "response="+queued.ID) ||
			!strings.Contains(log, "duration=1s") {
			t.Error(log)
		}
	})
}

func TestABackgroundResponseIsCancelled(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	s.engine.Hold = make(chan struct{}, 1)
	s.engine.Hold <- struct{}{}
	queued := s.create(inBackground).response()
	for range 2 {
		ended := s.call(http.MethodPost, "/v1/responses/"+queued.ID+"/cancel", "").response()
		if ended.Status != StatusCancelled || s.engine.Open() != 0 {
			t.Errorf("%s, %d generations open", ended.Status, s.engine.Open())
		}
	}
	events := s.get(queued.ID + "?stream=true").events()
	if last := events[len(events)-1]; last.Type != "response.incomplete" || last.Response.Status != StatusCancelled {
		t.Errorf("%+v", last)
	}
}

func TestAShutdownEndsABackgroundResponseAndKeepsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, history.NewMemory(0))
		s.engine.Hold = make(chan struct{})
		queued := s.create(inBackground).response()
		s.engine.Hold <- struct{}{}
		synctest.Wait()
		s.handler.Stop()
		s.core.Abort()
		if err := s.handler.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := s.get(queued.ID).response()
		if got.Status != StatusFailed || got.text() != "Hello" || got.Error.Code != "server_error" {
			t.Errorf("%+v", got)
		}
	})
}

func TestABackgroundResponseIsNotLostWithItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := history.NewMemory(0)
		s := newSite(t, store)
		s.engine.Hold = make(chan struct{})
		queued := s.create(inBackground).response()
		synctest.Wait()
		// As when others need the room.
		if err := store.Delete(t.Context(), "", queued.ID); err != nil {
			t.Fatal(err)
		}
		if got := s.get(queued.ID).response(); got.Status != StatusInProgress {
			t.Errorf("%+v", got)
		}
		close(s.engine.Hold)
		if err := s.handler.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.get(queued.ID).response(); got.Status != StatusCompleted {
			t.Errorf("%+v", got)
		}
	})
}

func TestABackgroundResponseThatIsDeletedStaysDeleted(t *testing.T) {
	s := newSite(t, history.NewMemory(0))
	s.engine.Hold = make(chan struct{})
	queued := s.create(inBackground).response()
	if got := s.call(http.MethodDelete, "/v1/responses/"+queued.ID, ""); got.Code != http.StatusOK {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	if err := s.handler.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.get(queued.ID); got.Code != http.StatusNotFound {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestWhatNobodyWorksOnAnyMoreHasFailed(t *testing.T) {
	store := history.NewMemory(0)
	s := newSite(t, store)
	err := store.Put(t.Context(), &history.Response{
		ID: "resp_old", Created: time.Now(), Input: []byte("[]"), Body: []byte(`{"id":"resp_old","status":"in_progress","background":true}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []reply{s.get("resp_old"), s.call(http.MethodPost, "/v1/responses/resp_old/cancel", "")} {
		if r := got.response(); r.Status != StatusFailed || r.Error == nil {
			t.Errorf("%s", got.Body)
		}
	}
}

func TestAnAnswerIsDeliveredWhenItCannotBeStored(t *testing.T) {
	store := &failingStore{Memory: history.NewMemory(0)}
	s := newSite(t, store)
	store.set(true)
	got := s.create(hi)
	r := got.response()
	if r.Status != StatusCompleted || r.Store || r.StoreError == nil || r.StoreError.Code != fault.CodeStore || got.Header().Get(HeaderStored) != "false" {
		t.Errorf("%s %v", got.Body, got.Header())
	}
	events := s.create(`{"input":"hi","stream":true}`).events()
	if last := events[len(events)-1]; last.Type != "response.completed" || last.Response.Store || last.Response.StoreError == nil {
		t.Errorf("%+v", last)
	}
	if n := s.unstored.Load(); n != 2 {
		t.Errorf("%d counted", n)
	}
	for what, got := range map[string]reply{
		"reading": s.get("resp_1"), "deleting": s.call(http.MethodDelete, "/v1/responses/resp_1", ""),
		"going on":      s.create(`{"input":"hi","previous_response_id":"resp_1"}`),
		"counting":      s.call(http.MethodPost, "/v1/responses/input_tokens", `{"input":"hi","previous_response_id":"resp_1"}`),
		"in background": s.create(inBackground), "referring": s.create(`{"input":[{"type":"item_reference","id":"msg_1_0"}]}`),
	} {
		if status, _, code := got.refusal(); status != http.StatusServiceUnavailable || code != fault.CodeStore || got.Header().Get("Retry-After") != "5" {
			t.Errorf("%s: %d %s %v", what, status, code, got.Header())
		}
	}
	store.set(false)
	if log := s.log.String(); !strings.Contains(log, "answers are given without") || !strings.Contains(log, "can be stored again") ||
		!strings.Contains(log, "stored=false") {
		t.Error(log)
	}
}

func TestAResponseLargerThanTheStoreHarmsNoOther(t *testing.T) {
	s := newSite(t, history.NewMemory(40<<10)) // of which 8 KiB are for one response
	small := s.create(hi).response()
	s.engine.Events = answer(strings.Repeat("x", 10<<10))
	large := s.create(hi).response()
	if large.Store || large.StoreError == nil || large.StoreError.Code != "response_too_large" || large.Status != StatusCompleted {
		t.Errorf("%+v", large.StoreError)
	}
	if status, _, _ := s.get(large.ID).refusal(); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
	if got := s.get(small.ID); got.Code != http.StatusOK {
		t.Errorf("the other: %d", got.Code)
	}
	tiny := newSite(t, history.NewMemory(33<<10))
	long := strings.Replace(inBackground, "hi", strings.Repeat("x", 2<<10), 1)
	if _, param, code := tiny.create(long).refusal(); param != "background" || code != fault.CodeTooLarge {
		t.Errorf("%s %s", param, code)
	}
	if tiny.engine.Open() != 0 {
		t.Error("the engine still works on a response that was refused")
	}
}

// A background response waits for a store that comes back.
func TestABackgroundResponseIsStoredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failingStore{Memory: history.NewMemory(0)}
		s := newSite(t, store)
		s.engine.Hold = make(chan struct{})
		queued := s.create(inBackground).response()
		store.set(true)
		close(s.engine.Hold)
		synctest.Wait()
		if s.handler.unstored.Load() != 1 || s.engine.Open() != 0 {
			t.Fatalf("%d wait, %d generations", s.handler.unstored.Load(), s.engine.Open())
		}
		if got := s.get(queued.ID).response(); got.Status != StatusCompleted {
			t.Errorf("%+v", got)
		}
		if events := s.get(queued.ID + "?stream=true").events(); events[len(events)-1].Type != "response.completed" {
			t.Errorf("%+v", events)
		}
		if got := s.call(http.MethodPost, "/v1/responses/"+queued.ID+"/cancel", "").response(); got.Status != StatusCompleted {
			t.Errorf("%+v", got)
		}
		if got := s.create(`{"input":"a","previous_response_id":"` + queued.ID + `"}`).response(); got.StoreError == nil {
			t.Errorf("%+v", got)
		}
		time.Sleep(3 * storeRetry) // of the bubble: it is tried in vain
		store.set(false)
		if err := s.handler.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.get(queued.ID).response(); got.Status != StatusCompleted || s.handler.unstored.Load() != 0 {
			t.Errorf("%+v", got)
		}
		if n := s.unstored.Load(); n != 2 { // it, and the one that goes on from it
			t.Errorf("%d were counted", n)
		}
	})
}

func TestABackgroundResponseThatIsNeverStoredIsGivenUp(t *testing.T) {
	for name, end := range map[string]func(*site, *Response){
		"at a shutdown": func(s *site, _ *Response) { s.handler.Stop() },
		"at last":       func(*site, *Response) {}, // the clock goes on while all wait
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &failingStore{Memory: history.NewMemory(0)}
				s := newSite(t, store)
				s.engine.Hold = make(chan struct{})
				queued := s.create(inBackground).response()
				store.set(true)
				close(s.engine.Hold)
				synctest.Wait()
				end(s, queued)
				if err := s.handler.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if log := s.log.String(); !strings.Contains(log, "a background response is lost") || !strings.Contains(log, queued.ID) {
					t.Error(log)
				}
			})
		})
	}
}
