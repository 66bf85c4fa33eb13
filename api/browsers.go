package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/api/fault"
	"github.com/qwenvld/qwenvld/api/jsonbody"
)

// anyHost stands for all names.
const anyHost = "*"

// ownHosts refuses requests for names that are not this server's. A site that a person visits can have its own name
// lead to this machine (DNS rebinding); its pages could then ask this server as if they were the server's own. Such a
// request still bears the site's name. Addresses are never names that lead somewhere else.
func (s *Server) ownHosts(names []string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isOwnHost(r.Host, names) {
				next.ServeHTTP(w, r)
				return
			}
			s.edge.Refuse(w, r, &fault.Error{
				Status: http.StatusMisdirectedRequest, Type: fault.TypeInvalidRequest, Code: fault.CodeHost,
				Message: fmt.Sprintf("This server is not known as %s; the operator lists its names as `hosts` in its configuration.",
					jsonbody.Abbreviate(r.Host)),
			})
		})
	}
}

// isOwnHost reports whether a Host header, with or without a port, is an address, this machine, or one of names.
func isOwnHost(header string, names []string) bool {
	host := header
	if name, _, err := net.SplitHostPort(header); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(names, func(name string) bool { return name == anyHost || strings.EqualFold(name, host) })
}

// sameOrigin refuses what a page of another site has a browser send, unless the site is among origins. Clients that are
// no browsers are not affected.
func (s *Server) sameOrigin(origins []string) (func(http.Handler) http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if strings.Contains(origin, anyHost) {
			return func(next http.Handler) http.Handler { return next }, nil
		}
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("api: allowed origin: %w", err)
		}
	}
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.edge.Refuse(w, r, &fault.Error{
			Status: http.StatusForbidden, Type: fault.TypeInvalidRequest, Code: fault.CodeOrigin,
			Message: "Pages of other sites may not ask this server; the operator allows them by `cors.allowed_origins`.",
		})
	}))
	return protection.Handler, nil
}
