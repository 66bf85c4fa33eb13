package day

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
)

// keyring is the key that clients use at the moment, with the entry of the configuration that lets it in. It is safe
// for concurrent use.
type keyring struct {
	mu         sync.Mutex
	key, entry string
}

// newKeyring has the program make a key.
func newKeyring(ctx context.Context, t *day, name string) (*keyring, error) {
	cmd := exec.CommandContext(ctx, t.unit.below("/usr/local/bin/qwenvld"), "key", name) //nolint:gosec // the binary under trial
	var entry, key bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = t.Environ, &entry, &key
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("make a key: %w\n%s", err, key.String())
	}
	_, secret, ok := strings.Cut(key.String(), "=")
	if !ok {
		return nil, errors.New("the program shows no key")
	}
	return &keyring{key: strings.TrimSpace(secret), entry: entry.String()}, nil
}

func (k *keyring) current() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key
}

func (k *keyring) entries() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.entry
}

// replace has clients use another key, and returns the one that they used.
func (k *keyring) replace(other *keyring) (old *keyring) {
	key, entry := other.current(), other.entries()
	k.mu.Lock()
	defer k.mu.Unlock()
	old = &keyring{key: k.key, entry: k.entry}
	k.key, k.entry = key, entry
	return old
}
