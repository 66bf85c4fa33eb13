package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// TestMain has every reply that a test of this package reads in one piece held against openapi.yaml, by a library for OpenAPI. Package
// api holds its own replies, and each event of a stream, against the same file by other means.
func TestMain(m *testing.M) {
	d, err := describe()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	d.transport = http.DefaultTransport
	http.DefaultTransport = d
	code := m.Run()
	for _, fault := range d.faults {
		fmt.Fprintln(os.Stderr, "not as openapi.yaml describes it:", fault)
		code = 1
	}
	os.Exit(code)
}

// description is openapi.yaml, through which requests pass.
type description struct {
	transport http.RoundTripper

	mu        sync.Mutex
	validator validator.Validator
	checked   int
	faults    []string
}

func describe() (*description, error) {
	text, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	v, faults := validator.NewValidator(doc)
	return &description{validator: v}, errors.Join(faults...)
}

// RoundTrip implements http.RoundTripper.
func (d *description) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.transport.RoundTrip(req)
	// Whatever is asked for, what is not served or is no JSON has no description of its own.
	if err != nil || resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed ||
		!strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), failing{err}), resp.Body}
	if err == nil {
		d.check(req, resp, body)
	}
	return resp, nil
}

// failing is the end of a body whose reading ended so.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

func (d *description) check(req *http.Request, resp *http.Response, body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checked++
	seen := *resp
	seen.Body = io.NopCloser(bytes.NewReader(body))
	if ok, faults := d.validator.ValidateHttpResponse(req, &seen); !ok {
		for _, f := range faults {
			d.faults = append(d.faults, fmt.Sprintf("%s %s, status %d: %s: %s: %v\n%s",
				req.Method, req.URL.Path, resp.StatusCode, f.Message, f.Reason, f.SchemaValidationErrors, body))
		}
	}
}

func TestTheDescriptionIsValidOpenAPI(t *testing.T) {
	d, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	if ok, faults := d.validator.ValidateDocument(); !ok {
		for _, f := range faults {
			t.Errorf("%s: %s: %v", f.Message, f.Reason, f.SchemaValidationErrors)
		}
	}
}

// What holds every reply against the description must notice one that is not as described.
func TestAReplyThatIsNotAsDescribedIsNoticed(t *testing.T) {
	for body, fault := range map[string]bool{`{"object":"list","data":[]}`: false, `{"object":"list"}`: true, `[]`: true} {
		d, err := describe()
		if err != nil {
			t.Fatal(err)
		}
		d.transport = fixed(body)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/v1/models", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := d.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(resp.Body)
		if err != nil || string(read) != body {
			t.Errorf("%s arrives as %s, %v", body, read, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if d.checked != 1 || (len(d.faults) > 0) != fault {
			t.Errorf("%s: %d checked, faults %v", body, d.checked, d.faults)
		}
	}
}

// fixed is a transport that answers everything with itself.
type fixed string

func (f fixed) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(f))),
	}, nil
}
