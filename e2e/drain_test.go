package e2e

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDrainingIsSeenBeforeTheListenerCloses ends a daemon that is answering, and asks it meanwhile.
func TestDrainingIsSeenBeforeTheListenerCloses(t *testing.T) {
	t.Setenv("QWENVLD_DRAIN_DELAY", "1m")
	d := serve(t)
	stream := begin(t, d, "qwen3-vl-instruct", 3000)
	d.signal(syscall.SIGHUP) // which ends nothing
	if got := d.readiness().Status; got != "ready" {
		t.Errorf("after SIGHUP: %s", got)
	}
	d.signal(syscall.SIGTERM)
	eventually(t, func() bool { return d.readiness().Status == "draining" })
	resp, err := http.Post(d.url+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"auto","messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "shutting_down") || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if !stream.Next() {
		t.Errorf("the answer in flight ended: %v", stream.Err())
	}
	// A minute is left, and the answer goes on.
	again := time.Now()
	d.signal(syscall.SIGTERM)
	if err := <-d.exited; err != nil {
		t.Errorf("ended with %v\n%s", err, d.logs())
	} else {
		d.exited <- nil
	}
	if took := time.Since(again); took > 30*time.Second {
		t.Errorf("took %s after the second signal", took)
	}
	if err := finish(stream); err == nil || !strings.Contains(err.Error(), "shutting_down") {
		t.Errorf("the stream ended with %v", err)
	}
}

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}
