package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"

	"github.com/qwenvld/qwenvld/api/intake"
)

// visit is what a request holds of the edge while it is served. Only the request's own goroutine touches it, or the one
// that its work is handed over to.
type visit struct {
	client string
	body   *intake.Body
}

// visitKey is the key of a request's visit in its context.
type visitKey struct{}

// visitOf is the request's visit, or one that nobody ends outside of visits.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// Visit runs h with the name of its client, which client finds out, and with room for its body. The body is released
// when h is over, unless the request's record is detached by then: whoever goes on with the work calls ReleaseBody.
func (*Edge) Visit(client func(*http.Request) string, h HandlerFunc) HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		v := &visit{client: client(r)}
		defer func() {
			if !RecordOf(r.Context()).Detached {
				v.body.Release()
			}
		}()
		return h(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	}
}

// ClientOf is the name of the client whose request is served, empty outside of visits.
func ClientOf(ctx context.Context) string { return visitOf(ctx).client }

// BodyOf is the body that ReadBody has read. It is nil before, on which the methods of a body do nothing.
func BodyOf(ctx context.Context) *intake.Body { return visitOf(ctx).body }

// Hold counts bytes that are held for the request beside those of its body, until the body is released.
func Hold(ctx context.Context, bytes int64) error {
	if err := visitOf(ctx).body.Hold(bytes); err != nil {
		return bodyError(err)
	}
	return nil
}

// ReleaseBody gives back what the request's body holds. The bytes that ReadBody returned must not be used any more.
// Calling it again, or without a body, does nothing.
func ReleaseBody(ctx context.Context) { visitOf(ctx).body.Release() }

// Address is the address that a request comes from, as the name of a client: of IPv6 the network, since a client has a
// whole one.
func Address(r *http.Request) string {
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
