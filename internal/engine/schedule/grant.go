package schedule

import (
	"math"
	"slices"
	"time"
)

// grant begins as many waiting turns as there is room for, and makes room for those that may have it. The caller holds
// the lock.
func (s *Scheduler) grant() {
	slices.SortFunc(s.waiting, (*Turn).before)
	held := map[*Share]bool{} // models that an exclusive turn waits for: turns after it do not overtake it
	var wanting []*Turn
	for _, t := range slices.Clone(s.waiting) {
		if held[t.share] || !s.fits(t) {
			wanting = append(wanting, t)
			held[t.share] = held[t.share] || t.ask.Exclusive
			continue
		}
		s.begin(t)
	}
	for _, t := range wanting {
		s.makeRoom(t)
	}
	if s.slots.busy < s.slots.total && slices.ContainsFunc(wanting, func(t *Turn) bool { return t.ask.Class.Background() }) {
		s.lookAgain(s.someone.Add(s.options.Reserve))
		s.lookAgain(s.rested)
	}
	for f, finish := range s.finish { // a client whose share was long ago starts again
		if finish <= s.virtual {
			delete(s.finish, f)
		}
	}
}

// lookAgain grants turns at that time, if it has not passed.
func (s *Scheduler) lookAgain(at time.Time) {
	in := time.Until(at)
	if in <= 0 || !s.lookAt.IsZero() && !at.Before(s.lookAt) {
		return
	}
	s.lookAt = at
	time.AfterFunc(in, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.lookAt.Equal(at) {
			s.lookAt = time.Time{}
		}
		s.grant()
	})
}

// slotsNow is how many turns may run at the same time.
func (s *Scheduler) slotsNow() int {
	if s.most > 0 {
		return min(s.most, s.slots.total)
	}
	return s.slots.total
}

// fits reports whether a turn can begin.
func (s *Scheduler) fits(t *Turn) bool {
	h := t.share
	if h.exclusive || t.ask.Exclusive && h.slots.busy > 0 {
		return false
	}
	below := t.ask.Class.Background()
	if s.slots.busy >= s.slotsNow() || below && !s.affords() {
		return false
	}
	rests := s.rests()
	return s.slots.room(below, rests) && h.slots.room(below, rests)
}

// rests reports whether nobody has waited for some time.
func (s *Scheduler) rests() bool { return time.Since(s.someone) >= s.options.Reserve }

// affords reports whether the share of background work has room for one more turn: a whole slot, or the rest of its share if no turn has that
// and it need not pause.
func (s *Scheduler) affords() bool {
	whole, part := s.allowance()
	switch {
	case s.slots.busyBelow-s.pausing < whole:
		return true
	case part == 0 || s.pausing > 0:
		return false
	}
	return !time.Now().Before(s.rested)
}

// allowance is how many slots background work has now: whole ones, and a part of the time of one more.
func (s *Scheduler) allowance() (whole int, part float64) {
	most := s.slots.most(s.rests())
	if s.share == 1 {
		return most, 0
	}
	n, part := math.Modf(s.share * float64(most))
	return int(n), part
}

// room reports whether one more turn has a slot.
func (l *limits) room(below, rests bool) bool {
	return l.busy < l.total && (!below || l.busyBelow < l.most(rests))
}

// most is how many slots background work may have. It leaves one slot free if there is more than one. It may have its larger allowance while
// nobody has waited for some time.
func (l *limits) most(rests bool) int {
	most := max(l.total-1, 1)
	if rests && l.background > most {
		most = min(l.background, l.total)
	}
	if l.background > 0 {
		most = min(most, l.background)
	}
	return most
}

// begin gives a waiting turn its slot.
func (s *Scheduler) begin(t *Turn) {
	s.leaveQueue(t)
	t.began = time.Now()
	if whole, _ := s.allowance(); t.ask.Class.Background() && s.share < 1 && s.slots.busyBelow-s.pausing >= whole {
		t.pauses = true
		s.pausing++
	}
	s.running = append(s.running, t)
	for _, l := range []*limits{&s.slots, &t.share.slots} {
		l.busy++
		if t.ask.Class.Background() {
			l.busyBelow++
		}
	}
	t.share.exclusive = t.share.exclusive || t.ask.Exclusive
	s.virtual = max(s.virtual, t.tag)
	class := t.ask.Class.String()
	s.metrics.running.WithLabelValues(class).Inc()
	s.metrics.waited.WithLabelValues(class).Observe(t.began.Sub(t.asked).Seconds())
	close(t.granted)
}

// makeRoom preempts a turn for a waiting one, if its class may. A turn that was preempted already but has not left yet
// counts as room for one waiting turn.
func (s *Scheduler) makeRoom(t *Turn) {
	class, h := t.ask.Class, t.share
	if class.Background() {
		return
	}
	inModel := h.slots.busy >= h.slots.total || t.ask.Exclusive // it needs a slot of its own model
	all := t.ask.Exclusive
	leaving, needing := 0, 0
	for _, r := range s.running {
		if r.leaving && (!inModel || r.share == h) {
			leaving++
		}
	}
	for _, w := range s.waiting {
		if !w.ask.Class.Background() && (!inModel || w.share == h) && (w == t || w.before(t) < 0) {
			needing++
		}
	}
	slots := s.slotsNow()
	if inModel {
		slots = min(slots, h.slots.total)
	}
	for all || leaving < needing {
		victim := s.victim(class, slots, h, inModel)
		if victim == nil {
			return
		}
		victim.leaving = true
		leaving++
		s.metrics.interrupted.Inc()
		if victim.ask.Preempt != nil {
			victim.ask.Preempt()
		}
	}
}

// victim returns the running turn to preempt first: the least urgent, and of those the one that began last. It returns
// nil if the class may preempt none.
func (s *Scheduler) victim(class Class, slots int, h *Share, inModel bool) *Turn {
	var found *Turn
	for _, r := range s.running {
		if r.leaving || inModel && r.share != h || !class.preempts(r.ask.Class, slots) {
			continue
		}
		if found == nil || r.ask.Class.rank() <= found.ask.Class.rank() {
			found = r
		}
	}
	return found
}
