package process

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

// tailBytes is how much of the end of the engine's stderr goes into an error.
const tailBytes = 8 << 10

// tail keeps the last tailBytes written to it and logs complete lines at debug level. It receives everything that the
// native library prints, on stdout and on stderr.
type tail struct {
	log *slog.Logger

	mu   sync.Mutex
	kept []byte
	line []byte
}

// Write never fails and blocks only on its own lock.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	if !t.log.Enabled(context.Background(), slog.LevelDebug) {
		return len(p), nil
	}
	t.line = append(t.line, p...)
	for {
		end := bytes.IndexByte(t.line, '\n')
		if end < 0 {
			break
		}
		t.log.Debug(eventEngineStderr, slog.String("line", string(t.line[:end])))
		t.line = t.line[end+1:]
	}
	if len(t.line) > tailBytes {
		t.line = t.line[:0]
	}
	return len(p), nil
}

// String returns the kept bytes, without surrounding white space.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "\uFFFD"))
}
