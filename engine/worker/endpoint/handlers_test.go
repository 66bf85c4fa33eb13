package endpoint

import "testing"

func TestHandlersAreLetInUntilTheyAreWaitedFor(t *testing.T) {
	var h handlers
	if !h.enter() {
		t.Fatal("refused")
	}
	waited := make(chan struct{})
	go func() {
		h.wait()
		close(waited)
	}()
	// Whoever comes while the last ones are waited for is refused.
	for h.enter() {
		h.leave()
	}
	select {
	case <-waited:
		t.Error("did not wait")
	default:
	}
	h.leave()
	<-waited
}
