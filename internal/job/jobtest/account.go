package jobtest

import (
	"cmp"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// account is what the rule of shares says, from a list of all attempts that this process has begun: nothing is kept that can be counted again.
type account struct {
	attempts []*entry
}

// entry is an attempt in the list.
type entry struct {
	job     store.Job     // as it was begun
	class   int           // in which it waited
	began   time.Time     // by the clock
	start   time.Duration // in virtual time
	waived  time.Duration // how much of that its client was not served: it had no work
	price   time.Duration
	got, at time.Duration // see Save
	over    bool
	back    bool // the job was given back
	old     bool // the class has had nothing to do since
}

// guess is what a job costs as long as nobody knows better.
func guess(j *store.Job) time.Duration {
	switch {
	case j.Length == 0:
		return time.Minute
	case j.Length-j.Done < time.Second:
		return time.Second
	}
	return j.Length - j.Done
}

// present is the virtual time of a class: where the last job of it has begun.
func (a *account) present(class int) (at time.Duration) {
	for _, e := range a.attempts {
		if e.class == class && !e.old {
			at = e.start
		}
	}
	return at
}

// paid is what a client was served in a class.
func (a *account) paid(client string, class int) (sum time.Duration) {
	for _, e := range a.attempts {
		if e.class == class && e.job.Client == client && !e.old {
			sum += e.waived + e.price
		}
	}
	return sum
}

// class is that of a waiting job: one more urgent for each time that neither it nor another one of its client and class waited in vain.
func (a *account) class(j *store.Job, now time.Time) int {
	class := j.Class
	for at := job.RaisedEvery; class > 0 && !a.since(j).Add(at).After(now); at += job.RaisedEvery {
		class--
	}
	return class
}

// since is when the first of the jobs of a client and class began to wait.
func (a *account) since(j *store.Job) time.Time {
	since := j.Since
	for _, e := range a.attempts {
		if e.job.Client == j.Client && e.job.Class == j.Class && !e.back && e.began.After(since) {
			since = e.began
		}
	}
	return since
}

// idle makes the classes forget in which nothing is under way, and that are not among those in which jobs wait.
func (a *account) idle(waiting ...int) {
	for _, e := range a.attempts {
		working := slices.Contains(waiting, e.class)
		for _, other := range a.attempts {
			working = working || other.class == e.class && !other.over
		}
		e.old = e.old || !working
	}
}

// first is the job that goes first of those that may be begun, and its class; all of them are there, and those that run alone are not.
func (a *account) first(line []store.Job, now time.Time) (first store.Job, class int) {
	type waiting struct {
		store.Job
		class int
		start time.Duration
	}
	var heads []waiting
	for _, j := range line {
		if !slices.ContainsFunc(line, func(k store.Job) bool { return k.Client == j.Client && k.Class == j.Class && k.Place < j.Place }) {
			heads = append(heads, waiting{Job: j, class: a.class(&j, now)})
		}
	}
	classes := make([]int, len(heads))
	for i := range heads {
		classes[i] = heads[i].class
	}
	a.idle(classes...)
	var candidates []waiting
	for _, w := range heads {
		w.start = max(a.paid(w.Client, w.class), a.present(w.class))
		if !slices.ContainsFunc(heads, func(x waiting) bool { return x.Client == w.Client && x.class == w.class && x.Place < w.Place }) {
			candidates = append(candidates, w)
		}
	}
	w := slices.MinFunc(candidates, func(x, y waiting) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare(x.start, y.start), cmp.Compare(guess(&x.Job), guess(&y.Job)), cmp.Compare(x.Place, y.Place))
	})
	return w.Job, w.class
}

// begin notes an attempt.
func (a *account) begin(j store.Job, class int, now time.Time) *entry {
	paid := a.paid(j.Client, class)
	e := &entry{job: j, class: class, began: now, start: max(paid, a.present(class)), price: guess(&j), at: j.Done}
	e.waived = e.start - paid
	a.attempts = append(a.attempts, e)
	return e
}

// save notes how far an attempt is.
func (e *entry) save(at time.Duration) {
	if at > e.at {
		e.got += at - e.at
	}
	e.at = at
	if !e.over && e.got > e.price {
		e.price = e.got
	}
}

// end notes that an attempt is over, for a price.
func (e *entry) end(price time.Duration, back bool) {
	if !e.over {
		e.over, e.back, e.price = true, back, price
	}
}

// finished, failed and returned are its ends.
func (e *entry) finished() {
	if e.job.Length == 0 {
		e.end(e.price, false)
		return
	}
	e.end(max(time.Second, e.got+max(0, e.job.Length-e.at)), false)
}
func (e *entry) failed()   { e.end(max(time.Second, e.got), false) }
func (e *entry) returned() { e.end(e.got, true) }

// due are the jobs of a sequence that may be begun, those that run alone and may be, and what else there is.
func (s *sequence) due(r *rapid.T) (line, lone []store.Job, running, aloneRuns, later bool) {
	now := s.clock.Now()
	for _, id := range s.ids {
		switch j := s.get(r, id); {
		case j.State == store.JobRunning:
			running, aloneRuns = true, aloneRuns || j.Alone
		case !j.State.Waiting():
		case j.Alone && !j.NextAt.After(now):
			lone = append(lone, j)
		case j.Alone:
		case j.NextAt.After(now):
			later = true
		default:
			line = append(line, j)
		}
	}
	return line, lone, running, aloneRuns, later
}
