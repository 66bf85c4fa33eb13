package schedule

import "testing"

// Pictures are looked for in their order, a few at a time, and encoded once it is known that nobody has them.
func TestPicturesAreLookedForBeforeTheyAreEncoded(t *testing.T) {
	l := viewers(8)
	l.Shelved = true
	s := New(l)
	var all []*Picture
	for i := range byte(6) {
		q := viewer(s, 10*(1+int(i)))
		s.Admit()
		wants(s, q, 0, 'a'+i)
	}
	if s.Encodes() {
		t.Error("a picture is encoded that nobody has looked for")
	}
	for s.Seeks() {
		all = append(all, s.NextSought())
	}
	if len(all) != mostSought || s.NextSought() != nil || all[0].Key[0] != 'a' || all[1].Key[0] != 'b' {
		t.Fatalf("%d are looked for", len(all))
	}
	s.Elsewhere(all[0]) // for which another waits no longer
	if p := s.NextSought(); p == nil || p.Key[0] != 'e' || s.Seeks() {
		t.Errorf("%+v", p)
	}
	s.Here(all[1])
	if r, _ := s.NextRun(); r == nil || len(r.Pictures) != 1 || r.Pictures[0] != all[1] || !s.Seeks() {
		t.Errorf("%+v", r)
	}
	s.Found(all[0])
	for _, p := range s.pictures {
		if p.Key[0] == 'a' {
			t.Error("what was found is looked for still")
		}
	}
	if !s.Underway([32]byte{'b'}) || !s.Underway([32]byte{'c'}) || s.Underway([32]byte{'a'}) {
		t.Error("it is not known what waits for the encoder")
	}
}

// Rows from elsewhere come faster than they are computed. They have the memory of what is encoded ahead, and the one
// that a sequence cannot go on without comes in any case.
func TestRowsFromElsewhereAreBounded(t *testing.T) {
	l := viewers(2)
	l.Shelved, l.RowBytes, l.AheadBytes = true, 2, 50
	s := New(l)
	q := NewSequence(Request{Prompt: []Segment{{Rows: 20, Image: true}, {Rows: 20, Image: true}, {Rows: 20, Image: true}, {Rows: 1}}, MaxTokens: 9})
	s.Enqueue(q)
	s.Admit()
	for i := range byte(3) {
		wants(s, q, int(i), 'a'+i)
	}
	first := s.NextSought()
	if first == nil || first.Key[0] != 'a' || s.NextSought() != nil { // 40 bytes each
		t.Fatalf("%+v", first)
	}
	q.Encoded(0)
	s.Found(first)
	if p := s.NextSought(); p != nil {
		t.Errorf("%c comes while the first waits", p.Key[0])
	}
	s.Computed(Part{Sequence: q, Rows: 20})
	if p := s.NextSought(); p == nil || p.Key[0] != 'b' || s.Seeks() {
		t.Errorf("%+v", p)
	}
}

// What nobody wants any more stays until it is known where it is, and is joined by whoever wants it next.
func TestWhatIsLookedForOutlastsItsViewer(t *testing.T) {
	l := viewers(2)
	l.Shelved = true
	s := New(l)
	q := viewer(s, 10)
	s.Admit()
	wants(s, q, 0, 'a')
	p := s.NextSought()
	s.Remove(q)
	if s.Seeks() || s.Encodes() {
		t.Error("something is left to do")
	}
	again := viewer(s, 10)
	s.Admit()
	wants(s, again, 0, 'a')
	if s.Seeks() {
		t.Error("one picture is looked for twice")
	}
	s.Here(p)
	if r, _ := s.NextRun(); r == nil || r.Pictures[0] != p || p.Wanted()[0].Sequence != again {
		t.Errorf("%+v", r)
	}
}
