package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// TestKeysAreRotatedWhileAnswersAreWritten exchanges a key under a stream, then writes nonsense.
func TestKeysAreRotatedWhileAnswersAreWritten(t *testing.T) {
	keys := func(names ...string) string {
		out := "keys:\n"
		for _, name := range names {
			hash := sha256.Sum256([]byte("sk-" + name))
			out += fmt.Sprintf("  - {name: %s, sha256: %q}\n", name, hex.EncodeToString(hash[:]))
		}
		return out
	}
	file := write(t, t.TempDir(), "q.yaml", keys("old")+"public: true\n")
	d := serve(t, "--config", file)
	d.client = openai.NewClient(option.WithBaseURL(d.url+"/v1"), option.WithAPIKey("sk-old"))
	status := func(key string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/v1/models", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer sk-"+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if old, next := status("old"), status("new"); old != http.StatusOK || next != http.StatusUnauthorized {
		t.Fatalf("before: %d, %d", old, next)
	}
	stream := begin(t, d, "qwen3-vl-instruct", 300)
	if err := os.WriteFile(file, []byte(keys("new")+"public: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.signal(syscall.SIGHUP)
	eventually(t, func() bool { return status("new") == http.StatusOK })
	if got := status("old"); got != http.StatusUnauthorized {
		t.Errorf("the old key gives %d", got)
	}
	if err := finish(stream); err != nil {
		t.Errorf("the stream that was begun with the old key: %v", err)
	}
	if err := os.WriteFile(file, []byte("keys: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.signal(syscall.SIGHUP)
	eventually(t, func() bool { return strings.Contains(d.logs(), "stays as it was") })
	if got := status("new"); got != http.StatusOK {
		t.Errorf("after a file with mistakes: %d", got)
	}
}
