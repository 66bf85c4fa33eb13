package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// daemon answers /v1/route as qwenvld does, and says what it was asked.
func daemon(t *testing.T, status int, reply string, asked chan<- *http.Request) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		asked <- r
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// connect serves p and gives a client of it.
func connect(t *testing.T, p *processor) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.client, p.logger = http.DefaultClient, slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l, p) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return conn
}

// process sends a request in the parts in which Envoy sends one, and gives what became of its body.
func process(t *testing.T, conn *grpc.ClientConn, body string) *extproc.CommonResponse {
	t.Helper()
	stream, err := extproc.NewExternalProcessorClient(conn).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	say := func(r *extproc.ProcessingRequest) *extproc.ProcessingResponse {
		t.Helper()
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
		out, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := say(&extproc.ProcessingRequest{Request: &extproc.ProcessingRequest_RequestHeaders{RequestHeaders: &extproc.HttpHeaders{
		Headers: &core.HeaderMap{Headers: []*core.HeaderValue{
			{Key: ":path", RawValue: []byte("/v1/chat/completions")}, {Key: "X-Session-Id", RawValue: []byte("s")}, {Key: "authorization", Value: "secret"},
		}},
	}}})
	if out.GetRequestHeaders() == nil {
		t.Fatalf("%v", out)
	}
	half := len(body) / 2
	say(&extproc.ProcessingRequest{Request: &extproc.ProcessingRequest_RequestBody{RequestBody: &extproc.HttpBody{Body: []byte(body[:half])}}})
	out = say(&extproc.ProcessingRequest{Request: &extproc.ProcessingRequest_RequestBody{
		RequestBody: &extproc.HttpBody{Body: []byte(body[half:]), EndOfStream: true},
	}})
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return out.GetRequestBody().GetResponse()
}

const chat = `{"model":"qwen3-vl","messages":[{"role":"user","content":"Prove it."}],"temperature":0.5}`

func TestTheDecisionBecomesHeadersAndTheModel(t *testing.T) {
	asked := make(chan *http.Request, 1)
	p := &processor{key: "k\n", patience: time.Minute}
	p.router = daemon(t, http.StatusOK, `{"routing":{"variant":"thinking","thinking_budget":512}}`, asked)
	r := process(t, connect(t, p), chat)
	set := map[string]string{}
	for _, h := range r.GetHeaderMutation().GetSetHeaders() {
		set[h.GetHeader().GetKey()] = string(h.GetHeader().GetRawValue())
	}
	if set[headerModel] != "qwen3-vl-thinking" || set[headerVariant] != "thinking" || set[headerBudget] != "512" || !r.GetClearRouteCache() {
		t.Errorf("%v", r)
	}
	var body map[string]any
	if err := json.Unmarshal(r.GetBodyMutation().GetBody(), &body); err != nil || body["model"] != "qwen3-vl-thinking" || body["temperature"] != 0.5 {
		t.Errorf("%v, %v", body, err)
	}
	p.names = map[string]string{"thinking": "Qwen/Qwen3-VL-8B-Thinking"}
	<-asked
	r = process(t, connect(t, p), chat)
	if err := json.Unmarshal(r.GetBodyMutation().GetBody(), &body); err != nil || body["model"] != "Qwen/Qwen3-VL-8B-Thinking" {
		t.Errorf("%v, %v", body, err)
	}
	in := <-asked
	if in.URL.Path != "/v1/route" || in.Header.Get("X-Session-Id") != "s" || in.Header.Get("Authorization") != "Bearer k" {
		t.Errorf("%+v", in)
	}
}

func TestWithoutADecisionRequestsGoOnAsTheyCame(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		reply  string
	}{
		"a refusal":  {400, `{"error":{"message":"no"}}`},
		"not JSON":   {200, `<html>`},
		"no variant": {200, `{"routing":{}}`},
	} {
		p := &processor{router: daemon(t, c.status, c.reply, make(chan *http.Request, 1)), patience: time.Minute}
		if r := process(t, connect(t, p), chat); r.GetHeaderMutation() != nil || r.GetBodyMutation() != nil {
			t.Errorf("%s: %v", name, r)
		}
	}
	p := &processor{router: "http://127.0.0.1:1", patience: time.Minute}
	if r := process(t, connect(t, p), chat); r.GetBodyMutation() != nil {
		t.Errorf("nobody there: %v", r)
	}
}

func TestItsHealthCanBeAsked(t *testing.T) {
	conn := connect(t, &processor{})
	r, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || r.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", r, err)
	}
}
