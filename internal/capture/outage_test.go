package capture

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

func TestSilenceIsHeldBackForADeviceThatMayComeBack(t *testing.T) {
	t.Parallel()
	const since = 10 * time.Second
	for name, c := range map[string]struct {
		change func(*outage)
		hold   time.Duration
	}{
		"it keeps quiet":                {func(a *outage) { a.because(GapStalled) }, holdStalled},
		"it is gone":                    {func(a *outage) { a.because(GapDeviceLost) }, holdLost},
		"the server is gone":            {func(a *outage) { a.because(GapServerLost) }, holdLost},
		"it sleeps":                     {func(a *outage) { a.because(GapSuspended) }, holdLost},
		"it kept quiet, and was gone":   {func(a *outage) { a.because(GapStalled); a.because(GapDeviceLost) }, holdLost},
		"the stream has another device": {func(a *outage) { a.because(GapDeviceLost); a.move(since) }, holdStalled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newOutage(GapStalled, 480, since)
			c.change(a)
			if _, due := a.silence(since + c.hold); due {
				t.Errorf("silence after %v", c.hold)
			}
			until, due := a.silence(since + c.hold + 1)
			if want := since + c.hold + 1 - fillMargin; !due || until != want {
				t.Errorf("silence up to %v (%v), want %v", until, due, want)
			}
		})
	}
}

func TestAnOutageIsOverWhenBlocksWereCollected(t *testing.T) {
	t.Parallel()
	a := newOutage(GapStalled, 480, time.Second)
	if a.back() || a.settled(time.Hour) {
		t.Error("over without a frame")
	}
	a.resume(2 * time.Second)
	a.resume(3 * time.Second) // frames go on coming
	if !a.back() || a.settled(2*time.Second+settleFor-1) || !a.settled(2*time.Second+settleFor) {
		t.Error("not over by the first frame that came again")
	}
	first := newOutage(GapStalled, 0, 0)
	first.resume(0)
	if !first.back() {
		t.Error("frames at time 0 are none")
	}
}

func TestAMovedDeviceIsWokenNowAndThen(t *testing.T) {
	t.Parallel()
	a := newOutage(GapDeviceLost, 0, 0)
	if a.wakes(time.Hour) {
		t.Error("woken although it is gone")
	}
	a.move(time.Second)
	var at []time.Duration
	for now := time.Second; now < time.Second+3*wakeAgain; now += wakeAgain / 4 {
		if a.wakes(now) {
			at = append(at, now)
		}
	}
	if len(at) != 3 || at[0] != time.Second || at[2]-at[1] != wakeAgain {
		t.Errorf("woken at %v, want at once and every %v", at, wakeAgain)
	}
}

func TestADeviceThatSleepsIsLeftToTheSystem(t *testing.T) {
	t.Parallel()
	const stall = 400 * time.Millisecond
	for reason, opens := range map[scout.GapReason]bool{GapStalled: true, GapDeviceLost: true, GapServerLost: true, GapSuspended: false} {
		a := newOutage(GapStalled, 0, time.Second)
		a.because(reason)
		if a.opensAgain(time.Second+stall, stall) || a.opensAgain(time.Second+stall+1, stall) != opens {
			t.Errorf("%s: opened again is %v", reason, !opens)
		}
		if want := a.reason == GapStalled || a.reason == GapSuspended; a.unexplained() != want {
			t.Errorf("%s: unexplained is %v", reason, !want)
		}
	}
}

func TestOneGapHoldsAllSilenceOfAnOutage(t *testing.T) {
	t.Parallel()
	a := newOutage(GapServerLost, 480, 0)
	if frames, first := a.fill(480, 480); frames != 0 || first {
		t.Errorf("nothing to fill: %d, %v", frames, first)
	}
	if frames, first := a.fill(480, 1000); frames != 520 || !first {
		t.Errorf("the first time: %d, %v", frames, first)
	}
	if frames, first := a.fill(1000, 1500); frames != 500 || first {
		t.Errorf("then: %d, %v", frames, first)
	}
	if want := (Gap{Start: 480, Frames: 1020, Reason: GapServerLost}); a.gap() != want {
		t.Errorf("%+v, want %+v", a.gap(), want)
	}
}

func TestWhereTheFirstFrameAfterAnOutageBelongs(t *testing.T) {
	t.Parallel()
	const least = 80 // frames
	for name, c := range map[string]struct {
		filled        uint64
		missing       float64
		silence, late uint64
	}{
		"at the head":                           {0, 0, 0, 0},
		"a loss that measuring cannot tell":     {0, least - 1, 0, 0},
		"a loss":                                {0, least + 0.5, least, 0},
		"a little more than the silence so far": {1000, 3, 3, 0},
		"too late, silence has its time":        {1000, -300, 0, 300},
		"later than all silence":                {1000, -5000, 0, 1000},
		"too late, but nothing was missed":      {0, -300, 0, 0},
	} {
		a := newOutage(GapStalled, 0, 0)
		a.filled = c.filled
		if silence, late := a.place(c.missing, least); silence != c.silence || late != c.late {
			t.Errorf("%s: %d of silence, %d left out; want %d and %d", name, silence, late, c.silence, c.late)
		}
	}
}
