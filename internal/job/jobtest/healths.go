package jobtest

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/resilience"
)

// healths are tests of what the check says.
func healths() map[string]func(*bench) {
	return map[string]func(*bench){
		"a job that may be begun and is not is unhealthy after a minute": func(b *bench) {
			b.health(health.Healthy)
			b.submit("a", order("a", job.Normal, short))
			b.pass(time.Minute)
			b.health(health.Healthy)
			b.pass(time.Second)
			b.health(health.Unhealthy)
			c := b.begin("a")
			b.health(health.Healthy)
			b.finish(c)
			b.health(health.Healthy)
		},
		"a job that waits for its time is healthy, and so is one that waits to run alone": func(b *bench) {
			b.submit("lone", order("a", job.Normal, short))
			for range 3 {
				b.begin("lone")
				b.crash(true)
			}
			b.submit("retried", order("b", job.Normal, short))
			if err := b.begin("retried").Fail(b.Context(), resilience.RetryAfter(scout.Errorf(scout.CodeEngineCrashed, "crashed"), 5*time.Minute)); err != nil {
				b.Fatal(err)
			}
			b.again(job.Limits{}) // in which nothing is under way
			b.pass(5 * time.Minute)
			b.health(health.Healthy)
			b.pass(2 * time.Minute)
			b.health(health.Unhealthy) // its time has come
			b.finish(b.begin("retried"))
			b.again(job.Limits{})
			b.pass(2 * time.Minute)
			b.health(health.Unhealthy) // and so has that of the lone one
			b.served("lone")
		},
		"a queue that is full is degraded": func(b *bench) {
			b.again(job.Limits{All: 3, PerClient: 2})
			for range 2 {
				b.health(health.Healthy)
				b.submit("of the owner", order("", job.Normal, short))
			}
			b.health(health.Healthy)
			b.submit("of the owner", order("", job.Normal, short))
			b.health(health.Degraded)
		},
		"a queue that is full for a client is degraded": func(b *bench) {
			b.again(job.Limits{All: 10, PerClient: 2})
			b.submit("a", order("a", job.Normal, short))
			b.submit("b", order("b", job.Low, short))
			b.health(health.Healthy)
			b.submit("a", order("a", job.Interactive, short))
			b.health(health.Degraded)
		},
	}
}

// health compares the status that the check gives.
func (b *bench) health(want health.Status) {
	b.Helper()
	if got := b.Check().Probe(b.Context()); got.Status != want {
		b.Errorf("%s (%s), want %s", got.Status, got.Reason, want)
	}
}
