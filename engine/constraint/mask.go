package constraint

import "unicode/utf8"

// Mask returns the tokens allowed in s, one bit each. The slice must not be changed and does not change. The end of the
// answer is not among them: ask Accepts. It may take a while, and fails with ErrTooCostly before it takes long.
func (a *Automaton) Mask(s *State) ([]uint64, error) {
	if m := s.mask.Load(); m != nil {
		return *m, nil
	}
	mask, _, err := a.makeMask(s)
	return mask, err
}

// makeMask also says what the mask has cost.
func (a *Automaton) makeMask(s *State) (mask []uint64, cost int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := s.mask.Load(); m != nil {
		return *m, 0, nil
	}
	a.cost = 0
	mask = make([]uint64, a.vocab.words)
	loops, err := a.loopsOnText(s)
	switch {
	case err != nil:
	case loops:
		copy(mask, a.vocab.plain)
		err = a.walk(s, &a.vocab.odd, mask)
	default:
		err = a.walk(s, &a.vocab.all, mask)
	}
	if err != nil {
		return nil, a.cost, err
	}
	if (len(a.masks)+1)*a.vocab.words*8 > maxMaskBytes {
		for _, other := range a.masks {
			other.mask.Store(nil)
		}
		a.masks = a.masks[:0]
	}
	s.mask.Store(&mask)
	a.masks = append(a.masks, s)
	return mask, a.cost, nil
}

func (a *Automaton) walk(s *State, t *trie, mask []uint64) error {
	var path [maxTokenBytes + 1]*State
	path[0] = s
	for i := int32(0); int(i) < len(t.bytes); {
		if a.cost += costOfEntry; a.cost > maxCost {
			return ErrTooCostly
		}
		from := path[t.depth[i]]
		next := from.next[a.class[t.bytes[i]]].Load()
		if next == nil {
			var err error
			if next, err = a.step(from, t.bytes[i]); err != nil {
				return err
			}
		}
		if next == a.dead {
			i = t.skip[i]
			continue
		}
		path[t.depth[i]+1] = next
		if id := t.token[i]; id >= 0 {
			mask[id/64] |= 1 << (id % 64)
			for _, twin := range t.more[i] {
				mask[twin/64] |= 1 << (twin % 64)
			}
		}
		i++
	}
	return nil
}

// loopsOnText reports whether every plain character leads from s to s: the inside of a JSON string.
func (a *Automaton) loopsOnText(s *State) (bool, error) {
	if s.textLoops == 0 {
		loops, err := a.textLoop(s)
		if err != nil {
			return false, err
		}
		s.textLoops = -1
		if loops {
			s.textLoops = 1
		}
	}
	return s.textLoops > 0, nil
}

func (a *Automaton) textLoop(s *State) (bool, error) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		if c == '"' || c == '\\' {
			continue
		}
		if next, err := a.step(s, c); next != s {
			return false, err
		}
	}
	// Each kind of longer character by its lowest and highest one: edges are ranges, so what lies between goes the same
	// way.
	for _, seq := range utf8Ranges(utf8.RuneSelf, utf8.MaxRune) {
		for lead := int(seq[0].low); lead <= int(seq[0].high); lead++ {
			low, err := a.step(s, byte(lead))
			high := low
			for _, r := range seq[1:] {
				if err == nil {
					low, err = a.step(low, r.low)
				}
				if err == nil {
					high, err = a.step(high, r.high)
				}
			}
			if err != nil || low != s || high != s {
				return false, err
			}
		}
	}
	return true, nil
}
