package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOperatorsHaveAnAddressOfTheirOwn looks into a daemon by its admin address, which goes on until the daemon has come
// to its end, and at what clients see of that.
func TestOperatorsHaveAnAddressOfTheirOwn(t *testing.T) {
	port := freePort(t)
	dir := t.TempDir()
	file := write(t, dir, "qwenvld.yaml", fmt.Sprintf("admin: {listen: ':%d'}\nlimits: {images: 3}\n", port))
	d := serve(t, "--config", file)
	admin := fmt.Sprintf("http://127.0.0.1:%d", port)
	for path, says := range map[string]string{
		"/metrics": "qwenvld_build_info", "/debug/pprof/": "full goroutine stack dump", "/debug/pprof/profile?seconds=1": "",
		"/v1/models": "qwen3-vl", "/health/ready": "ready", "/config": "images: 3 # " + file + ":2",
	} {
		if body := string(get(t, admin+path)); !strings.Contains(body, says) {
			t.Errorf("%s: %s", path, body)
		}
	}
	write(t, dir, "qwenvld.yaml", fmt.Sprintf("admin: {listen: ':%d'}\nlimits: {images: 4}\n", port))
	eventually(t, func() bool { return strings.Contains(string(get(t, admin+"/config")), "images: 4") })
	for _, path := range []string{"/debug/pprof/", "/config"} {
		resp, err := http.Get(d.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("clients get %s: %s", path, resp.Status)
		}
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", admin[len("http://"):]); err == nil {
		_ = c.Close()
		t.Error("somebody still listens")
	}
}

// TestAnAdminAddressThatIsTakenIsToldBeforeAnythingIsLoaded starts a second daemon with the admin address of a first.
func TestAnAdminAddressThatIsTakenIsToldBeforeAnythingIsLoaded(t *testing.T) {
	socket := filepath.Join(shortDir(t), "admin.sock")
	serve(t, "--set", "admin.listen=unix:"+socket)
	second := exec.CommandContext(timeout(t, patience), binary(t), "serve", "--listen", "127.0.0.1:0", "--set", "admin.listen=unix:"+socket)
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "admin.listen") {
		t.Errorf("%v: %s", err, out)
	}
}
