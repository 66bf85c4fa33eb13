package tracing

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// answers is a Transport that gives one status after the other, and then the last one.
type answers struct {
	statuses []int
	asked    atomic.Int32
}

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	n := int(a.asked.Add(1))
	w := httptest.NewRecorder()
	if n == 2 {
		w.Header().Set("Retry-After", "7")
	}
	w.WriteHeader(a.statuses[min(n, len(a.statuses))-1])
	return w.Result(), nil
}

func TestAReceiverThatIsBusyIsAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		asked    int32
		took     time.Duration
		fails    bool
	}{
		"it takes them":       {[]int{200}, 1, 0, false},
		"it refuses them":     {[]int{400}, 1, 0, true},
		"it is busy at first": {[]int{503, 429, 200}, 3, firstPause + 7*time.Second, false},
		"it stays busy":       {[]int{503}, attempts, firstPause + 7*time.Second + 4*firstPause, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			to := &answers{statuses: c.statuses}
			client := &client{gone: t.Context(), http: &http.Client{Transport: to}, endpoint: "http://collector/v1/traces"}
			begun := time.Now()
			err := client.UploadTraces(t.Context(), nil)
			if (err != nil) != c.fails || to.asked.Load() != c.asked || time.Since(begun) != c.took {
				t.Errorf("%s: asked %d times in %s: %v", name, to.asked.Load(), time.Since(begun), err)
			}
		})
	}
}

func TestSpansThatWereNotTakenAreAnError(t *testing.T) {
	partial := func(rejected uint64) []byte {
		inner := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), rejected)
		inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), "too old")
		return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), inner)
	}
	if err := rejected(partial(3)); err == nil || err.Error() != "the receiver did not take 3 spans: too old" {
		t.Error(err)
	}
	for _, reply := range [][]byte{nil, {}, partial(0)} {
		if err := rejected(reply); err != nil {
			t.Errorf("%x: %v", reply, err)
		}
	}
}

func FuzzRepliesOfReceivers(f *testing.F) {
	f.Add([]byte{0x0a, 4, 8, 3, 18, 0})
	f.Add([]byte("<html>"))
	f.Fuzz(func(_ *testing.T, reply []byte) { _ = rejected(reply) })
}
