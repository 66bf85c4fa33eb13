package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/cors"

	"github.com/qwenvld/qwenvld/api/access"
)

const (
	headerAPIKey = "X-Api-Key" //nolint:gosec // the name of a header
	pathMessages = "/v1/messages"
)

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
			recordOf(r.Context()).stranger = true
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.refuse(w, r, &Error{
				Status: http.StatusUnauthorized, Type: typeInvalidRequest, Code: codeInvalidKey,
				Message: "Send a valid API key as Authorization: Bearer KEY or in the header X-Api-Key.",
			})
			return
		}
		recordOf(r.Context()).key = account.Name()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accountKey{}, account)))
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
func (s *Server) metered(h handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		account := accountOf(r.Context())
		if account == nil {
			return h(w, r)
		}
		err := account.Enter()
		tellBudgets(w.Header(), account)
		var limit *access.LimitError
		if errors.As(err, &limit) {
			return &Error{
				Status: http.StatusTooManyRequests, Type: typeRateLimit, Code: codeRateLimit, RetryAfter: limit.RetryAfter,
				Message: "Rate limit reached: " + limit.Error() + ".",
			}
		}
		if err != nil {
			return err
		}
		defer func() {
			if rec := recordOf(r.Context()); !rec.detached {
				account.Leave(rec.tokens())
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
func (s *Server) crossOrigin() func(http.Handler) http.Handler {
	const day = 24 * 60 * 60
	return cors.Handler(cors.Options{
		AllowedOrigins: s.cfg.Origins,
		AllowedMethods: []string{http.MethodGet, http.MethodPost, http.MethodDelete},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{
			headerRequestID, headerVariant, headerRouteSource, "Retry-After",
			"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
			"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens",
		},
		MaxAge: day,
	})
}
