package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// asked is what a pool was sent.
type asked struct {
	pool, model, variant string
}

// stand stands for a pool: it says what it was asked for.
func stand(t *testing.T, pool string, all chan<- asked) (port string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Model string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		all <- asked{pool, body.Model, r.Header.Get("X-Qwenvld-Variant")}
	}))
	t.Cleanup(s.Close)
	return portOf(s.Listener.Addr().String())
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// TestEnvoyRoutesByTheRouter has a real Envoy, configured as deploy/envoy tells, choose between two pools.
func TestEnvoyRoutesByTheRouter(t *testing.T) {
	program := tool(t, "ENVOY", "scripts/envoy-check.sh")
	router := serve(t)
	processor := background(t, binary(t), "extproc", "--listen", "127.0.0.1:0", "--router", router.url, "--timeout", "10s", "--thinking", "pool/Thinking")
	address := regexp.MustCompile(`address=127\.0\.0\.1:(\d+)`)
	eventually(t, func() bool { return address.MatchString(processor.String()) })
	all := make(chan asked, 1)
	text, err := os.ReadFile("../deploy/envoy/envoy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	front := fmt.Sprint(freePort(t))
	config := strings.NewReplacer(
		"port_value: 10000", "port_value: "+front, "port_value: 9002", "port_value: "+address.FindStringSubmatch(processor.String())[1],
		"port_value: 8001", "port_value: "+stand(t, "instruct", all), "port_value: 8002", "port_value: "+stand(t, "thinking", all),
		"message_timeout: 1s", "message_timeout: 20s",
	).Replace(string(text))
	background(t, program, "--use-dynamic-base-id", "-c", write(t, t.TempDir(), "envoy.yaml", config), "-l", "warning", "--concurrency", "1")
	url := "http://127.0.0.1:" + front
	listening(t, "127.0.0.1:"+front)
	for question, want := range map[string]asked{
		"Hi!": {"instruct", "qwen3-vl-instruct", "instruct"},
		"Prove that the sum of the squares of two odd integers is never a perfect square. Think step by step.": {"thinking", "pool/Thinking", "thinking"},
	} {
		if got := throughEnvoy(t, url, fmt.Sprintf(`{"model":"qwen3-vl","messages":[{"role":"user","content":%q}]}`, question), all); got != want {
			t.Errorf("%q goes to %+v", question, got)
		}
	}
	// What the daemon refuses goes on as it came.
	if got := throughEnvoy(t, url, `{"model":"other","messages":[]}`, all); got != (asked{"instruct", "other", ""}) {
		t.Errorf("without a decision: %+v", got)
	}
}

func throughEnvoy(t *testing.T, url, body string, all <-chan asked) asked {
	t.Helper()
	status, text, err := send(timeout(t, patience), t, url+"/v1/chat/completions", json.RawMessage(body))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %s, %v", status, text, err)
	}
	return <-all
}
