package residence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/placement"
)

// Hold implements engine.OnDemand.
func (m *Member) Hold(ctx context.Context, h engine.Hold) (release func(), err error) {
	k := m.keeper
	var ticket *placement.Ticket
	k.tell(func(p *placement.Plan, now time.Time) { ticket = p.Ask(m.id, now) })
	withdraw := sync.OnceFunc(func() {
		k.tell(func(p *placement.Plan, now time.Time) { p.Withdraw(ticket, h.KeepAlive, now) })
	})
	if at := m.look(ticket); h.Loaded && !at.granted && at.refused == nil {
		withdraw()
		return nil, &engine.UnavailableError{State: at.status.State}
	}
	if err := m.await(ctx, ticket, h.Waiting); err != nil {
		withdraw()
		return nil, err
	}
	return withdraw, nil
}

// await blocks until the ticket is granted.
func (m *Member) await(ctx context.Context, ticket *placement.Ticket, tell func(engine.UnavailableError)) error {
	late := time.NewTimer(m.keeper.patience)
	defer late.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for first := true; ; first = false {
		at := m.look(ticket)
		s, changed := at.status, at.changed
		switch {
		case at.refused != nil:
			return at.refused
		case at.granted:
			return nil
		case s.State == engine.StateStopped:
			return &engine.UnavailableError{State: engine.StateStopped}
		}
		if first && tell != nil {
			m.report(&s, tell)
		}
		select {
		case <-changed:
		case <-tick.C:
			if tell != nil {
				m.report(&s, tell)
			}
		case <-late.C:
			return m.tooLate()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// waiting is where a ticket and its unit stand.
type waiting struct {
	granted bool
	refused error
	status  placement.Status
	// changed is closed when any of it may have changed.
	changed <-chan struct{}
}

// look reads a ticket, which only the plan changes.
func (m *Member) look(ticket *placement.Ticket) waiting {
	k := m.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.plan.Status(m.id, time.Now())
	if k.stopped {
		s.State = engine.StateStopped
	}
	return waiting{granted: ticket.Granted(), refused: ticket.Refused(), status: s, changed: k.changed}
}

func (m *Member) report(s *placement.Status, tell func(engine.UnavailableError)) {
	if down := m.down(s); down != nil {
		tell(*down)
	}
}

func (m *Member) tooLate() error {
	s, _ := m.keeper.watch(m)
	down := m.down(&s)
	if down == nil {
		down = &engine.UnavailableError{State: engine.StateLoading}
	}
	down.Reason = fmt.Sprintf("not loaded within %v", m.keeper.patience)
	return down
}

// Unload implements engine.OnDemand.
func (m *Member) Unload(ctx context.Context) error {
	if s, _ := m.keeper.watch(m); s.State == engine.StateDownloading {
		return m.down(&s)
	}
	m.keeper.tell(func(p *placement.Plan, _ time.Time) { p.Dismiss(m.id) })
	for {
		s, changed := m.keeper.watch(m)
		if !s.Dismissed || s.State == engine.StateStopped {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readRate is how fast weights come from a disk, in bytes a second, as long as nobody knows better.
const readRate = 500 << 20

// farAway is how long weights are thought to take that are still being fetched.
const farAway = 10 * time.Minute

// Outlook implements engine.OnDemand.
func (m *Member) Outlook() engine.Outlook {
	k := m.keeper
	s, _ := k.watch(m)
	out := engine.Outlook{Memory: m.Memory()}
	m.mu.Lock()
	out.About = m.files.About
	load := m.took
	m.mu.Unlock()
	if load == 0 {
		load = time.Second + time.Duration(float64(s.Need.On(placement.Host))/readRate*float64(time.Second))
	}
	out.Down, out.Starting = m.down(&s), s.Wanted
	switch s.State {
	case engine.StateReady:
		if _, err := m.Info(context.Background()); err != nil { // it may be stalled, or being restarted
			errors.As(err, &out.Down)
			out.Hopeless = true
		}
	case engine.StateUnloaded, engine.StateLoading:
		out.Wait = load
	case engine.StateUnloading:
		out.Wait = 2 * load // another has its place meanwhile
	case engine.StateDownloading:
		out.Wait = farAway
	default: // failed or stopped
		out.Wait = load
		out.Hopeless = s.State != engine.StateFailed || s.RetryIn > 0
	}
	if out.Displaces = k.displaces(m); out.Wait > 0 && out.Displaces {
		out.Wait += load // what gives way is loaded again some time
	}
	return out
}

func (k *Keeper) displaces(m *Member) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.plan.Displaces(m.id)
}
