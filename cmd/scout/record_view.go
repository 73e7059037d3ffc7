package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/audio/level"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/spelling"
)

const (
	// drawEvery is how often the meter on a terminal is redrawn.
	drawEvery = 100 * time.Millisecond
	// askEvery is how often the recorder is asked for its status.
	askEvery = 250 * time.Millisecond
	// answerWithin is how long one answer may take, so that a recorder that hangs does not stop the meter.
	answerWithin = time.Second
)

// view shows a recording that is under way: on a terminal in a line with time, level, size and gaps, and everywhere in
// a line for each event.
type view struct {
	show   *cli.Console
	keeper *remote.Keeper

	heard  atomic.Uint64     // RMS and peak, bits of two float32
	status *recording.Status // the last answer, nil before the first
	silent time.Time         // since when the recorder has not answered; zero while it does
}

func newView(show *cli.Console, keeper *remote.Keeper) *view {
	return &view{show: show, keeper: keeper}
}

// run shows the recording until ctx ends or the recording does.
func (v *view) run(ctx context.Context) {
	defer v.show.Clear()
	ctx, cancel := context.WithCancel(ctx)
	events := v.keeper.Events()
	defer events.Close()
	var ask, draw <-chan time.Time
	if v.show.Live {
		var level sync.WaitGroup
		level.Go(func() { // ended by cancel
			v.keeper.WatchLevel(ctx, drawEvery, func(l recording.Level) bool {
				v.heard.Store(uint64(math.Float32bits(l.RMS))<<32 | uint64(math.Float32bits(l.Peak)))
				return true
			})
		})
		defer level.Wait()
		drawing, asking := time.NewTicker(drawEvery), time.NewTicker(askEvery)
		defer drawing.Stop()
		defer asking.Stop()
		draw, ask = drawing.C, asking.C
		v.ask(ctx)
	}
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.keeper.Ended():
			v.rest(events)
			return
		case item, open := <-events.Items():
			if !open || v.tell(item) {
				return
			}
		case <-ask:
			v.ask(ctx)
		case <-draw:
			v.draw()
		}
	}
}

// rest prints the events before the end that were not printed yet.
func (v *view) rest(events *fanout.Subscription[recording.Event]) {
	for item := range events.Items() {
		if v.tell(item) {
			return
		}
	}
}

// ask asks the recorder for its status.
func (v *view) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	status, err := v.keeper.Client().Status(ctx)
	switch {
	case err == nil:
		v.status, v.silent = &status, time.Time{}
	case ctx.Err() == nil: // the keeper looks after it
	case v.silent.IsZero():
		v.silent = time.Now()
		v.show.Linef("the recorder (process %d) does not answer", v.keeper.Client().PID())
	}
}

// tell prints an event. It returns true if the recording has ended.
func (v *view) tell(item fanout.Item[recording.Event]) (over bool) {
	e, format := item.Value, v.keeper.Order().Format
	if missed := item.Missed + e.Missed; missed > 0 {
		v.show.Linef("%s missed", spelling.Count(missed, "event"))
	}
	switch e.Kind {
	case recording.KindStopped:
		return true
	case recording.KindReplaced:
		v.show.Linef("the recorder ended unexpectedly; another one continues the recording after %.1f s", e.Took.Seconds())
	case recording.KindGap:
		if e.Gap != nil {
			v.show.Linef("gap of %s at %s: %s", clock(format.Duration(e.Gap.Frames)), clock(format.Duration(uint64(e.Gap.Start))), reasonText(e.Gap.Reason))
		}
	case recording.KindDeviceLost:
		v.show.Linef("no sound arrives from the microphone: %s; waiting for it", reasonText(e.Reason))
	case recording.KindDeviceChanged, recording.KindDeviceOpened:
		if e.Device != nil {
			v.show.Linef("recording from %s", shownName(e.Device.Name))
		}
	case recording.KindCondition:
		if e.Condition == recording.ConditionOK {
			v.show.Linef("the disk works again: %s", e.Condition.Text())
		} else {
			v.show.Linef("%s", recording.Trouble{Condition: e.Condition, Operation: e.Operation, For: e.For}.Text())
		}
	case recording.KindFile:
		v.show.Linef("%s", fileText(e, format))
	case recording.KindDiskLow:
		v.show.Linef("the disk has room for %s more", clock(e.Left))
	}
	return false
}

// reasonText returns the reason of a gap in words.
func reasonText(r scout.GapReason) string { return strings.ReplaceAll(string(r), "_", " ") }

// fileText describes what other programs did to the files of the recording, and the result.
func fileText(e recording.Event, format scout.Format) string {
	switch {
	case e.Failure != "":
		return fmt.Sprintf("%s, and it could not be saved again: %s. The open file and what is in memory are kept; trying again", e.Damage.Text(), e.Failure)
	case e.Damage == recording.DamageUnreachable:
		return fmt.Sprintf("%s: %s. Audio is still written to it", e.Damage.Text(), e.Path)
	case e.Gap != nil:
		return fmt.Sprintf("%s: %s of it are lost, the rest is in %s", e.Damage.Text(), clock(format.Duration(e.Gap.Frames)), e.Path)
	}
	return fmt.Sprintf("%s: it is saved again in %s", e.Damage.Text(), e.Path)
}

// draw shows the state of the recording in one line.
func (v *view) draw() {
	if v.status == nil || v.status.Recording == nil {
		return
	}
	r := v.status.Recording
	now := v.heard.Load()
	rms, peak := float64(math.Float32frombits(uint32(now>>32))), float64(math.Float32frombits(uint32(now)))
	parts := []string{
		fmt.Sprintf("● %s", ticking(r.Format.Duration(r.Captured))),
		fmt.Sprintf("%s %3.0f dBFS", meterBar(rms, peak), level.DBFS(rms)),
		sizeText(int64(r.Written) * int64(r.Format.FrameBytes())),
		gapsText(r.Gaps, r.Format.Duration(r.Lost)),
	}
	if v.status.Outage != "" {
		parts = append(parts, "! "+reasonText(v.status.Outage))
	}
	if r.Condition != recording.ConditionOK {
		parts = append(parts, fmt.Sprintf("! %s, %s wait in memory", recording.Trouble{Condition: r.Condition, Operation: r.Operation, For: r.For}.Text(), clock(r.Format.Duration(r.Waiting))))
	}
	v.show.Draw(strings.Join(parts, "  "))
}

// ticking formats a length that changes every second: 0:07, 1:02:03.
func ticking(d time.Duration) string {
	seconds := int(d.Seconds())
	if seconds < 3600 {
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

func gapsText(n int, lost time.Duration) string {
	switch n {
	case 0:
		return "no gaps"
	case 1:
		return fmt.Sprintf("1 gap of %s", clock(lost))
	}
	return fmt.Sprintf("%d gaps, %s missing", n, clock(lost))
}
