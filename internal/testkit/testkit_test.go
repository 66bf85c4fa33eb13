package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qwenvld/qwenvld/internal/testkit"
)

func TestEventuallyWaitsForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		happened := make(chan struct{})
		time.AfterFunc(10*time.Second, func() { close(happened) })
		testkit.Eventually(t, "the timer", func() bool {
			select {
			case <-happened:
				return true
			default:
				return false
			}
		})
	})
}

// failure stands in for a test that fails.
type failure struct {
	testing.TB
	message string
}

func (f *failure) Helper() {}

func (f *failure) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(f)
}

// failureOf runs f and returns the message that it failed with.
func failureOf(t *testing.T, f func(tb testing.TB)) string {
	t.Helper()
	tb := &failure{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != tb {
				panic(r)
			}
		}()
		f(tb)
	}()
	return tb.message
}

func TestWhatDoesNotHappenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := failureOf(t, func(tb testing.TB) { testkit.Eventually(tb, "the end of time", func() bool { return false }) })
		if got != "the end of time did not come in 1m0s" {
			t.Errorf("%q", got)
		}
	})
	if got := failureOf(t, func(tb testing.TB) { testkit.JSON(tb, make(chan int)) }); !strings.Contains(got, "chan int") {
		t.Errorf("%q", got)
	}
}

func TestABufferTakesTheLinesOfManyGoroutines(t *testing.T) {
	var b testkit.Buffer
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			for range 20 {
				fmt.Fprintln(&b, "a line")
				_ = b.String()
			}
		})
	}
	group.Wait()
	if got := strings.Count(b.String(), "a line\n"); got != 1000 {
		t.Errorf("%d lines", got)
	}
	if b.Reset(); b.String() != "" {
		t.Errorf("%q is left", b.String())
	}
}

func TestACountdownEndsAfterItsLooks(t *testing.T) {
	ctx := &testkit.Countdown{Context: t.Context(), Looks: 2}
	for look, want := range []error{nil, nil, context.Canceled, context.Canceled} {
		if got := ctx.Err(); !errors.Is(got, want) {
			t.Errorf("look %d: %v", look, got)
		}
	}
}
