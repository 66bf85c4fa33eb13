// Package access knows who may ask and how much: API keys, of which only hashes are kept, and their limits of requests,
// tokens and concurrency.
//
// It must not know HTTP: package api reads the key from a request and turns a LimitError into a status.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Hash is the SHA-256 of a key. Keys are 256 random bits, so a plain hash cannot be turned back.
type Hash [sha256.Size]byte

// ParseHash reads a hash from hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("must be %d hexadecimal digits, the SHA-256 of a key", 2*len(h))
	}
	copy(h[:], b)
	return h, nil
}

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// NewKey makes a key and its hash.
func NewKey() (key string, h Hash) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	key = "sk-" + base64.RawURLEncoding.EncodeToString(b[:])
	return key, sha256.Sum256([]byte(key))
}

// Key is a client's key and what it may ask for; limits of 0 are none.
type Key struct {
	Name              string // for logs
	Hash              Hash
	RequestsPerMinute int
	TokensPerMinute   int // prompts and answers together
	Concurrent        int // requests at a time
	// Admin lets its owner administer the server.
	Admin bool
}

// Keyring holds the accounts of all keys. It is safe for concurrent use.
type Keyring struct {
	now      func() time.Time
	accounts atomic.Pointer[[]*Account]
}

// New makes a Keyring that reads the time from now.
func New(keys []Key, now func() time.Time) *Keyring {
	k := &Keyring{now: now}
	k.Replace(keys)
	return k
}

// Replace has only keys be accepted from now on. Those that stay as they were keep their accounts; one whose limits
// change begins with all of the new ones. Requests that are inside are not ended. Replacing at the same time as another
// is not safe.
func (k *Keyring) Replace(keys []Key) {
	var before []*Account
	if p := k.accounts.Load(); p != nil {
		before = *p
	}
	accounts := make([]*Account, 0, len(keys))
	for _, key := range keys {
		i := slices.IndexFunc(before, func(a *Account) bool { return a.key == key })
		if i >= 0 {
			accounts = append(accounts, before[i])
			continue
		}
		accounts = append(accounts, &Account{
			key: key, now: k.now, requests: perMinute(key.RequestsPerMinute), tokens: perMinute(key.TokensPerMinute),
		})
	}
	k.accounts.Store(&accounts)
}

func perMinute(n int) *rate.Limiter {
	if n == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(float64(n)/time.Minute.Seconds()), n)
}

// Open says whether no key is needed.
func (k *Keyring) Open() bool { return len(*k.accounts.Load()) == 0 }

// Administered says whether there is a key that may administer the server.
func (k *Keyring) Administered() bool {
	return slices.ContainsFunc(*k.accounts.Load(), (*Account).Administers)
}

// Find gives the account of a key, nil if there is none. It takes the same time whichever key is right.
func (k *Keyring) Find(key string) *Account {
	h := sha256.Sum256([]byte(key))
	var found *Account
	for _, a := range *k.accounts.Load() {
		if subtle.ConstantTimeCompare(h[:], a.key.Hash[:]) == 1 {
			found = a
		}
	}
	return found
}

// Account counts what is done with one key.
type Account struct {
	key              Key
	now              func() time.Time
	requests, tokens *rate.Limiter // nil without a limit

	mu     sync.Mutex
	inside int
}

// Name is the key's name.
func (a *Account) Name() string { return a.key.Name }

// Administers says whether the owner of the key may administer the server.
func (a *Account) Administers() bool { return a.key.Admin }

// Kind is what a limit is on.
type Kind string

// Kinds of limits.
const (
	Requests    Kind = "requests"
	Tokens      Kind = "tokens"
	Concurrency Kind = "concurrent requests"
)

// LimitError refuses a request for now.
type LimitError struct {
	Kind       Kind
	Limit      int
	RetryAfter time.Duration
}

func (e *LimitError) Error() string {
	if e.Kind == Concurrency {
		return fmt.Sprintf("this key may have %d %s", e.Limit, e.Kind)
	}
	return fmt.Sprintf("this key may use %d %s per minute", e.Limit, e.Kind)
}

// concurrencyRetry is when to try again after too many requests at once: nobody knows when one ends.
const concurrencyRetry = time.Second

// Enter counts a request, or fails with *LimitError. Each Enter that succeeds needs a Leave. What a request takes in
// tokens is known only afterwards, so it is let in while any are left, and the debt is waited for later.
func (a *Account) Enter() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if a.key.Concurrent > 0 && a.inside >= a.key.Concurrent {
		return &LimitError{Concurrency, a.key.Concurrent, concurrencyRetry}
	}
	if a.tokens != nil {
		if left := a.tokens.TokensAt(now); left < 1 {
			return &LimitError{Tokens, a.key.TokensPerMinute, wait(a.tokens, 1-left)}
		}
	}
	if a.requests != nil && !a.requests.AllowN(now, 1) {
		return &LimitError{Requests, a.key.RequestsPerMinute, wait(a.requests, 1-a.requests.TokensAt(now))}
	}
	a.inside++
	return nil
}

// wait is how long n take to come in.
func wait(l *rate.Limiter, n float64) time.Duration {
	return time.Duration(max(0, n) / float64(l.Limit()) * float64(time.Second))
}

// Leave ends a request that took so many tokens.
func (a *Account) Leave(tokens int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside--
	if a.tokens == nil {
		return
	}
	// A limiter lends no more than its burst at once.
	for now := a.now(); tokens > 0; {
		n := min(tokens, a.tokens.Burst())
		a.tokens.ReserveN(now, n)
		tokens -= n
	}
}

// Budget is how much of a limit is left, and when all of it will be.
type Budget struct {
	Limit, Remaining int
	Reset            time.Duration
}

// Budgets are those of requests and tokens, nil without a limit.
func (a *Account) Budgets() (requests, tokens *Budget) {
	now := a.now()
	return budget(a.requests, now), budget(a.tokens, now)
}

func budget(l *rate.Limiter, now time.Time) *Budget {
	if l == nil {
		return nil
	}
	left := l.TokensAt(now)
	return &Budget{Limit: l.Burst(), Remaining: max(0, int(math.Floor(left))), Reset: wait(l, float64(l.Burst())-left)}
}
