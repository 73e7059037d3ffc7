package job

import (
	"cmp"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/store"
)

// RaisedEvery is how long a job waits until it counts as one class more urgent, so that none waits for ever.
const RaisedEvery = 10 * time.Minute

// candidate is a job that may be begun, and what its order depends on.
type candidate struct {
	job   *store.Job
	class int // after waiting
	turn  int // 1 for a client's first unfinished job, 2 for its second, ...
}

// classAt is the class of a waiting job at that time. It goes on beyond the most urgent class: otherwise a steady stream of short jobs
// would keep a long one out for ever. A clock that was set back raises nothing.
func classAt(j *store.Job, now time.Time) int {
	return j.Class - int(max(0, now.Sub(j.Since))/RaisedEvery)
}

// before is the order: class, turn, length, place. Places are never equal.
func (c *candidate) before(other *candidate) bool {
	return cmp.Or(cmp.Compare(c.class, other.class), cmp.Compare(c.turn, other.turn), cmp.Compare(c.job.Length, other.job.Length), cmp.Compare(c.job.Place, other.job.Place)) < 0
}

// choose returns the job that goes first; nil if there is none. first are the first waiting jobs of each client and class, running
// is how many jobs of each client run: they have the turns before.
//
// A client's own jobs go by class, then by place, so its first one at this time is among those, and no other one can go before it.
func choose(first []store.Job, running map[string]int, now time.Time) *store.Job {
	own := make(map[string]candidate)
	for i := range first {
		c := candidate{job: &first[i], class: classAt(&first[i], now), turn: running[first[i].Client] + 1}
		if best, found := own[c.job.Client]; !found || cmp.Or(cmp.Compare(c.class, best.class), cmp.Compare(c.job.Place, best.job.Place)) < 0 {
			own[c.job.Client] = c
		}
	}
	var best *candidate
	for _, c := range own {
		if best == nil || c.before(best) {
			best = &c
		}
	}
	if best == nil {
		return nil
	}
	return best.job
}

// places are those of the jobs in a line, by their ids; it holds what runs and what waits. Jobs that wait for their time come after those whose
// turn it may be, and jobs that run alone are its end.
func places(line []store.Job, now time.Time) map[string]int {
	turns := make(map[string]int)
	var all, later, lone []candidate
	for i := range line {
		switch j := &line[i]; {
		case j.State == store.JobRunning:
			turns[j.Client]++
		case j.Alone:
			lone = append(lone, candidate{job: j})
		case !isDue(j, now):
			later = append(later, candidate{job: j})
		default:
			all = append(all, candidate{job: j, class: classAt(j, now)})
		}
	}
	slices.SortFunc(all, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare(x.job.Place, y.job.Place))
	})
	for i := range all {
		turns[all[i].job.Client]++
		all[i].turn = turns[all[i].job.Client]
	}
	slices.SortFunc(all, func(x, y candidate) int {
		if x.before(&y) {
			return -1
		}
		return 1
	})
	slices.SortFunc(later, func(x, y candidate) int { return x.job.NextAt.Compare(y.job.NextAt) })
	slices.SortFunc(lone, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.job.Ends, y.job.Ends), cmp.Compare(x.job.Place, y.job.Place))
	})
	at := make(map[string]int)
	for i, c := range slices.Concat(all, later, lone) {
		at[c.job.ID] = i + 1
	}
	return at
}
