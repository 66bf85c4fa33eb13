package access

import (
	"errors"
	"sync"
	"testing"
	"time"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func refused(t *testing.T, err error, kind Kind) *LimitError {
	t.Helper()
	var e *LimitError
	if !errors.As(err, &e) || e.Kind != kind || e.Error() == "" {
		t.Fatalf("%v, want a limit of %s", err, kind)
	}
	return e
}

func TestKeysAreFoundByTheirHash(t *testing.T) {
	one, h1 := NewKey()
	two, h2 := NewKey()
	if one == two || len(one) < 40 {
		t.Fatalf("%q, %q", one, two)
	}
	parsed, err := ParseHash(h2.String())
	if err != nil || parsed != h2 {
		t.Fatal(err)
	}
	k := New([]Key{{Name: "one", Hash: h1}, {Name: "two", Hash: parsed}}, time.Now)
	for key, want := range map[string]string{one: "one", two: "two", one + "x": "", "": "", h1.String(): ""} {
		name := ""
		if a := k.Find(key); a != nil {
			name = a.Name()
		}
		if name != want {
			t.Errorf("%q gives %q, want %q", key, name, want)
		}
	}
	if k.Open() || !New(nil, time.Now).Open() {
		t.Error("open")
	}
	for _, bad := range []string{"", "ab", h1.String() + "00", "zz" + h1.String()[2:]} {
		if _, err := ParseHash(bad); err == nil {
			t.Errorf("parsed %q", bad)
		}
	}
}

func TestRequestsPerMinute(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	a := New([]Key{{RequestsPerMinute: 2}}, c.now).first()
	for range 2 {
		if err := a.Enter(); err != nil {
			t.Fatal(err)
		}
		a.Leave(10)
	}
	if e := refused(t, a.Enter(), Requests); e.RetryAfter != 30*time.Second {
		t.Errorf("retry after %s", e.RetryAfter)
	}
	if r, tokens := a.Budgets(); r.Limit != 2 || r.Remaining != 0 || r.Reset != time.Minute || tokens != nil {
		t.Errorf("%+v %+v", r, tokens)
	}
	c.t = c.t.Add(30 * time.Second)
	if err := a.Enter(); err != nil {
		t.Error(err)
	}
}

func TestTokensPerMinuteAreADebt(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	a := New([]Key{{TokensPerMinute: 600}}, c.now).first()
	if err := a.Enter(); err != nil {
		t.Fatal(err)
	}
	a.Leave(1800) // three minutes' worth
	e := refused(t, a.Enter(), Tokens)
	if e.RetryAfter < 2*time.Minute || e.RetryAfter > 2*time.Minute+time.Second {
		t.Errorf("retry after %s", e.RetryAfter)
	}
	if _, tokens := a.Budgets(); tokens.Remaining != 0 || tokens.Reset != 3*time.Minute {
		t.Errorf("%+v", tokens)
	}
	c.t = c.t.Add(e.RetryAfter)
	if err := a.Enter(); err != nil {
		t.Error(err)
	}
}

func TestConcurrentRequests(t *testing.T) {
	a := New([]Key{{Concurrent: 4}}, time.Now).first()
	var wg sync.WaitGroup
	results := make(chan error, 100)
	for range 100 {
		wg.Go(func() { results <- a.Enter() })
	}
	wg.Wait()
	close(results)
	in := 0
	for err := range results {
		if err == nil {
			in++
		} else {
			refused(t, err, Concurrency)
		}
	}
	if in != 4 {
		t.Errorf("%d are inside", in)
	}
	a.Leave(0)
	if err := a.Enter(); err != nil {
		t.Error(err)
	}
}

func (k *Keyring) first() *Account { return (*k.accounts.Load())[0] }

func TestReplacedKeysKeepTheirAccountsWhereTheyStayTheSame(t *testing.T) {
	one, h1 := NewKey()
	two, h2 := NewKey()
	same := Key{Name: "one", Hash: h1, Concurrent: 1}
	k := New([]Key{same}, time.Now)
	before := k.Find(one)
	if err := before.Enter(); err != nil {
		t.Fatal(err)
	}
	k.Replace([]Key{{Name: "two", Hash: h2}, same})
	if k.Find(one) != before || k.Find(two) == nil {
		t.Fatal("the key that stayed has another account, or the new one is not known")
	}
	refused(t, k.Find(one).Enter(), Concurrency)
	k.Replace([]Key{{Name: "one", Hash: h1, Concurrent: 2}})
	if k.Find(two) != nil || k.Find(one).Enter() != nil {
		t.Error("a key that was taken away is known, or a new limit does not hold")
	}
	before.Leave(0) // who was inside leaves by the account of its own
	k.Replace(nil)
	if !k.Open() {
		t.Error("without keys none is needed")
	}
}
