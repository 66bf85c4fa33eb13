package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tool is the path of a program that an environment variable names. Without it the test is skipped: script sets it.
func tool(t *testing.T, variable, script string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skipf("%s names no program; %s does", variable, script)
	}
	return path
}

// freePort is a port of this machine that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// listening waits until somebody listens at an address.
func listening(t *testing.T, address string) {
	t.Helper()
	eventually(t, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// background runs a program until the test ends, and gives what it says.
func background(t *testing.T, name string, args ...string) *output {
	t.Helper()
	var log output
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), log.String())
		}
	})
	return &log
}

// elsewhere asks servers whose replies are not described by openapi.yaml.
var elsewhere = &http.Transport{}

// get is the body of a reply with status 200.
func get(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(timeout(t, patience), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := elsewhere.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v: %s", url, resp.Status, err, body)
	}
	return body
}

// TestAPrometheusFindsWhatTheDashboardAndTheRulesAskFor has a real Prometheus scrape two daemons, one of them as the
// upstream of the other, and ask for everything that the dashboard and the rules do.
func TestAPrometheusFindsWhatTheDashboardAndTheRulesAskFor(t *testing.T) {
	const script = "scripts/metrics-check.sh"
	program, promtool := tool(t, "PROMETHEUS", script), tool(t, "PROMTOOL", script)
	admin := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	pictures := httptest.NewServer(http.HandlerFunc(anyPicture))
	defer pictures.Close()
	d := serve(t, "--config", write(t, t.TempDir(), "qwenvld.yaml", fmt.Sprintf(
		"admin: {listen: %q}\nmedia: {allowed_hosts: [127.0.0.1], video: {min_pixels: 9216, max_pixels: 12288}}\n", admin)))
	front := behind(t, "qwenvld", d.url)
	rules, err := filepath.Abs("../deploy/prometheus/qwenvld.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", strings.TrimSuffix(rules, ".yml") + ".test.yml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	defer traffic.Wait()
	defer stop()
	for _, to := range []*daemon{d, front} {
		traffic.Go(func() {
			for ctx.Err() == nil {
				askEverything(ctx, to.url, pictures.URL)
			}
		})
	}
	port := freePort(t)
	background(t, program, "--web.listen-address", fmt.Sprintf("127.0.0.1:%d", port), "--storage.tsdb.path", t.TempDir(),
		"--config.file", write(t, t.TempDir(), "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
- job_name: qwenvld
  static_configs: [{targets: [%q, %q]}]
`, rules, admin, strings.TrimPrefix(front.url, "http://"))))
	p := &prometheus{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	eventually(t, p.ready)
	missing := p.queries()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for late := time.Now().Add(patience); len(missing) > 0 && time.Now().Before(late); <-look.C {
		maps.DeleteFunc(missing, func(_, query string) bool { return p.finds(query) })
	}
	for where, query := range missing {
		t.Errorf("%s finds nothing: %s", where, query)
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = bytes.NewReader(get(t, "http://"+admin+"/metrics"))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// anyPicture serves a picture that nobody has seen before, so that it has to be encoded.
func anyPicture(w http.ResponseWriter, _ *http.Request) {
	const edge = 64
	img := image.NewRGBA(image.Rect(0, 0, edge, edge))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.RGBA{uint8(rand.N(256)), uint8(rand.N(256)), uint8(rand.N(256)), 255}), image.Point{}, draw.Src)
	_ = png.Encode(w, img)
}

// askEverything sends one request of each kind that something is counted of.
func askEverything(ctx context.Context, server, picture string) {
	user := func(content any) []any { return []any{map[string]any{"role": "user", "content": content}} }
	shown := user([]any{
		map[string]any{"type": "image_url", "image_url": map[string]any{"url": picture}}, map[string]any{"type": "text", "text": "What colour is it?"},
	})
	for _, body := range []map[string]any{
		{"model": "qwen3-vl", "messages": user("hello"), "max_tokens": 30},
		{"model": "qwen3-vl", "messages": user("How much is 17 * 23? Prove it step by step."), "max_tokens": 60},
		{"model": "qwen3-vl-instruct", "messages": shown, "stream": true, "max_tokens": 30},
		{"model": "qwen3-vl-thinking", "messages": user("What is 2 + 3?"), "stream": true, "max_tokens": 80},
		{"model": "qwen3-vl", "messages": user("hello"), "temperature": -1}, // refused
	} {
		text, _ := json.Marshal(body)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/v1/chat/completions", bytes.NewReader(text))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

// prometheus is one that runs.
type prometheus struct {
	t   *testing.T
	url string
}

// ready says whether it answers and all that it scrapes is up.
func (p *prometheus) ready() bool {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape("count(up == 1)"), http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := elsewhere.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return strings.Contains(string(body), `"2"]`)
}

// queries are those of the dashboard's panels and of the rules, as Prometheus has read them, by where they stand. Of an
// alert it is what is compared: there is nothing to be found where all is well.
func (p *prometheus) queries() map[string]string {
	t := p.t
	t.Helper()
	out := map[string]string{}
	text, err := os.ReadFile("../deploy/grafana/qwenvld.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$instance", ".*")
	for _, panel := range dashboard.Panels {
		for i, target := range panel.Targets {
			out[fmt.Sprintf("panel %s, %d", panel.Title, i)] = variables.Replace(target.Expr)
		}
	}
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Type, Health, LastError string }
			}
		}
	}
	compared := regexp.MustCompile(` (==|>) [0-9.]+$`)
	eventually(t, func() bool { // all were evaluated
		body := get(t, p.url+"/api/v1/rules")
		if err := json.Unmarshal(body, &rules); err != nil {
			t.Fatal(err)
		}
		return !strings.Contains(string(body), `"health":"unknown"`)
	})
	for _, group := range rules.Data.Groups {
		for _, rule := range group.Rules {
			if rule.Health != "ok" {
				t.Errorf("rule %s: %s %s", rule.Name, rule.Health, rule.LastError)
			}
			if out["rule "+rule.Name] = rule.Query; rule.Type == "alerting" {
				out["rule "+rule.Name] = compared.ReplaceAllString(rule.Query, "")
			}
		}
	}
	if len(out) < 80 {
		t.Errorf("only %d queries", len(out))
	}
	return out
}

// finds says whether a query has a value that is a number.
func (p *prometheus) finds(query string) bool {
	p.t.Helper()
	var reply struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal(get(p.t, p.url+"/api/v1/query?query="+url.QueryEscape(query)), &reply); err != nil {
		p.t.Fatal(err)
	}
	for _, r := range reply.Data.Result {
		text, _ := r.Value[1].(string)
		if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
			return true
		}
	}
	return false
}
