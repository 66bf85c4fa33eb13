package llama

// #include "bridge.h"
import "C"

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// sink receives llama.cpp's log lines. It is global because the C library has one logger for the process.
var sink logSink

// logSink joins the fragments that C sends into lines and keeps the last error lines for error texts.
type logSink struct {
	mu      sync.Mutex
	once    sync.Once
	logger  *slog.Logger
	level   slog.Level
	partial strings.Builder
	errors  []string
	loading bool
}

// keptErrors bounds how many error lines an error text may quote.
const keptErrors = 8

// attach makes logger the receiver; nil discards. Until loaded is called error lines are not logged: what does not load
// is an error that quotes them.
func (s *logSink) attach(logger *slog.Logger) (loaded func()) {
	s.mu.Lock()
	s.logger, s.errors, s.loading = logger, nil, true
	s.mu.Unlock()
	s.install()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.loading = false
		for _, line := range s.errors { // of what loaded all the same
			s.log(slog.LevelError, line)
		}
		s.errors = nil
	}
}

// install takes the library's log lines, once for the process.
func (s *logSink) install() { s.once.Do(func() { C.qv_install_log() }) }

// takeErrors returns and forgets the error lines since the last call.
func (s *logSink) takeErrors() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.Join(s.errors, "; ")
	s.errors = nil
	return text
}

func (s *logSink) write(level C.int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if level != C.GGML_LOG_LEVEL_CONT {
		s.level = slogLevel(level)
	}
	s.partial.WriteString(text)
	if !strings.HasSuffix(text, "\n") {
		return
	}
	line := strings.TrimSpace(s.partial.String())
	s.partial.Reset()
	if strings.Trim(line, ".") == "" {
		return // llama.cpp draws its progress as dots
	}
	if s.level >= slog.LevelError {
		s.errors = append(s.errors[max(0, len(s.errors)-keptErrors+1):], line)
	}
	if s.loading && s.level >= slog.LevelError {
		return
	}
	s.log(s.level, line)
}

func (s *logSink) log(level slog.Level, line string) {
	if s.logger != nil {
		s.logger.Log(context.Background(), level, "llama.cpp", "line", line)
	}
}

// slogLevel lowers everything below an error to debug: llama.cpp prints its whole model card at info, and warns of
// every well-known token of Qwen's files.
func slogLevel(level C.int) slog.Level {
	if level == C.GGML_LOG_LEVEL_ERROR {
		return slog.LevelError
	}
	return slog.LevelDebug
}

//export qvLog
func qvLog(level C.int, text *C.char) {
	sink.write(level, C.GoString(text))
}
