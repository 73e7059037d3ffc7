package api

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/resilience"
)

// A client is told when there may be room in the queue.
func TestARefusalSaysWhenToTryAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err                  error
		seconds, millisecond string
	}{
		{errors.New("full"), "1", "1000"},
		{fmt.Errorf("add: %w", &job.FullError{After: 7 * time.Second}), "7", "7000"},
		{&job.FullError{After: time.Hour}, "60", "60000"}, // the most that clients obey
		{&job.FullError{}, "1", "1000"},
		{resilience.RetryAfter(errors.New("full"), 2500*time.Millisecond), "3", "2500"},
	} {
		header := make(http.Header)
		announce(header.Set, http.StatusTooManyRequests, v1.Error{Retryable: true}, c.err)
		if s, ms := header.Get("Retry-After"), header.Get("Retry-After-Ms"); s != c.seconds || ms != c.millisecond {
			t.Errorf("%T: %s s, %s ms, want %s and %s", c.err, s, ms, c.seconds, c.millisecond)
		}
	}
}
