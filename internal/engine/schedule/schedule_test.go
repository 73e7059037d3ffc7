package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	. "github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a scheduler with turns by name.
type bench struct {
	t      *testing.T
	turns  map[string]*Turn
	events []string // "+name" for a turn that began, "!name" for one that was preempted
	begun  chan begun
}

type begun struct {
	name string
	turn *Turn
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, turns: map[string]*Turn{}, begun: make(chan begun, 100)}
}

// ask begins to wait for a turn.
func (b *bench) ask(share *Share, name string, ask Ask) {
	b.t.Helper()
	ask.Preempt = func() { b.events = append(b.events, "!"+name) }
	go func() {
		if turn, err := share.Acquire(b.t.Context(), ask); err == nil {
			b.begun <- begun{name, turn}
		}
	}()
	b.settle()
}

// settle records which turns began, sorted by name if several began at once.
func (b *bench) settle() {
	synctest.Wait()
	before := len(b.events)
	defer func() { slices.Sort(b.events[before:]) }()
	for {
		select {
		case g := <-b.begun:
			b.turns[g.name] = g.turn
			b.events = append(b.events, "+"+g.name)
		default:
			return
		}
	}
}

func (b *bench) release(name string) {
	b.t.Helper()
	if b.turns[name] == nil {
		b.t.Fatalf("%s has no turn: %v", name, b.events)
	}
	b.turns[name].Release()
	b.turns[name].Release() // of no effect
	b.settle()
}

// happened compares the events since the last call.
func (b *bench) happened(want string) {
	b.t.Helper()
	if got := strings.Join(b.events, " "); got != want {
		b.t.Fatalf("%q, want %q", got, want)
	}
	b.events = nil
}

// scheduler returns a scheduler in whose fake time nobody has waited for long.
func scheduler(o Options) *Scheduler {
	time.Sleep(time.Hour)
	return New(observe.Scope{}, o)
}

func TestMostUrgentFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		share := scheduler(Options{Slots: 1}).Share(1, 0)
		b.ask(share, "first", Ask{Class: Dictation})
		for _, c := range []Class{SecondPass, Batch, Interactive, Stream, Partial, Dictation} {
			b.ask(share, c.String(), Ask{Class: c})
		}
		b.happened("+first")
		last := "first"
		for _, c := range Classes() {
			b.release(last)
			last = c.String()
			b.happened("+" + last)
		}
	})
}

func TestWhoPreemptsWhom(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 2} {
		for _, waits := range Classes() {
			for _, runs := range Classes() {
				want := map[Class]bool{
					Dictation:   runs != Dictation,
					Partial:     runs.Background() && slots > 1,
					Stream:      runs.Background() && slots > 1,
					Interactive: runs.Background() && slots > 1,
				}[waits]
				t.Run(fmt.Sprintf("%s beside %d of %s", waits, slots, runs), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						b := newBench(t)
						share := scheduler(Options{Slots: slots, Background: slots}).Share(slots, slots)
						for i := range slots {
							b.ask(share, fmt.Sprintf("r%d", i), Ask{Class: runs})
						}
						b.events = nil
						b.ask(share, "w", Ask{Class: waits})
						last := fmt.Sprintf("r%d", slots-1)
						if !want {
							b.happened("")
							return
						}
						b.happened("!" + last) // the one that began last
						b.release(last)
						b.happened("+w")
					})
				})
			}
		}
	}
}

// TestPreemptedKeepsItsPlace checks that a preempted turn continues before others of its class, and that only one turn
// is preempted for each waiting one.
func TestPreemptedKeepsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := scheduler(Options{Slots: 2, Background: 2, Reserve: time.Second})
		share := s.Share(2, 2)
		b.ask(share, "a", Ask{})
		b.ask(share, "b", Ask{})
		b.ask(share, "c", Ask{})
		b.happened("+a +b")
		b.ask(share, "d1", Ask{Class: Dictation})
		b.happened("!b")
		b.ask(share, "i", Ask{Class: Interactive})
		b.happened("!a")
		b.release("b")
		b.happened("+d1")
		again := b.turns["b"]
		b.ask(share, "b again", Ask{After: again})
		b.release("a")
		b.happened("+i")
		b.release("i")
		b.happened("+b again")
		b.release("d1")
		b.happened("") // a slot is kept for the next person who waits
		time.Sleep(2 * time.Second)
		b.settle()
		b.happened("+c")
	})
}

func TestBackgroundLeavesASlot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slots, background int
		want              string
	}{
		"one slot":                 {1, 0, "+0"},
		"two":                      {2, 0, "+0"},
		"two, both for background": {2, 2, "+0 +1"},
		"four":                     {4, 0, "+0 +1 +2"},
		"four, throttled":          {4, 1, "+0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				share := scheduler(Options{Slots: c.slots, Background: c.background}).Share(4, c.slots)
				for i := range 5 {
					b.ask(share, fmt.Sprint(i), Ask{Class: []Class{Batch, SecondPass}[i%2]})
				}
				b.happened(c.want)
				if c.slots > 1 {
					b.ask(share, "urgent", Ask{Class: Interactive})
					if c.background == c.slots {
						b.happened("!1")
					} else {
						b.happened("+urgent")
					}
				}
			})
		})
	}
}

// TestModelsShareTheMachine checks that the slots belong to the machine, and that a model without free slots does not
// keep others from theirs.
func TestModelsShareTheMachine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := scheduler(Options{Slots: 2})
		fast, accurate := s.Share(2, 0), s.Share(1, 0)
		b.ask(accurate, "a1", Ask{Class: Interactive})
		b.ask(accurate, "a2", Ask{Class: Interactive})
		b.happened("+a1") // the model is full, the machine is not
		b.ask(fast, "f1", Ask{Class: Interactive})
		b.happened("+f1")
		b.ask(fast, "f2", Ask{Class: Interactive})
		b.happened("") // the machine is full, the model is not
		b.ask(accurate, "stop", Ask{Class: Dictation})
		b.happened("!a1") // of its own model: another slot would not help
		b.release("a1")
		b.happened("+stop")
		b.release("f1")
		b.happened("+f2")
		b.ask(fast, "stop2", Ask{Class: Dictation})
		b.happened("!f2")
	})
}

// TestExclusiveTurns checks that nothing else of the model runs beside an exclusive turn, that other models do run, and
// that turns after it do not overtake it.
func TestExclusiveTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := scheduler(Options{Slots: 3, Background: 3})
		one, other := s.Share(2, 2), s.Share(2, 2)
		b.ask(one, "a", Ask{})
		b.ask(one, "suspect", Ask{Exclusive: true})
		b.ask(one, "behind", Ask{})
		b.ask(other, "other", Ask{})
		b.happened("+a +other")
		b.release("a")
		b.happened("+suspect")
		b.ask(one, "dictation", Ask{Class: Dictation})
		b.happened("!suspect") // runs again, alone
		b.release("suspect")
		b.happened("+behind +dictation")
		b.ask(one, "again", Ask{Exclusive: true, After: b.turns["suspect"]})
		b.ask(one, "later", Ask{})
		b.release("dictation")
		b.happened("")
		b.release("behind")
		b.happened("+again")
		b.release("again")
		b.happened("+later")
	})
}

// TestClientsShareFairly checks that a client that sends much does not delay others: each gets the same length of audio
// decoded.
func TestClientsShareFairly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		share := scheduler(Options{Slots: 1}).Share(1, 0)
		b.ask(share, "first", Ask{Client: "many"})
		b.events = nil
		for i := range 20 {
			b.ask(share, fmt.Sprintf("many%d", i), Ask{Client: "many", Audio: 10 * time.Second})
		}
		for i := range 4 {
			b.ask(share, fmt.Sprintf("few%d", i), Ask{Client: "few", Audio: 10 * time.Second})
			b.ask(share, fmt.Sprintf("short%d", i), Ask{Client: "short", Audio: 5 * time.Second})
		}
		order := []string{}
		last := "first"
		for range 12 {
			b.release(last)
			last = strings.TrimPrefix(b.events[0], "+")
			order = append(order, last)
			b.events = nil
		}
		count := func(client string) (n int) {
			for _, name := range order {
				if strings.HasPrefix(name, client) {
					n++
				}
			}
			return n
		}
		if count("few") != 4 || count("short") != 4 {
			t.Errorf("after 12 turns: %v", order)
		}
		if !slices.IsSortedFunc(order, func(a, b string) int {
			if a[:3] != b[:3] {
				return 0
			}
			return len(a) - len(b)
		}) {
			t.Errorf("a client's requests change their order: %v", order)
		}
	})
}

func TestTooManyAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		share := scheduler(Options{Slots: 1, MostWaiting: 2}).Share(1, 0)
		for i := range 3 {
			b.ask(share, fmt.Sprint(i), Ask{})
		}
		_, err := share.Acquire(t.Context(), Ask{})
		var busy *BusyError
		if !errors.As(err, &busy) || busy.After < time.Second || scout.CodeOf(err) != scout.CodeBusy || scout.ClassOf(err) != scout.Transient ||
			!strings.Contains(scout.HintOf(err), "try again in") {
			t.Fatalf("%#v, hint %q", err, scout.HintOf(err))
		}
		b.ask(share, "other class", Ask{Class: Interactive}) // has a queue of its own
		b.release("0")
		b.happened("+0 +other class")
	})
}

// TestWaitEndsWithItsContext checks that a caller that gives up leaves nothing behind, even at the moment at which its
// turn comes.
func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		share := scheduler(Options{Slots: 1}).Share(1, 0)
		turn, err := share.Acquire(t.Context(), Ask{})
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			waited := make(chan error, 1)
			go func() {
				mine, err := share.Acquire(ctx, Ask{})
				if err == nil {
					mine.Release()
				}
				waited <- err
			}()
			time.Sleep(time.Second) // both at the same moment
			turn.Release()
			if err := <-waited; err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			if turn, err = share.Acquire(t.Context(), Ask{}); err != nil {
				t.Fatal(err)
			}
		}
		turn.Release()
		if err := share.Quiet(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		share := scheduler(Options{Slots: 1}).Share(1, 0)
		turn, err := share.Acquire(t.Context(), Ask{})
		if err != nil {
			t.Fatal(err)
		}
		quiet := make(chan error, 1)
		go func() { quiet <- share.Quiet(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-quiet:
			t.Fatalf("quiet with a busy slot: %v", err)
		default:
		}
		turn.Release()
		if err := <-quiet; err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if turn, err = share.Acquire(ctx, Ask{}); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := share.Quiet(ctx); scout.CodeOf(err) != scout.CodeCancelled {
			t.Fatal(err)
		}
		turn.Release()
	})
}

// A lower limit of slots holds for all work, also for what somebody waits for; a dictation still takes the slot.
func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := scheduler(Options{Slots: 3})
		share := s.Share(3, 0)
		s.Limit(1)
		b.ask(share, "first", Ask{Class: Interactive})
		b.ask(share, "second", Ask{Class: Interactive})
		b.happened("+first")
		b.ask(share, "dictation", Ask{Class: Dictation})
		b.happened("!first")
		b.release("first")
		b.happened("+dictation")
		s.Limit(0)
		b.settle()
		b.happened("+second")
	})
}

// Throttled background work has whole slots and part of the time of one more, in which a pause follows each turn; others are not slowed.
func TestThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := scheduler(Options{Slots: 4, Background: 4})
		share := s.Share(4, 4)
		s.Throttle(0.375) // one and a half
		for _, name := range []string{"one", "two", "three", "four"} {
			b.ask(share, name, Ask{Class: Batch})
		}
		b.happened("+one +two")
		time.Sleep(time.Second)
		b.release("one") // the whole slot
		b.happened("+three")
		time.Sleep(time.Second)
		b.release("two") // the half: as long a pause as the turn was
		time.Sleep(2*time.Second - 1)
		b.settle()
		b.happened("")
		time.Sleep(time.Nanosecond)
		b.settle()
		b.happened("+four")
	})
}

func TestThrottleToLessThanASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := scheduler(Options{Slots: 2})
		share := s.Share(4, 0)
		s.Throttle(0.25)
		b.ask(share, "one", Ask{Class: Batch})
		b.ask(share, "two", Ask{Class: Batch})
		b.happened("+one")
		time.Sleep(time.Second)
		b.release("one")
		b.ask(share, "person", Ask{Class: Interactive})
		b.happened("+person")
		b.release("person")
		time.Sleep(3*time.Second - 1)
		b.settle()
		b.happened("")
		time.Sleep(time.Nanosecond)
		b.settle()
		b.happened("+two")
		time.Sleep(time.Hour)
		b.release("two") // the longest pause
		b.ask(share, "three", Ask{Class: Batch})
		time.Sleep(time.Minute - 1)
		b.settle()
		b.happened("")
		time.Sleep(time.Nanosecond)
		b.settle()
		b.happened("+three")
		b.ask(share, "four", Ask{Class: Batch})
		time.Sleep(time.Second)
		b.release("three")
		b.happened("")
		s.Throttle(1)
		b.settle()
		b.happened("+four")
	})
}
