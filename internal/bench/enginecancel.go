package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
)

// cancel measures the time from cancelling a request, at a random moment, until the engine has released it.
func (r *engineRun) cancel(ctx context.Context) error {
	e, _, err := r.open(ctx, Scout, 1, 0)
	if err != nil {
		return err
	}
	defer e.Close()
	var whole, encoding []time.Duration
	for range max(r.Rounds, 3) {
		result, err := transcribe(ctx, e, engine.Request{Samples: r.Clip, Class: schedule.Interactive}, &whole)
		if err != nil {
			return err
		}
		encoding = append(encoding, result.EncodeTime)
	}
	length := slices.Min(whole)
	var cancelled cancels
	cancelled.encoder = slices.Min(encoding)
	pid := e.State().PID
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 * r.Rounds {
		request, stop := context.WithCancel(ctx)
		var began time.Time
		var own, engines queued
		ended := make(chan struct{})
		sent := time.Now()
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(length))), func() {
			own, engines = queuedOf(os.Getpid()), queuedOf(pid)
			began = time.Now()
			stop()
			close(ended)
		})
		_, err := e.Transcribe(request, engine.Request{Samples: r.Clip, Class: schedule.Interactive})
		if timer.Stop() { // answered before it was cancelled
			stop()
			continue
		}
		<-ended
		if err == nil {
			continue
		}
		if scout.ClassOf(err) != scout.Cancelled || ctx.Err() != nil {
			return err
		}
		if err := e.Quiet(ctx); err != nil {
			return err
		}
		took := time.Since(began)
		cancelled.add(began.Sub(sent), took, queuedOf(os.Getpid()).since(own)+queuedOf(pid).since(engines))
	}
	r.report.add(cancelled.figure())
	return nil
}

// cancels are requests that were cancelled. The engine must obey a cancel within a token. If the cancel comes while the
// encoder runs, the encoder may finish first.
type cancels struct {
	encoder time.Duration // how long it takes without a cancel

	inEncoder, later []time.Duration // from the cancel until the engine was free
	beyond           []time.Duration // the same without the rest of the encoder
	waited           []time.Duration // how long threads waited for a processor meanwhile
}

// add records a request that was cancelled that long after it was sent, how long the cancel took, and how long threads
// waited for a processor meanwhile.
func (c *cancels) add(after, took, waited time.Duration) {
	rest := max(c.encoder-after, 0)
	if rest > 0 {
		c.inEncoder = append(c.inEncoder, took)
	} else {
		c.later = append(c.later, took)
	}
	c.beyond = append(c.beyond, max(took-rest, 0))
	c.waited = append(c.waited, waited)
}

func (c *cancels) figure() Figure {
	all, in, later := SpreadOf(slices.Concat(c.inEncoder, c.later)), SpreadOf(c.inEncoder), SpreadOf(c.later)
	return Figure{
		ID: "cancel_p99", Name: fmt.Sprintf("%d requests cancelled: beyond the encoder's rest, p99", all.Count), Unit: UnitMS,
		Value: SpreadOf(c.beyond).P99, Bound: 5,
		Detail: fmt.Sprintf("from cancel to free: median %.1f, p99 %.1f, longest %.1f ms; %d in the encoder of %.0f ms p99 %.1f, %d later p99 %.1f; "+
			"waits for a processor p99 %.1f ms",
			all.P50, all.P99, all.Max, in.Count, c.encoder.Seconds()*1000, in.P99, later.Count, later.P99, SpreadOf(c.waited).P99),
	}
}

// errEnough ends batch work that has run long enough.
var errEnough = errors.New("measured")

// isEnough reports whether work ended because it was stopped.
func isEnough(err error) bool { return errors.Is(err, errEnough) || errors.Is(err, context.Canceled) }
