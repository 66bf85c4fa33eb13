package web

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/intake"
)

func TestVisitsReleaseTheirBodies(t *testing.T) {
	failed := errors.New("failed")
	for name, tc := range map[string]struct {
		end      func(ctx context.Context) error
		released bool
	}{
		"at their end":        {func(context.Context) error { return nil }, true},
		"when they fail":      {func(context.Context) error { return failed }, true},
		"early, if asked to":  {func(ctx context.Context) error { ReleaseBody(ctx); ReleaseBody(ctx); return nil }, true},
		"not while work goes": {func(ctx context.Context) error { RecordOf(ctx).Detached = true; return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(&logged{}, nil)
			contexts := make(chan context.Context, 1)
			h := e.Visit(func(*http.Request) string { return "key ann" }, func(w http.ResponseWriter, r *http.Request) error {
				inside := r.Context()
				contexts <- inside
				if BodyOf(inside) != nil {
					t.Error("there is a body before it is read")
				}
				if err := BodyOf(inside).Hold(1); err != nil {
					t.Error(err)
				}
				if _, err := e.ReadBody(w, r); err != nil {
					t.Error(err)
				}
				return tc.end(inside)
			})
			answer(e.Identify(e.Handle(h)), post("{}"))
			inside := <-contexts
			if ClientOf(inside) != "key ann" {
				t.Errorf("the client is %q", ClientOf(inside))
			}
			if got := BodyOf(inside).Bytes == nil; got != tc.released {
				t.Errorf("released: %t", got)
			}
			if ReleaseBody(inside); BodyOf(inside).Bytes != nil {
				t.Error("who goes on cannot release it")
			}
		})
	}
}

func TestAVisitReturnsItsHandlersError(t *testing.T) {
	want := fault.ShuttingDown(nil)
	h := new(Edge).Visit(Address, func(http.ResponseWriter, *http.Request) error { return want })
	if err := h(nil, get("/")); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
}

func TestOutsideOfVisitsNothingIsHeld(t *testing.T) {
	ctx := t.Context()
	ReleaseBody(ctx)
	if ClientOf(ctx) != "" || BodyOf(ctx) != nil {
		t.Errorf("%q %v", ClientOf(ctx), BodyOf(ctx))
	}
}

// What one client holds is counted under its name: three quarters of all at most.
func TestBodiesAreReadInTheirClientsName(t *testing.T) {
	const total, most = 10000, 7500
	e := newEdge(&logged{}, func(o *Options) { o.Bodies = newBodies(intake.Limits{Total: total}) })
	h := e.Visit(func(r *http.Request) string { return r.Header.Get("X-Client") }, func(w http.ResponseWriter, r *http.Request) error {
		if _, err := e.ReadBody(w, r); err != nil {
			return err
		}
		RecordOf(r.Context()).Detached = true
		return BodyOf(r.Context()).Hold(most / 3)
	})
	for _, tc := range []struct {
		client string
		ok     bool
	}{{"ann", true}, {"ann", true}, {"ann", true}, {"ann", false}, {"bob", true}} {
		r := post("{}")
		r.Header.Set("X-Client", tc.client)
		err := h(&writer{}, r.WithContext(WithRecord(r.Context(), &Record{})))
		if (err == nil) != tc.ok || err != nil && !errors.Is(err, intake.ErrCrowded) {
			t.Errorf("%s: %v", tc.client, err)
		}
	}
}

func TestAddressesNameClients(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "::ffff:192.0.2.1", "[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "host:80": "host", "@": "@", "": "",
	} {
		r := get("/")
		r.RemoteAddr = address
		if got := Address(r); got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
}
