package retention_test

import (
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/health"
)

// A database that cannot be used is told at once, and not with the next sweep.
func TestRetentionWithoutADatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.sweeper.HealthCheck().Probe(t.Context()); r.Status != health.Healthy {
		t.Fatalf("%+v", r)
	}
	w.must(w.store.Close())
	if r := w.sweeper.HealthCheck().Probe(t.Context()); r.Status != health.Degraded || !strings.Contains(r.Reason, "nothing is removed while the database cannot be used") {
		t.Errorf("%+v", r)
	}
	w.open()
	if r := w.sweeper.HealthCheck().Probe(t.Context()); r.Status != health.Healthy {
		t.Errorf("afterwards: %+v", r)
	}
}
