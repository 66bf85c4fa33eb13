package upstream

import (
	"cmp"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/discover"
)

// Group is servers that are found together and spoken to alike.
type Group struct {
	Dialect *dialect.Dialect
	Source  discover.Source
	// Model is the name by which the servers know the weights; empty takes the first that a server lists.
	Model string
	// Key is sent to the servers; empty for none.
	Key string
	// Weight and MaxInFlight are those of each server of which the source says nothing.
	Weight      float64
	MaxInFlight int
}

// target is a server as it is asked.
type target struct {
	id    string
	base  *url.URL
	group *Group
	// probed says that it was probed once; card is what it told of its model, nil before.
	probed atomic.Bool
	card   atomic.Pointer[dialect.Card]
}

// model is the name of the weights there.
func (t *target) model() string {
	if card := t.card.Load(); t.group.Model == "" && card != nil {
		return card.ID
	}
	return t.group.Model
}

func (t *target) url(path string) string { return t.base.JoinPath(path).String() }

func (t *target) authorize(h http.Header) {
	if t.group.Key != "" {
		h.Set("Authorization", "Bearer "+t.group.Key)
	}
}

// Timeouts bound how long a server may be silent. Zero ones take the defaults named beside them.
type Timeouts struct {
	// Connect bounds the making of a connection (2 s).
	Connect time.Duration
	// FirstToken bounds the wait for an answer's first token (5 min), Silence that for each after it (1 min).
	FirstToken, Silence time.Duration
	// ProbeEvery is the time between two probes of a server (2 s), Probe how long one may take (2 s).
	ProbeEvery, Probe time.Duration
	// DiscoverEvery is the time between two looks for servers (5 s).
	DiscoverEvery time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	t.Connect = cmp.Or(t.Connect, 2*time.Second)
	t.FirstToken = cmp.Or(t.FirstToken, 5*time.Minute)
	t.Silence = cmp.Or(t.Silence, time.Minute)
	t.ProbeEvery = cmp.Or(t.ProbeEvery, 2*time.Second)
	t.Probe = cmp.Or(t.Probe, 2*time.Second)
	t.DiscoverEvery = cmp.Or(t.DiscoverEvery, 5*time.Second)
	return t
}
