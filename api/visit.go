package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/api/admission"
	"github.com/qwenvld/qwenvld/api/intake"
)

const (
	// Of the places of MaxConcurrent one request may hold a quarter; generations beyond that wait for those before them.
	shareOfOne = 4
	// fetchers is how many times MaxConcurrent requests may be fetching what they name by URLs.
	fetchers = 4
	// Of the places to fetch in one client may hold this share, in quarters, since fetching can be made to last.
	fetchShare = 3
)

// visit is what a request holds while it is served: first the bytes of its body, then places among those that are worked on. Only the
// request's own goroutine touches it, or the one that its work is handed over to.
type visit struct {
	client string
	body   *intake.Body
	pass   *admission.Pass
	leave  func() // gives the pass back
}

type visitKey struct{}

// visitOf is the request's visit; one that holds nothing outside of requests.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// end gives back all that is held.
func (v *visit) end() {
	v.body.Release()
	if v.leave != nil {
		v.leave()
	}
}

// visited runs h with a visit, which ends with the request unless that is detached. Nobody comes in while draining.
func (s *Server) visited(h handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s.draining.Load() {
			return shuttingDown(nil)
		}
		v := &visit{client: clientOf(r)}
		defer func() {
			if !recordOf(r.Context()).detached {
				v.end()
			}
		}()
		return h(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	}
}

// enter has the request wait for n of the places among those that are worked on, or for as many as one request may have. Its body is read
// by then, and what it names is fetched, so that no client's slowness takes a place. Counts that are asked for take one too.
func (s *Server) enter(ctx context.Context, n int) error {
	v := visitOf(ctx)
	if v.pass != nil {
		return nil
	}
	if s.draining.Load() {
		return shuttingDown(nil)
	}
	pass, err := s.slots.Enter(ctx, v.client, min(n, max(1, s.cfg.MaxConcurrent/shareOfOne)))
	if err != nil {
		return s.noPlace(ctx, err)
	}
	v.body.Release()
	s.cfg.Metrics.Admitted()
	v.pass, v.leave = pass, func() {
		pass.Leave()
		s.cfg.Metrics.Released()
	}
	return nil
}

// places is how many of the request's generations may run at a time.
func (v *visit) places() int {
	if v.pass == nil {
		return 1
	}
	return v.pass.Places()
}

// fetching takes a place for a request that names media by URLs, for as long as they are fetched: until done is called.
func (s *Server) fetching(ctx context.Context, req *chatRequest) (done func(), err error) {
	if !req.fetches() {
		return func() {}, nil
	}
	pass, err := s.fetches.Enter(ctx, visitOf(ctx).client, 1)
	if err != nil {
		return nil, s.noPlace(ctx, err)
	}
	return pass.Leave, nil
}

// counting takes a place for a request that is counted and not answered: one to fetch in where it has to, so that a slow source takes none
// of those that are worked on.
func (s *Server) counting(ctx context.Context, req *chatRequest) (done func(), err error) {
	if req.fetches() {
		return s.fetching(ctx, req)
	}
	return func() {}, s.enter(ctx, 1)
}

func (s *Server) noPlace(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, admission.ErrFull), errors.Is(err, admission.ErrPatience):
		return unavailable(codeOverloaded, "The server is working on as many requests as it accepts.", err)
	default:
		return publicError(ctx, err)
	}
}

// clientOf names who asks: the key where there is one, else the address, of which IPv6 gives each client a whole network.
func clientOf(r *http.Request) string {
	if a := accountOf(r.Context()); a != nil {
		return "key " + a.Name()
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	const network = 64
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Unmap().Is4() {
		return host
	}
	prefix, err := addr.WithZone("").Prefix(network)
	if err != nil {
		return host
	}
	return prefix.String()
}

// newGate makes a gate with the server's way of waiting.
func (c *Config) newGate(places, perClient int) *admission.Gate {
	return admission.New(admission.Options{
		Places: places, PerClient: perClient, Waiting: max(0, c.MaxWaiting), Patience: c.Patience, Now: c.Now,
	})
}

// retryIn is what a client that finds no place is told to wait: the time until one is free, as far as it can be told.
func (s *Server) retryIn() time.Duration {
	const longest = time.Minute
	return min(max(s.slots.Expected(retryAfter), time.Second), longest)
}

// fetches says whether bringing in r's media may take long for reasons that lie outside: URLs are fetched, videos probed.
func (r *chatRequest) fetches() bool {
	if len(r.Videos) > 0 {
		return true
	}
	for i := range r.Images {
		if scheme, _, _ := strings.Cut(r.Images[i].URL, ":"); strings.HasPrefix(strings.ToLower(scheme), "http") {
			return true
		}
	}
	return false
}
