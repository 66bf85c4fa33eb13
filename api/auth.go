package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/cors"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/surface"
	"github.com/qwenvld/qwenvld/api/web"
)

const headerAPIKey = "X-Api-Key" //nolint:gosec // the name of a header

// accountKey is the context's key for the account of the API key that asks.
type accountKey struct{}

// accountOf is the account whose key the request bears, nil where no keys are needed.
func accountOf(ctx context.Context) *access.Account {
	a, _ := ctx.Value(accountKey{}).(*access.Account)
	return a
}

// authenticate lets requests with a known key pass, and all of them where no keys are set.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.keys.Open() {
			next.ServeHTTP(w, r)
			return
		}
		account := s.keys.Find(presentedKey(r))
		if account == nil {
			s.refuseStranger(w, r)
			return
		}
		web.RecordOf(r.Context()).Key = account.Name()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accountKey{}, account)))
	})
}

// refuseStranger refuses a request without a key that is known.
func (s *Server) refuseStranger(w http.ResponseWriter, r *http.Request) {
	web.RecordOf(r.Context()).Stranger = true
	w.Header().Set("WWW-Authenticate", "Bearer")
	s.edge.Refuse(w, r, &fault.Error{
		Status: http.StatusUnauthorized, Type: fault.TypeInvalidRequest, Code: fault.CodeInvalidKey,
		Message: "Send a valid API key as Authorization: Bearer KEY or in the header X-Api-Key.",
	})
}

// presentedKey reads the key as OpenAI's or as Anthropic's clients send it.
func presentedKey(r *http.Request) string {
	const scheme = "bearer "
	if h := r.Header.Get("Authorization"); len(h) > len(scheme) && strings.EqualFold(h[:len(scheme)], scheme) {
		return strings.TrimSpace(h[len(scheme):])
	}
	return r.Header.Get(headerAPIKey)
}

// metered holds h to the limits of the request's key and tells what is left of them.
func (s *Server) metered(h web.HandlerFunc) web.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		account := accountOf(r.Context())
		if account == nil {
			return h(w, r)
		}
		err := account.Enter()
		tellBudgets(w.Header(), account)
		var limit *access.LimitError
		if errors.As(err, &limit) {
			return &fault.Error{
				Status: http.StatusTooManyRequests, Type: fault.TypeRateLimit, Code: fault.CodeRateLimit, RetryAfter: limit.RetryAfter,
				Message: "Rate limit reached: " + limit.Error() + ".",
			}
		}
		if err != nil {
			return err
		}
		defer func() {
			if rec := web.RecordOf(r.Context()); !rec.Detached {
				account.Leave(rec.Tokens())
			}
		}()
		return h(w, r)
	}
}

// tellBudgets sets OpenAI's x-ratelimit headers.
func tellBudgets(h http.Header, a *access.Account) {
	requests, tokens := a.Budgets()
	for name, b := range map[string]*access.Budget{"Requests": requests, "Tokens": tokens} {
		if b == nil {
			continue
		}
		h.Set("X-Ratelimit-Limit-"+name, strconv.Itoa(b.Limit))
		h.Set("X-Ratelimit-Remaining-"+name, strconv.Itoa(b.Remaining))
		h.Set("X-Ratelimit-Reset-"+name, b.Reset.String())
	}
}

// crossOrigin lets browsers ask from the configured origins. Credentials are keys in headers, never cookies.
func crossOrigin(origins []string) func(http.Handler) http.Handler {
	const day = 24 * 60 * 60
	return cors.Handler(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost, http.MethodDelete},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{
			web.HeaderRequestID, surface.HeaderVariant, surface.HeaderRouteSource, "Retry-After",
			"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
			"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens",
		},
		MaxAge: day,
	})
}

// clientOf names whom places are shared between: the key where there is one, else the address.
func clientOf(r *http.Request) string {
	if a := accountOf(r.Context()); a != nil {
		return "key " + a.Name()
	}
	return web.Address(r)
}

// ownerOf names whose the responses are that a request keeps, "" where no keys are needed.
func ownerOf(r *http.Request) string {
	if a := accountOf(r.Context()); a != nil {
		return a.Name()
	}
	return ""
}

// bill gives what is called with the tokens of work that goes on when its request is over.
func bill(r *http.Request) func(tokens int) {
	account := accountOf(r.Context())
	return func(tokens int) {
		if account != nil {
			account.Leave(tokens)
		}
	}
}

const (
	// headerRoute asks for a variant, headerSession names a conversation whose requests do not carry all of its turns.
	headerRoute   = "X-Qwenvld-Route"
	headerSession = "X-Session-Id"
)

// sessionHeaders name what a request belongs to, the first that is there counting; a request's own id is not among
// them.
func sessionHeaders() []string {
	return []string{headerSession, "X-Conversation-Id", "X-Claude-Code-Session-Id", "X-Litellm-Session-Id", "X-Smg-Routing-Key"}
}

func sessionOf(h http.Header) string {
	for _, name := range sessionHeaders() {
		if id := h.Get(name); id != "" {
			return id
		}
	}
	return ""
}

// passedOn are the headers that servers which answer for this one are told, too: the session, the request and the trace
// that it is a part of.
func passedOn(h http.Header, id string) map[string][]string {
	out := map[string][]string{"X-Request-Id": {id}}
	for _, name := range append(sessionHeaders(), "X-Correlation-Id", "Traceparent", "Tracestate") {
		if values := h.Values(name); len(values) > 0 {
			out[name] = values
		}
	}
	return out
}

// caller is who asks, as the core knows it.
func (s *Server) caller(r *http.Request) *generation.Caller {
	rec := web.RecordOf(r.Context())
	return &generation.Caller{
		ID: rec.ID, Client: web.ClientOf(r.Context()), Key: rec.Key, Session: r.Header.Get(headerSession), Route: r.Header.Get(headerRoute),
		Endpoint: chi.RouteContext(r.Context()).RoutePattern(), At: s.now(), Background: rec.Background,
		Affinity: sessionOf(r.Header), Passed: passedOn(r.Header, rec.ID),
		Admitted: func() { web.ReleaseBody(r.Context()) },
	}
}
