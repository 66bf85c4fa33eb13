package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwenvld/qwenvld/engine/enginetest"
	"github.com/qwenvld/qwenvld/engine/process"
	"github.com/qwenvld/qwenvld/internal/demopair"
)

// The test binary is also the worker, with this variable set.
const playWorker = "QWENVLD_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(playWorker) != "" {
		if err := workerProcess(); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func workerProcess() error {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	var c Config
	if err := json.Unmarshal(line, &c); err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	return Run(context.Background(), Options{
		Config: c, Listener: listener, Lifeline: in, Handshake: os.Stdout, Logger: slog.New(slog.DiscardHandler),
	})
}

func TestWorkerProcessConforms(t *testing.T) {
	pair, err := demopair.Extract(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, model := range map[string]string{"instruct": pair.Instruct, "thinking": pair.Thinking} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, supervised(t, Config{Model: model, Projector: pair.Projector, ContextSize: 256, MaxSequences: 3, Threads: 1}))
		})
	}
}

// supervised is a worker process that ends with the test.
func supervised(t *testing.T, c Config) *process.Supervisor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	s := process.New(process.Options{Command: process.Command{Path: self, Env: append(os.Environ(), playWorker+"=1"), Config: config}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	patience, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	if err := s.Wait(patience); err != nil {
		t.Fatal(err)
	}
	return s
}
