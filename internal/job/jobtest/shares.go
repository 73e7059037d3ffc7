package jobtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/store"
)

// shares are tests of how much each client gets.
func shares() map[string]func(*bench) {
	const part = 5 * time.Minute
	return map[string]func(*bench){
		"ten clients that always have jobs of any length get the same": func(b *bench) {
			b.fair(b.contend(10, 3, 10*time.Minute, func(client, n int) time.Duration {
				return time.Duration(5+(client*13+n*29)%56) * time.Second
			}))
		},
		"fifty clients with long lines of clips get the same, whoever came first": func(b *bench) {
			b.fair(b.contend(50, 8, time.Minute, func(int, int) time.Duration { return short }))
		},
		"who sends long jobs gets no more than who sends short ones": func(b *bench) {
			b.fair(b.contend(4, 3, 40*time.Minute, func(client, _ int) time.Duration {
				return []time.Duration{short, time.Minute, 2 * time.Minute, 4 * time.Minute}[client]
			}))
		},
		"idling is no credit": func(b *bench) {
			for i := range 6 {
				b.submit(fmt.Sprint("a", i+1), order("a", job.Normal, long))
			}
			for i := range 3 {
				b.finish(b.begin(fmt.Sprint("a", i+1)))
			}
			for i := range 3 {
				b.submit(fmt.Sprint("b", i+1), order("b", job.Normal, long))
			}
			b.served("b1", "a4", "b2", "a5", "b3", "a6")
		},
		"nobody has a debt when all is done": func(b *bench) {
			b.submit("a1", order("a", job.Normal, long))
			b.served("a1")
			b.submit("a2", order("a", job.Normal, short))
			b.submit("b1", order("b", job.Normal, short))
			b.served("a2", "b1")
		},
		"the next process knows of no debt": func(b *bench) {
			b.submit("a1", order("a", job.Normal, long))
			b.submit("a2", order("a", job.Normal, short))
			b.submit("b1", order("b", job.Normal, 2*long))
			b.finish(b.begin("a1"))
			b.crash(false)
			b.served("a2", "b1")
		},
		"each class has its own shares": func(b *bench) {
			b.submit("urgent", order("a", job.Interactive, long))
			b.submit("a1", order("a", job.Normal, short))
			b.submit("b1", order("b", job.Normal, long))
			b.served("urgent", "a1", "b1")
		},
		"a job that is given back is charged once": func(b *bench) {
			b.submit("a1", order("a", job.Normal, long))
			b.submit("b1", order("b", job.Normal, long))
			if err := b.begin("a1").Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := b.begin("a1").Fail(b.Context(), scout.Errorf(scout.CodeEngineUnavailable, "paused")); err != nil {
				b.Fatal(err)
			}
			b.pass(time.Minute)
			b.served("a1", "b1")
		},
		"a job that is given back is raised as before": func(b *bench) {
			b.submit("low", order("a", job.Low, long))
			b.pass(2 * job.RaisedEvery)
			if err := b.begin("low").Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.submit("normal", order("b", job.Normal, short))
			b.served("low", "normal")
		},
		"an attempt that failed is charged for what it got through": func(b *bench) {
			b.submit("a1", order("a", job.Normal, long))
			for i := range 4 {
				b.submit(fmt.Sprint("b", i+1), order("b", job.Normal, 2*part-time.Minute))
			}
			b.finish(b.begin("b1")) // the shortest
			c := b.begin("a1")
			if err := c.Save(b.Context(), []byte(`{}`), 2*part+9*time.Minute); err != nil {
				b.Fatal(err)
			}
			if err := c.Fail(b.Context(), resilience.RetryAfter(scout.Errorf(scout.CodeEngineCrashed, "crashed"), time.Second)); err != nil {
				b.Fatal(err)
			}
			b.pass(time.Minute)
			b.served("b2", "b3", "a1", "b4") // after 19 minutes, 9 and 18 and 27
		},
		"a job of unknown length is charged for what was heard": func(b *bench) {
			b.submit("a1", order("a", job.Normal, 0))
			b.submit("a2", order("a", job.Normal, part))
			for i := range 3 {
				b.submit(fmt.Sprint("b", i+1), order("b", job.Normal, part))
			}
			c := b.begin("a1") // taken for a minute
			c.Heard(2 * part)
			b.finish(c)
			b.served("b1", "b2", "a2", "b3")
		},
		"a job of unknown length pays while it runs": func(b *bench) {
			b.submit("a1", order("a", job.Normal, 0))
			b.submit("a2", order("a", job.Normal, part))
			b.submit("b1", order("b", job.Normal, part))
			b.submit("b2", order("b", job.Normal, part))
			c := b.begin("a1")
			if err := c.Save(b.Context(), []byte(`{}`), 2*part+time.Second); err != nil {
				b.Fatal(err)
			}
			b.served("b1", "b2", "a2")
		},
		"a line that has waited for hours delays another client by what runs, and no more": func(b *bench) {
			for i := range 100 {
				b.submit(fmt.Sprint("a", i+1), order("a", job.Normal, long))
			}
			b.pass(5 * time.Hour)
			b.finish(b.begin("a1"))
			b.submit("b", order("b", job.Normal, short))
			b.finish(b.begin("b"))
			b.finish(b.begin("a2"))
			b.pass(job.RaisedEvery) // in which none of a's was begun
			b.submit("b", order("b", job.Normal, short))
			b.finish(b.begin("a3"))
			b.finish(b.begin("b"))
		},
	}
}

// turn is a job that is under way in a test that has no clock but the audio.
type turn struct {
	*job.Claimed
	ends time.Duration
}

// contend lets clients come one after the other with a line of jobs that stays as long as it is. Two jobs run at once, and each takes as long as its audio. It
// ends when the clients were served that much on average, and returns what each was served by then. The owner is one of them.
func (b *bench) contend(clients, waiting int, each time.Duration, length func(client, n int) time.Duration) map[string]time.Duration {
	b.Helper()
	const atOnce = 2
	b.again(job.Limits{All: 1 << 20, PerClient: 1 << 20})
	names := make(map[string]int)
	made, served := make([]int, clients), make(map[string]time.Duration)
	name := func(client int) string {
		if client == 0 {
			return ""
		}
		return fmt.Sprint("client ", client)
	}
	more := func(client int) {
		b.submit(fmt.Sprint(client, " ", made[client]), order(name(client), job.Normal, length(client, made[client])))
		made[client]++
	}
	for client := range clients {
		names[name(client)] = client
		served[name(client)] = 0
		for range waiting {
			more(client)
		}
	}
	var under []turn
	end := each * time.Duration(clients) / atOnce
	for now := time.Duration(0); now < end; {
		for len(under) < atOnce {
			c := b.claim()
			if c == nil {
				b.Fatal("nothing was begun, and all have jobs")
			}
			under = append(under, turn{c, now + c.Job.Length})
			served[c.Job.Client] += min(c.Job.Length, end-now)
			more(names[c.Job.Client])
		}
		slices.SortStableFunc(under, func(x, y turn) int { return int(x.ends - y.ends) })
		now = under[0].ends
		b.finish(under[0].Claimed)
		under = under[1:]
	}
	return served
}

// fair checks that nobody was served half as much again as another one.
func (b *bench) fair(served map[string]time.Duration) {
	b.Helper()
	least, most := time.Duration(1<<62), time.Duration(0)
	for _, d := range served {
		least, most = min(least, d), max(most, d)
	}
	if most >= least+least/2 {
		b.Errorf("clients were served %s to %s: %v", least, most, served)
	}
}

// anyShares checks the bound of start-time fair queueing: of two clients that have jobs all the time, in any interval one is begun no more audio than the
// other and the longest job of each.
func anyShares(t *testing.T, open Factory) {
	t.Helper()
	rapid.Check(t, func(r *rapid.T) {
		s := newSequence(t, open)
		defer func() { _ = s.store.Close() }() // the factory's cleanup says what is wrong
		clients := []string{"", "a", "b", "c"}[:rapid.IntRange(2, 4).Draw(r, "clients")]
		longest := time.Duration(rapid.SampledFrom([]int{1, 20, 300}).Draw(r, "longest"))
		submit := func(client string) {
			length := time.Duration(rapid.Int64Range(1, int64(longest)).Draw(r, "length")) * time.Second
			_, _, err := s.Submit(r.Context(), order(client, job.Normal, length))
			must(r, err)
		}
		for _, client := range clients {
			submit(client)
			submit(client)
		}
		begun, bound := make(map[string]time.Duration), make(map[string]time.Duration)
		least, most := make(map[[2]string]time.Duration), make(map[[2]string]time.Duration)
		var under []*job.Claimed
		for range 25 {
			if len(under) == 3 || len(under) > 0 && rapid.Bool().Draw(r, "end one") {
				at := rapid.IntRange(0, len(under)-1).Draw(r, "which")
				must(r, s.store.Update(r.Context(), func(tx store.Tx) error { return under[at].Finish(tx, 1) }))
				under[at].Committed()
				under = slices.Delete(under, at, at+1)
				continue
			}
			c, err := s.Claim(r.Context())
			must(r, err)
			under = append(under, c)
			client := c.Job.Client
			begun[client] += c.Job.Length
			bound[client] = max(bound[client], c.Job.Length)
			submit(client)
			for i, x := range clients {
				for _, y := range clients[:i] {
					pair, d := [2]string{x, y}, begun[x]-begun[y]
					least[pair], most[pair] = min(least[pair], d), max(most[pair], d)
					if most[pair]-least[pair] > bound[x]+bound[y] {
						r.Fatalf("%q was begun %s and %q %s: in some interval they differ by %s, with jobs of at most %s and %s", x, begun[x], y, begun[y], most[pair]-least[pair], bound[x], bound[y])
					}
				}
			}
		}
	})
}
