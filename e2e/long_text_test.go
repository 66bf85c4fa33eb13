package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// send posts JSON and returns the status with the reply.
func send(ctx context.Context, t *testing.T, url string, in any) (status int, reply []byte, err error) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	reply, err = io.ReadAll(resp.Body)
	return resp.StatusCode, reply, err
}

func chatOf(variant, text string) map[string]any {
	return map[string]any{
		"model": "qwen3-vl-" + variant, "max_tokens": 64, "messages": []any{map[string]any{"role": "user", "content": text}},
	}
}

// One request with a long run of a letter ended the model process, and the next one's with it.
func TestALongRunOfOneLetterIsAnOrdinaryPrompt(t *testing.T) {
	d := serve(t)
	for _, variant := range []string{"instruct", "thinking"} {
		for _, unit := range []string{"a", " ", "-"} {
			status, reply, err := send(timeout(t, time.Minute), t, d.url+"/v1/chat/completions", chatOf(variant, strings.Repeat(unit, 40_000)))
			// Runs that pair encoding makes short fit into the context.
			tooLong := status == http.StatusBadRequest && strings.Contains(string(reply), "context_length_exceeded")
			if err != nil || status != http.StatusOK && !tooLong {
				t.Errorf("%s, %q: %d %.300s, %v", variant, unit, status, reply, err)
			}
			var out struct{ Count int }
			call(t, d.url+"/tokenize", map[string]any{"content": strings.Repeat(unit, 40_000)}, &out)
			if out.Count == 0 {
				t.Errorf("%q has no tokens", unit)
			}
		}
		if status, reply, err := send(timeout(t, time.Minute), t, d.url+"/v1/chat/completions", chatOf(variant, "hi")); status != http.StatusOK {
			t.Errorf("the next request: %d %.300s, %v", status, reply, err)
		}
	}
}

// Bodies up to the limit are refused by their size where they cannot fit, whoever asks, and keep nobody waiting.
func TestAPromptOfManyMegabytesIsRefusedUnread(t *testing.T) {
	d := serve(t)
	text := strings.Repeat("words and ", 5<<20)
	chat := chatOf("instruct", text)
	for path, body := range map[string]any{
		"/v1/chat/completions": chat, "/v1/chat/completions/input_tokens": chat, "/v1/messages": chat,
		"/tokenize": map[string]any{"content": text}, "/v1/completions": map[string]any{"model": "qwen3-vl-instruct", "prompt": text, "max_tokens": 3},
	} {
		status, reply, err := send(timeout(t, time.Minute), t, d.url+path, body)
		if err != nil || status != http.StatusBadRequest || !strings.Contains(string(reply), "context_length_exceeded") || !strings.Contains(string(reply), "more than") {
			t.Errorf("%s: %d %.300s, %v", path, status, reply, err)
		}
	}
	leave, cancel := context.WithCancel(timeout(t, time.Minute))
	gone := make(chan error, 3)
	for range cap(gone) {
		go func() {
			_, _, err := send(leave, t, d.url+"/v1/chat/completions", chatOf("instruct", text[:16<<20]))
			gone <- err
		}()
	}
	cancel()
	for range cap(gone) {
		if err := <-gone; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if status, reply, err := send(timeout(t, time.Minute), t, d.url+"/v1/chat/completions", chatOf("instruct", "hi")); status != http.StatusOK {
		t.Errorf("the next request: %d %.300s, %v", status, reply, err)
	}
}
