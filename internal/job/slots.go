package job

// slots say how many jobs run at the same time, and whose:
//
//   - AtOnce jobs run, whosever they are. They share the slots of the engine.
//   - Ahead more are begun, so that no slot of the engine is idle while a text is stored or a file is opened.
//   - AtOnce more run, each of a client that has no other job running: whoever has one short job does not wait for the long ones of others.
//   - While Scout does less, its Limit alone counts: so many run, whosever they are, and none is begun with less than 0.
//
// Jobs that wait for a network or a disk take none, and are begun as any other job; see besides. Jobs that run go on in any case.
type slots struct {
	atOnce int // jobs share the engine
	shared int // jobs may be begun of anybody
	all    int // jobs may be begun of clients that have none running
}

// whose says of which clients a job may be begun.
type whose int

const (
	nobodys whose = iota
	idles         // of clients that have none running
	anybodys
)

// slotsLocked is the rule as it stands now.
func (q *Queue) slotsLocked() slots {
	o := &q.options
	switch {
	case q.most < 0:
		return slots{atOnce: o.AtOnce}
	case q.most > 0:
		n := min(q.most, o.AtOnce)
		return slots{n, n, n}
	}
	return slots{o.AtOnce, o.AtOnce + o.Ahead, o.AtOnce + o.Ahead + o.AtOnce}
}

// next is whose job may be begun where so many slots are taken.
func (s slots) next(taken int) whose {
	switch {
	case taken < s.shared:
		return anybodys
	case taken < s.all:
		return idles
	}
	return nobodys
}

// takenLocked is how many slots the jobs under way take.
func (q *Queue) takenLocked() int {
	n := 0
	for c := range q.live {
		if !besides(&c.Job) {
			n++
		}
	}
	return n
}

// atOnce is how many jobs share the engine.
func (q *Queue) atOnce() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.slotsLocked().atOnce
}

// Limit lowers the number of jobs that run at the same time; 0 ends that. With less than 0 no job is begun. Jobs that run go on.
func (q *Queue) Limit(most int) {
	q.mu.Lock()
	q.most = most
	q.mu.Unlock()
	q.tell()
}
