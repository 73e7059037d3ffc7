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
	"github.com/scout-speech/scout/internal/audio/level"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/recording/wire"
)

const (
	// drawEvery is the rhythm of the meter on a terminal.
	drawEvery = 100 * time.Millisecond
	// askEvery is how often the recorder is asked how it is.
	askEvery = 250 * time.Millisecond
	// answerWithin bounds one answer, so that a recorder that hangs does not stop the meter.
	answerWithin = time.Second
)

// link is a connection to the recorder of the moment: an remote.Keeper, or one that is only watched.
type link interface {
	Client() *remote.Client
	// Ended is closed when there is nothing more to show.
	Ended() <-chan struct{}
}

// watched is a link that replaces no recorder.
type watched struct{ client *remote.Client }

func (w watched) Client() *remote.Client { return w.client }
func (w watched) Ended() <-chan struct{} { return w.client.Done() }

// view shows a recording that is under way: on a terminal a line with time, level, size and gaps;
// everywhere a line for each thing that happens to it.
type view struct {
	app  *app
	show *console
	id   recording.ID

	heard atomic.Uint64     // RMS and peak, bits of two float32
	state *recording.Status // the last answer, nil before the first
}

func newView(a *app, show *console, id recording.ID) *view {
	return &view{app: a, show: show, id: id}
}

// run shows the recording until ctx ends or the recording does.
func (v *view) run(ctx context.Context, link link) {
	defer v.show.clear()
	for {
		client := link.Client()
		if v.watch(ctx, link, client) {
			return
		}
		died := time.Now()
		if !v.awaitNext(ctx, link, client) {
			return
		}
		v.show.linef("the recorder ended unexpectedly; another one goes on with the recording after %.1f s", time.Since(died).Seconds())
	}
}

// awaitNext waits for the recorder that takes the place of one that died; false where none does.
func (v *view) awaitNext(ctx context.Context, link link, old *remote.Client) bool {
	ticker := time.NewTicker(drawEvery / 4)
	defer ticker.Stop()
	for link.Client() == old {
		select {
		case <-ctx.Done():
			return false
		case <-link.Ended():
			return false
		case <-ticker.C:
		}
	}
	return true
}

// watch shows what one recorder tells; true where the recording is over or the user wants it to be.
func (v *view) watch(ctx context.Context, link link, client *remote.Client) (over bool) {
	ctx, cancel := context.WithCancel(ctx)
	var streams sync.WaitGroup
	defer streams.Wait()
	defer cancel()
	events := make(chan recording.Event, 16)
	streams.Go(func() { // a stream that breaks is that of a recorder that died: client.Done tells
		_ = client.WatchEvents(ctx, func(e recording.Event) bool {
			select {
			case events <- e:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	if v.show.live {
		streams.Go(func() {
			_ = client.WatchLevel(ctx, wire.WatchLevelRequest{Every: drawEvery}, func(l recording.Level) bool {
				v.heard.Store(uint64(math.Float32bits(l.RMS))<<32 | uint64(math.Float32bits(l.Peak)))
				return true
			})
		})
	}
	draw, ask := time.NewTicker(drawEvery), time.NewTicker(askEvery)
	defer draw.Stop()
	defer ask.Stop()
	v.ask(ctx, client)
	for {
		select {
		case <-ctx.Done():
			return true
		case <-link.Ended():
			return true
		case <-client.Done():
			return false
		case e := <-events:
			if v.tell(e) {
				return true
			}
		case <-ask.C:
			if v.ask(ctx, client) {
				return true
			}
		case <-draw.C:
			v.draw()
		}
	}
}

// ask asks how the recording is; true where it is over.
func (v *view) ask(ctx context.Context, client *remote.Client) (over bool) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	state, err := client.State(ctx)
	if err != nil {
		return false // client.Done tells more
	}
	v.state = &state
	return state.Recording == nil && state.Last != nil && state.Last.ID == v.id
}

// tell writes what happened; true where that is the end of the recording.
func (v *view) tell(e recording.Event) (over bool) {
	if e.ID != "" && e.ID != v.id {
		return false
	}
	if e.Missed > 0 {
		v.show.linef("%d events were missed", e.Missed)
	}
	switch e.Kind {
	case recording.KindStopped:
		return true
	case recording.KindGap:
		if e.Gap != nil && v.state != nil && v.state.Recording != nil {
			format := v.state.Recording.Format
			v.show.linef("gap of %s at %s: %s", clock(format.Duration(e.Gap.Frames)), clock(format.Duration(e.Gap.Start)), reasonText(e.Gap.Reason))
		}
	case recording.KindDeviceLost:
		v.show.linef("nothing comes from the microphone: %s; waiting for it", reasonText(e.Reason))
	case recording.KindDeviceChanged, recording.KindDeviceOpened:
		if e.Device != nil {
			v.show.linef("recording from %s", e.Device.Name)
		}
	case recording.KindCondition:
		if e.Condition == recording.ConditionOK {
			v.show.linef("the disk takes audio again")
		} else {
			v.show.linef("%s: audio waits in memory", conditionText(e.Condition))
		}
	case recording.KindDiskLow:
		v.show.linef("the disk has room for %s more", clock(e.Left))
	}
	return false
}

// reasonText writes the reason of a gap as words.
func reasonText(r scout.GapReason) string { return strings.ReplaceAll(string(r), "_", " ") }

func conditionText(c recording.Condition) string {
	switch c {
	case recording.ConditionDiskFull:
		return "the disk is full"
	case recording.ConditionStalled:
		return "the disk does not answer"
	case recording.ConditionWriteFailed:
		return "writing fails"
	}
	return strings.ReplaceAll(string(c), "_", " ")
}

// draw shows how the recording is, in one line.
func (v *view) draw() {
	if v.state == nil || v.state.Recording == nil {
		return
	}
	r := v.state.Recording
	now := v.heard.Load()
	rms, peak := float64(math.Float32frombits(uint32(now>>32))), float64(math.Float32frombits(uint32(now)))
	parts := []string{
		fmt.Sprintf("● %s", ticking(r.Format.Duration(r.Captured))),
		fmt.Sprintf("%s %3.0f dBFS", meterBar(rms, peak), level.DBFS(rms)),
		sizeText(int64(r.Written) * int64(r.Format.FrameBytes())),
		gapsText(r.Gaps, r.Format.Duration(r.Lost)),
	}
	if v.state.Outage != "" {
		parts = append(parts, "! "+reasonText(v.state.Outage))
	}
	if r.Condition != recording.ConditionOK {
		parts = append(parts, fmt.Sprintf("! %s, %s wait in memory", conditionText(r.Condition), clock(r.Format.Duration(r.Waiting))))
	}
	v.show.draw(strings.Join(parts, "  "))
}

// ticking writes a length of which every second is seen: 0:07, 1:02:03.
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
