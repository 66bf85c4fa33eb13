package generation

// replay gives again what was read, and then what is still to come.
type replay struct {
	seen   []Event
	failed error // what came after seen, nil where rest is to be read
	rest   Events
}

// Next gives the next event that was read already, or the next of the rest.
func (r *replay) Next() (Event, error) {
	if len(r.seen) > 0 {
		ev := r.seen[0]
		r.seen = r.seen[1:]
		return ev, nil
	}
	if r.failed != nil {
		return Event{}, r.failed
	}
	return r.rest.Next()
}

// Ready says whether Next would not block.
func (r *replay) Ready() bool { return len(r.seen) > 0 || r.failed != nil || r.rest.Ready() }

// Close ends the rest.
func (r *replay) Close() { r.rest.Close() }
