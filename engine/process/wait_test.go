package process

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

// eventually waits for ok, which other processes bring about.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	const often, patience = 5 * time.Millisecond, 20 * time.Second
	look := time.NewTicker(often)
	defer look.Stop()
	for late := time.After(patience); !ok(); {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it did not happen in %v", patience)
		}
	}
}

func mustJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
