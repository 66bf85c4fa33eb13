// Package otlptest is a receiver of OpenTelemetry's traces for tests: it takes what programs post in OTLP's form of
// HTTP with protocol buffers, and tells what it was sent.
//
// It must not know what is traced, and is for tests alone.
package otlptest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one that was received.
type Span struct {
	Name, Kind        string
	Trace, ID, Parent string // in hexadecimal digits; Parent is empty for a root
	Begin, End        time.Time
	Failed            bool
	// Attributes hold texts, numbers, truths, and lists of texts with commas between, all as texts. Resource are those
	// of who sent it.
	Attributes, Resource map[string]string
	// Events are the names of what happened meanwhile, in order.
	Events []string
}

// Receiver is an HTTP server that receives spans until the test ends. It is safe for concurrent use.
type Receiver struct {
	// URL is that of the server, without a path.
	URL string

	mu     sync.Mutex
	posts  []http.Header
	spans  []Span
	status int
	reply  []byte
}

// Start starts a Receiver.
func Start(tb testing.TB) *Receiver {
	tb.Helper()
	r := &Receiver{status: http.StatusOK}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.take(req); err != nil {
			tb.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.WriteHeader(r.status)
		_, _ = w.Write(r.reply) // a client that is gone needs none
	}))
	tb.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

// Answer has the receiver answer with status and a reply from now on.
func (r *Receiver) Answer(status int, reply []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.reply = status, reply
}

// Spans are those that were received so far.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// Posts are the headers of what was posted so far, with the path as ":path".
func (r *Receiver) Posts() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]http.Header(nil), r.posts...)
}

func (r *Receiver) take(req *http.Request) error {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = plain
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var export traces.TracesData // which is the request of the collector's service on the wire
	if err := proto.Unmarshal(data, &export); err != nil {
		return err
	}
	header := req.Header.Clone()
	header[":path"] = []string{req.URL.Path}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts = append(r.posts, header)
	for _, resource := range export.GetResourceSpans() {
		about := texts(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans = append(r.spans, spanOf(s, about))
			}
		}
	}
	return nil
}

func spanOf(s *traces.Span, about map[string]string) Span {
	out := Span{
		Name: s.GetName(), Kind: s.GetKind().String(), Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()),
		Parent: hex.EncodeToString(s.GetParentSpanId()), Begin: timeOf(s.GetStartTimeUnixNano()), End: timeOf(s.GetEndTimeUnixNano()),
		Failed: s.GetStatus().GetCode() == traces.Status_STATUS_CODE_ERROR, Attributes: texts(s.GetAttributes()), Resource: about,
	}
	for _, e := range s.GetEvents() {
		out.Events = append(out.Events, e.GetName())
	}
	return out
}

func timeOf(nanoseconds uint64) time.Time { return time.Unix(0, int64(nanoseconds)) }

func texts(all []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range all {
		out[a.GetKey()] = textOf(a.GetValue())
	}
	return out
}

func textOf(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_ArrayValue:
		out := ""
		for i, e := range v.ArrayValue.GetValues() {
			if i > 0 {
				out += ","
			}
			out += textOf(e)
		}
		return out
	default:
		return ""
	}
}
