package job

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/store"
)

const (
	// unknownLength is what a job is charged at first whose length is not known. What it gets through beyond that is charged as it does.
	unknownLength = time.Minute
	// leastPrice is what an attempt costs that came to its end: a job has work that its audio does not measure.
	leastPrice = time.Second
)

// share names what a client has of a class.
type share struct {
	client string
	class  int
}

// shares are what clients were served, in seconds of audio. They are those of start-time fair queueing with equal weights (Goyal, Vin, Cheng:
// "Start-time Fair Queueing", SIGCOMM 1996), for each class by itself. A client's next job begins, in virtual time, where its last one ends, and
// not before the virtual time of its class; the class is where the job began that was begun last. So what a client has not asked for is no credit,
// and whoever has work is at most its longest job ahead of the class.
//
// They are in memory only. Its owner guards them.
type shares struct {
	// served is where the last job of a client ends, and now where the class is.
	served map[share]time.Duration
	now    map[int]time.Duration
	// begun is when a job of a client, and of the class that it was given, was begun last; of jobs that are not under way.
	begun map[share]time.Time
	// under are the charges of attempts that are under way.
	under map[*charge]struct{}
	// version is another one after each change.
	version uint64
}

// charge is what an attempt costs its client.
type charge struct {
	share share // that pays
	given share // with the class that the job was given
	began time.Time
	price time.Duration // as it is charged
	got   time.Duration // how much audio the attempt got through
	at    time.Duration // where in the audio it is
	total time.Duration // of the audio; 0 where that is not known
}

func newShares() *shares {
	return &shares{served: make(map[share]time.Duration), now: make(map[int]time.Duration), begun: make(map[share]time.Time), under: make(map[*charge]struct{})}
}

// clone returns shares that may be changed without these.
func (s *shares) clone() *shares {
	return &shares{served: maps.Clone(s.served), now: maps.Clone(s.now), begun: maps.Clone(s.begun), under: maps.Clone(s.under), version: s.version}
}

// priceOf is what a job is charged when it is begun: the audio that is not done yet.
func priceOf(j *store.Job) time.Duration {
	if besides(j) {
		return leastPrice
	}
	if j.Length <= 0 {
		return unknownLength
	}
	return max(j.Length-j.Done, leastPrice)
}

// lastBegun is when a job of a client and of a given class was begun last; zero if none was. A clock that was set back knows of none.
func (s *shares) lastBegun(given share, now time.Time) time.Time {
	last := s.begun[given]
	if last.After(now) {
		last = time.Time{}
	}
	for c := range s.under {
		if c.given == given && c.began.After(last) && !c.began.After(now) {
			last = c.began
		}
	}
	return last
}

// take charges a job that is begun at that time, and that waited in a class.
func (s *shares) take(j *store.Job, class int, now time.Time) *charge {
	c := &charge{share: share{j.Client, class}, given: share{j.Client, j.Class}, began: now, price: priceOf(j), at: j.Done, total: j.Length}
	s.under[c] = struct{}{}
	s.version++
	return c
}

// moved notes how far in its audio an attempt is. A job that turns out to be longer than it was charged for pays as it goes: changed says so.
func (s *shares) moved(c *charge, at time.Duration) (changed bool) {
	c.got += max(0, at-c.at)
	c.at = at
	if _, under := s.under[c]; !under || c.got <= c.price {
		return false
	}
	s.charge(c, c.got)
	return true
}

func (s *shares) charge(c *charge, price time.Duration) {
	s.served[c.share] += price - c.price
	c.price = price
	s.version++
}

// end settles the charge of an attempt that is over. With returned, its job was given back: it counts as if it had not been begun. What
// is over already stays as it is.
func (s *shares) end(c *charge, price time.Duration, returned bool) {
	if _, under := s.under[c]; !under {
		return
	}
	s.charge(c, price)
	delete(s.under, c)
	if !returned && c.began.After(s.begun[c.given]) {
		s.begun[c.given] = c.began
	}
}

// lane is what waits of a client and of a class that was given, by place.
type lane struct {
	given share
	jobs  []*store.Job
}

// flow is the lanes of a client whose first jobs are in a class, after waiting.
type flow struct {
	share  share
	served time.Duration
	lanes  []*lane
	// What follows is that of the job that goes first: a client's own jobs keep their order. Where it starts stays so while others are begun: they start
	// no later.
	first        *lane
	start, price time.Duration
	place        int64
}

// before is the order: class, start, price, place. Places are never equal.
func (f *flow) before(other *flow) bool {
	return cmp.Or(cmp.Compare(f.share.class, other.share.class), cmp.Compare(f.start, other.start), cmp.Compare(f.price, other.price), cmp.Compare(f.place, other.place)) < 0
}

// line gives waiting jobs in the order in which they are begun.
type line struct {
	shares *shares // change with each job that is begun
	flows  []*flow // that have lanes
	all    map[share]*flow
	// until is when a job is raised next; zero for never.
	until time.Time
}

// line puts jobs that may be begun into their order. A class in which nothing waits and nothing is under way begins anew: nobody has a debt of long
// ago.
func (s *shares) line(waiting []*store.Job, now time.Time) *line {
	l := &line{shares: s, all: make(map[share]*flow)}
	lanes := make(map[share]*lane)
	for _, j := range waiting {
		given := share{j.Client, j.Class}
		w := lanes[given]
		if w == nil {
			w = &lane{given: given}
			lanes[given] = w
		}
		w.jobs = append(w.jobs, j)
	}
	at := make(map[*lane]int, len(lanes))
	classes := make(map[int]bool)
	for c := range s.under {
		classes[c.share.class] = true
	}
	for _, w := range lanes {
		slices.SortFunc(w.jobs, func(x, y *store.Job) int { return cmp.Compare(x.Place, y.Place) })
		class, raised := classAt(w.jobs[0], s.lastBegun(w.given, now), now)
		if !raised.IsZero() && (l.until.IsZero() || raised.Before(l.until)) {
			l.until = raised
		}
		at[w], classes[class] = class, true
	}
	for class := range s.now {
		if !classes[class] {
			delete(s.now, class)
			maps.DeleteFunc(s.served, func(of share, _ time.Duration) bool { return of.class == class })
		}
	}
	for w, class := range at {
		l.put(w, class)
	}
	return l
}

// put lets a lane wait in a class.
func (l *line) put(w *lane, class int) {
	of := share{w.given.client, class}
	f := l.all[of]
	if f == nil {
		f = &flow{share: of, served: l.shares.served[of]}
		l.all[of] = f
	}
	if f.lanes = append(f.lanes, w); len(f.lanes) == 1 {
		l.flows = append(l.flows, f)
	}
	l.look(f)
}

// look finds the first job of a flow.
func (l *line) look(f *flow) {
	f.first = slices.MinFunc(f.lanes, func(x, y *lane) int { return cmp.Compare(x.jobs[0].Place, y.jobs[0].Place) })
	j := f.first.jobs[0]
	f.start, f.price, f.place = max(f.served, l.shares.now[f.share.class]), priceOf(j), j.Place
}

// next begins the job that goes first, and says in which class; nil if there is none.
func (l *line) next() (j *store.Job, class int) {
	if len(l.flows) == 0 {
		return nil, 0
	}
	best := 0
	for i, f := range l.flows {
		if f.before(l.flows[best]) {
			best = i
		}
	}
	f := l.flows[best]
	w := f.first
	j = w.jobs[0]
	f.served = f.start + f.price
	l.shares.now[f.share.class], l.shares.served[f.share] = f.start, f.served
	if f.lanes = slices.DeleteFunc(f.lanes, func(other *lane) bool { return other == w }); len(f.lanes) > 0 {
		l.look(f)
	} else {
		l.flows = slices.Delete(l.flows, best, best+1)
	}
	if w.jobs = w.jobs[1:]; len(w.jobs) > 0 {
		l.put(w, classOf(w.jobs[0])) // the lane has waited for no time since one of it was begun
	}
	return j, f.share.class
}
