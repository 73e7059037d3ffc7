package job

import (
	"cmp"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/store"
)

// RaisedEvery is how long a job waits until it counts as one class more urgent, so that none waits for ever. The time before a job of the same
// client and class was begun does not count: it waited behind its client's own, and another client that comes late must not wait for all of them.
const RaisedEvery = 10 * time.Minute

// classOf is the class that a job was given.
func classOf(j *store.Job) int { return max(0, j.Class) }

// classAt is the class of a waiting job at that time, and when it is raised next; zero for never. begun is when another job of its client and
// class was begun last. It ends at the most urgent class: there each client has its share, so that none is kept out. A clock that was set back
// raises nothing.
func classAt(j *store.Job, begun, now time.Time) (class int, raised time.Time) {
	from := j.Since
	if begun.After(from) {
		from = begun
	}
	steps := int(max(0, now.Sub(from)) / RaisedEvery)
	if class = classOf(j) - steps; class <= 0 {
		return 0, time.Time{}
	}
	return class, from.Add(time.Duration(steps+1) * RaisedEvery)
}

// placing is the place of each waiting job, and for how long that is so if nothing changes.
type placing struct {
	at          map[string]int
	from, until time.Time // until is zero for ever
}

// holds reports whether it is still so at that time.
func (p *placing) holds(now time.Time) bool {
	return !now.Before(p.from) && (p.until.IsZero() || now.Before(p.until))
}

// places are those of the jobs in a line, by their ids: the order in which they would be begun if nothing else came, all that run went on, and each
// got through what it is charged for. Jobs that wait for their time come after those that may be begun, and jobs that run alone are its end. The shares
// are changed.
func places(list []store.Job, s *shares, now time.Time) placing {
	p := placing{at: make(map[string]int), from: now}
	ends := func(at time.Time) {
		if p.until.IsZero() || at.Before(p.until) {
			p.until = at
		}
	}
	var waiting, later, lone []*store.Job
	for i := range list {
		switch j := &list[i]; {
		case j.State == store.JobRunning:
		case j.Alone:
			lone = append(lone, j)
		case !isDue(j, now):
			later = append(later, j)
			ends(j.NextAt)
		default:
			waiting = append(waiting, j)
			if j.NextAt.After(now) { // too far ahead to be meant
				ends(j.NextAt.Add(-longestPause))
			}
		}
	}
	line := s.line(waiting, now)
	if !line.until.IsZero() {
		ends(line.until)
	}
	for j, _ := line.next(); j != nil; j, _ = line.next() {
		p.at[j.ID] = len(p.at) + 1
	}
	slices.SortFunc(later, func(x, y *store.Job) int { return cmp.Or(x.NextAt.Compare(y.NextAt), cmp.Compare(x.Place, y.Place)) })
	slices.SortFunc(lone, func(x, y *store.Job) int { return cmp.Or(cmp.Compare(x.Ends, y.Ends), cmp.Compare(x.Place, y.Place)) })
	for _, j := range slices.Concat(later, lone) {
		p.at[j.ID] = len(p.at) + 1
	}
	return p
}
