package intake

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func limits() Limits {
	return Limits{Body: 1 << 20, Total: 2 << 20, Readers: 8, Rate: 1000, Grace: 10 * time.Second}
}

// sender is a client's end of a connection on which a body comes in.
type sender struct {
	net.Conn
	done chan struct{}
	body *Body
	err  error
}

// send begins to read a body of unknown length from a new connection.
func send(in *Intake, client string) *sender {
	near, far := net.Pipe()
	s := &sender{Conn: far, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.body, s.err = in.Read(&Source{
			Client: client, Reader: near, Length: -1, Deadline: func(t time.Time) { _ = near.SetReadDeadline(t) },
		})
		_ = near.Close() // so that a sender learns that nobody reads
	}()
	return s
}

// trickle sends a byte at each interval until nobody reads.
func (s *sender) trickle(every time.Duration) {
	for {
		if _, err := s.Write([]byte("x")); err != nil {
			return
		}
		select {
		case <-time.After(every):
		case <-s.done:
			return
		}
	}
}

func (s *sender) all(data []byte) {
	_, _ = s.Write(data)
	_ = s.Close()
}

func (s *sender) result() (*Body, error) {
	<-s.done
	return s.body, s.err
}

func TestABodyThatTricklesIsBrokenOffAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := New(limits(), time.Now)
		start := time.Now()
		slow := send(in, "a")
		go slow.trickle(time.Second)
		if _, err := slow.result(); !errors.Is(err, ErrSlow) {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("took %s", took)
		}
		if in.Reading() != 0 || in.total != 0 || len(in.bytes) != 0 {
			t.Errorf("holds %d, %d, %v", in.Reading(), in.total, in.bytes)
		}
	})
}

func TestABodyThatKeepsUpItsRateMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := New(limits(), time.Now)
		s := send(in, "a")
		go func() {
			for range 300 { // five minutes
				_, _ = s.Write(make([]byte, 1100))
				time.Sleep(time.Second)
			}
			_ = s.Close()
		}()
		b, err := s.result()
		if err != nil || len(b.Bytes) != 300*1100 {
			t.Fatal(err)
		}
		b.Release()
		if in.total != 0 {
			t.Errorf("holds %d", in.total)
		}
	})
}

func TestManySlowBodiesDoNotKeepAQuickOneOut(t *testing.T) {
	for name, client := range map[string]string{"another client": "good", "the same client": "bad"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := New(limits(), time.Now)
				var slow []*sender
				for range 100 {
					s := send(in, "bad")
					slow = append(slow, s)
					go s.trickle(time.Second)
					time.Sleep(time.Millisecond)
				}
				time.Sleep(2 * time.Second)
				if in.Reading() == 0 {
					t.Fatal("nothing is being read")
				}
				start := time.Now()
				s := send(in, client)
				go s.all([]byte("{}"))
				if b, err := s.result(); err != nil || string(b.Bytes) != "{}" {
					t.Errorf("%v", err)
				}
				if took := time.Since(start); took > 0 {
					t.Errorf("took %s", took)
				}
				for _, s := range slow {
					if _, err := s.result(); err == nil {
						t.Error("a slow body was read")
					}
				}
			})
		})
	}
}

func TestOneClientCannotHoldAllBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := New(limits(), time.Now)
		large := make([]byte, 1<<20)
		var held []*Body
		refused := 0
		for range 4 {
			s := send(in, "greedy")
			go s.all(large)
			if b, err := s.result(); err == nil {
				held = append(held, b)
			} else if !errors.Is(err, ErrCrowded) {
				t.Fatal(err)
			} else {
				refused++
			}
		}
		if len(held) != 1 || refused != 3 {
			t.Fatalf("%d held, %d refused", len(held), refused)
		}
		other := send(in, "other")
		go other.all(make([]byte, 512<<10))
		b, err := other.result()
		if err != nil {
			t.Fatal(err)
		}
		// What is small comes in whoever holds what.
		small := send(in, "greedy")
		go small.all(make([]byte, Small/2))
		if _, err := small.result(); err != nil {
			t.Error(err)
		}
		for _, b := range append(held, b) {
			b.Release()
			b.Release()
		}
		if in.total != 0 || len(in.bytes) != 0 {
			t.Errorf("%d bytes are held: %v", in.total, in.bytes)
		}
	})
}

func TestSizesOfBodies(t *testing.T) {
	in := New(limits(), time.Now)
	none := func(time.Time) {}
	for size, fits := range map[int]bool{0: true, 1: true, 4095: true, 4096: true, 4097: true, 65536: true, 65537: true, 1 << 20: true, 1<<20 + 1: false} {
		data := bytes.Repeat([]byte("a"), size)
		for _, length := range []int64{-1, int64(size)} {
			b, err := in.Read(&Source{Client: "a", Reader: bytes.NewReader(data), Length: length, Deadline: none})
			var large *TooLargeError
			switch {
			case fits && (err != nil || !bytes.Equal(b.Bytes, data)):
				t.Errorf("%d bytes, length %d: %v", size, length, err)
			case !fits && !errors.As(err, &large):
				t.Errorf("%d bytes, length %d: %v", size, length, err)
			}
			b.Release()
		}
	}
	broken := io.MultiReader(strings.NewReader("{"), errReader{})
	if _, err := in.Read(&Source{Reader: broken, Length: -1, Deadline: none}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	if in.total != 0 || in.Reading() != 0 {
		t.Errorf("%d bytes, %d readers", in.total, in.Reading())
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
