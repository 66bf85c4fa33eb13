package extproc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
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

// connect serves a processor and gives a client of it.
func connect(t *testing.T, o Options) *grpc.ClientConn {
	t.Helper()
	o.Patience, o.BodyBytes = time.Minute, 1<<20
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l) }()
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
func process(t *testing.T, conn *grpc.ClientConn, body string) *service.CommonResponse {
	t.Helper()
	stream, err := service.NewExternalProcessorClient(conn).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	say := func(r *service.ProcessingRequest) *service.ProcessingResponse {
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
	out := say(&service.ProcessingRequest{Request: &service.ProcessingRequest_RequestHeaders{RequestHeaders: &service.HttpHeaders{
		Headers: &core.HeaderMap{Headers: []*core.HeaderValue{
			{Key: ":path", RawValue: []byte("/v1/chat/completions")}, {Key: "X-Session-Id", RawValue: []byte("s")}, {Key: "authorization", Value: "secret"},
		}},
	}}})
	if out.GetRequestHeaders() == nil {
		t.Fatalf("%v", out)
	}
	half := len(body) / 2
	say(&service.ProcessingRequest{Request: &service.ProcessingRequest_RequestBody{RequestBody: &service.HttpBody{Body: []byte(body[:half])}}})
	out = say(&service.ProcessingRequest{Request: &service.ProcessingRequest_RequestBody{
		RequestBody: &service.HttpBody{Body: []byte(body[half:]), EndOfStream: true},
	}})
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return out.GetRequestBody().GetResponse()
}

const chat = `{"model":"qwen3-vl","messages":[{"role":"user","content":"Prove it."}],"temperature":0.5}`

func TestTheDecisionBecomesHeadersAndTheModel(t *testing.T) {
	asked := make(chan *http.Request, 1)
	o := Options{Key: "k"}
	o.Router = daemon(t, http.StatusOK, `{"routing":{"variant":"thinking","thinking_budget":512}}`, asked)
	r := process(t, connect(t, o), chat)
	set := map[string]string{}
	for _, h := range r.GetHeaderMutation().GetSetHeaders() {
		set[h.GetHeader().GetKey()] = string(h.GetHeader().GetRawValue())
	}
	if set[HeaderModel] != "qwen3-vl-thinking" || set[HeaderVariant] != "thinking" || set[HeaderBudget] != "512" || !r.GetClearRouteCache() {
		t.Errorf("%v", r)
	}
	var body map[string]any
	if err := json.Unmarshal(r.GetBodyMutation().GetBody(), &body); err != nil || body["model"] != "qwen3-vl-thinking" || body["temperature"] != 0.5 {
		t.Errorf("%v, %v", body, err)
	}
	o.Thinking = "Qwen/Qwen3-VL-8B-Thinking"
	<-asked
	r = process(t, connect(t, o), chat)
	if err := json.Unmarshal(r.GetBodyMutation().GetBody(), &body); err != nil || body["model"] != "Qwen/Qwen3-VL-8B-Thinking" {
		t.Errorf("%v, %v", body, err)
	}
	in := <-asked
	if in.URL.Path != "/v1/route" || in.URL.RawQuery != "forecast=false" || in.Header.Get("X-Session-Id") != "s" || in.Header.Get("Authorization") != "Bearer k" {
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
		o := Options{Router: daemon(t, c.status, c.reply, make(chan *http.Request, 1))}
		if r := process(t, connect(t, o), chat); r.GetHeaderMutation() != nil || r.GetBodyMutation() != nil {
			t.Errorf("%s: %v", name, r)
		}
	}
	o := Options{Router: "http://127.0.0.1:1"}
	if r := process(t, connect(t, o), chat); r.GetBodyMutation() != nil {
		t.Errorf("nobody there: %v", r)
	}
}

func TestItsHealthCanBeAsked(t *testing.T) {
	conn := connect(t, Options{Router: "http://127.0.0.1:1"})
	r, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || r.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", r, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"no daemon": {Patience: 1, BodyBytes: 1}, "no patience": {Router: "http://r", BodyBytes: 1}, "no body": {Router: "http://r", Patience: 1},
	} {
		if p, err := New(o); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestABodyThatIsTooLongEndsTheStream(t *testing.T) {
	stream, err := service.NewExternalProcessorClient(connect(t, Options{Router: "http://127.0.0.1:1"})).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body := &service.HttpBody{Body: make([]byte, 1<<20), EndOfStream: false}
	for range 2 {
		_ = stream.Send(&service.ProcessingRequest{Request: &service.ProcessingRequest_RequestBody{RequestBody: body}})
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		t.Error("it ended as if all were well")
	}
}
