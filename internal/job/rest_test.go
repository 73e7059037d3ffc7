package job

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// Jobs that are not begun because the queue rests do not make it unhealthy.
func TestAQueueThatRestsIsHealthy(t *testing.T) {
	t.Parallel()
	clock := new(storetest.Clock)
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	clock.Set(at)
	st := sqlitetest.Open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{Now: clock.Now})
	defer func() { _ = st.Close() }() // the test is over
	q := New(Options{Store: st, Now: clock.Now, Kinds: map[string]Work{KindTranscribe: func(context.Context, *Claimed) error { return nil }}})
	if _, _, err := q.Submit(t.Context(), Order{Kind: KindTranscribe}); err != nil {
		t.Fatal(err)
	}
	at = at.Add(2 * time.Minute)
	for _, c := range []struct {
		situation string
		begin     func()
		after     time.Duration
		want      health.Status
	}{
		{"nothing is done", func() {}, 0, health.Unhealthy},
		{"it rests", q.rest, 0, health.Healthy},
		{"it rests still", func() {}, restFor - time.Millisecond, health.Healthy},
		{"the rest is over", func() {}, restFor, health.Unhealthy},
		{"the clock was set back", func() {}, -time.Second, health.Unhealthy},
		{"an attempt has succeeded", q.goOn, 0, health.Unhealthy},
	} {
		clock.Set(at)
		c.begin()
		clock.Set(at.Add(c.after))
		if got := q.Check().Probe(t.Context()); got.Status != c.want {
			t.Errorf("%s: %s (%s), want %s", c.situation, got.Status, got.Reason, c.want)
		}
	}
}
