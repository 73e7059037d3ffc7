package files

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// Answers are kept for requests that are sent again with the same Idempotency-Key, and only in memory: by default nothing of a request of
// /v1 may stay behind.
const (
	answersFor   = 10 * time.Minute
	answersBytes = 64 << 20
)

// answer is what a request got.
type answer struct {
	request string // its hash
	header  http.Header
	body    []byte
	until   time.Time
}

func (a *answer) size() int { return len(a.body) + 1024 } // with its headers and its place here

// answers are kept by the key of their request.
type answers struct {
	mu    sync.Mutex
	under map[string]chan struct{} // requests that are being carried out
	kept  map[string]*answer
	order []string // of kept, the oldest first
	bytes int
}

func newAnswers() *answers {
	return &answers{under: make(map[string]chan struct{}), kept: make(map[string]*answer)}
}

// board waits until no other request with the key is carried out. It returns the answer to the same request, if there is one; otherwise the
// caller carries the request out, and calls leave with what it got, nil for a failure.
func (a *answers) board(ctx context.Context, key, request string) (earlier *answer, leave func(*answer), err error) {
	for {
		a.mu.Lock()
		ahead, busy := a.under[key]
		if !busy {
			break
		}
		a.mu.Unlock()
		select {
		case <-ahead:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	defer a.mu.Unlock()
	a.expire(time.Now())
	if found := a.kept[key]; found != nil {
		if found.request != request {
			return nil, nil, scout.Errorf(scout.CodeIdempotencyKey, "this %s was used for another request", v1.HeaderIdempotency)
		}
		return found, nil, nil
	}
	mine := make(chan struct{})
	a.under[key] = mine
	return nil, func(got *answer) {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.under, key)
		close(mine)
		if got != nil && got.size() <= answersBytes {
			got.request, got.until = request, time.Now().Add(answersFor)
			a.kept[key] = got
			a.order = append(a.order, key)
			a.bytes += got.size()
			a.expire(time.Now())
		}
	}, nil
}

// expire forgets what is too old, or too much. All are kept for as long: the oldest ends first.
func (a *answers) expire(now time.Time) {
	for len(a.order) > 0 {
		oldest := a.kept[a.order[0]]
		if now.Before(oldest.until) && a.bytes <= answersBytes {
			return
		}
		a.bytes -= oldest.size()
		delete(a.kept, a.order[0])
		a.order = a.order[1:]
	}
}

// size is that of all that is kept.
func (a *answers) size() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes
}

// again gives an answer once more.
func (a *answer) again(w http.ResponseWriter) {
	h := w.Header()
	for _, name := range []string{"Content-Type", "Cache-Control", "X-Accel-Buffering", openai.HeaderModel, headerSetAside} {
		if value := a.header.Get(name); value != "" {
			h.Set(name, value)
		}
	}
	h.Set(v1.HeaderReplayed, "true")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(a.body) // the client may be gone
}

// copying keeps a copy of an answer that succeeds.
type copying struct {
	http.ResponseWriter
	status int
	body   []byte
	broken bool // a part of it failed, or it is too large
}

// WriteHeader notes the status.
func (c *copying) WriteHeader(status int) {
	if c.status == 0 && status >= http.StatusOK {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write copies.
func (c *copying) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if len(c.body)+len(p) > answersBytes {
		c.broken, c.body = true, nil
	} else if !c.broken {
		c.body = append(c.body, p...)
	}
	return c.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (c *copying) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// answer is what was copied; nil where it is no success.
func (c *copying) answer() *answer {
	if c.broken || c.status != http.StatusOK {
		return nil
	}
	return &answer{header: c.Header().Clone(), body: c.body}
}
