package api

import (
	"errors"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/api/generation"
	"github.com/qwenvld/qwenvld/api/intake"
	"github.com/qwenvld/qwenvld/api/request"
)

// Live are the parts of a Config that can be changed while it is served. Zeros take the defaults of Config.
type Live struct {
	Keys   []access.Key
	Limits request.Limits
	Bodies intake.Limits
	Rules  generation.Rules
}

// Reload has l hold for requests from now on; those that are worked on end as they began. Where it fails, nothing has
// changed. Reloading twice at the same time is not safe.
func (s *Server) Reload(l *Live) error {
	if l.Rules.Router == nil {
		return errors.New("api: needs a router")
	}
	limits := l.Limits.WithDefaults()
	if err := s.core.SetRules(&l.Rules); err != nil {
		return err
	}
	s.keys.Replace(l.Keys)
	s.bodies.SetLimits(bodyLimits(l.Bodies, &limits))
	s.trip.Policy.SetLimits(limits)
	return nil
}
