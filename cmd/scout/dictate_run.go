package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/store"
)

// dictating is a dictation that this command watches. The daemon makes it.
type dictating struct {
	app    *app
	client *client.Client
	keys   *keys
	show   *typed
	asked  time.Time               // when the person asked for it
	until  func(*event.Event) bool // an event after which nothing more matters; nil for none

	id    string
	after uint64 // number of the last event that was seen
	final *event.Event
	why   error // why there is no text

	wait   time.Duration // how long the text waits for a second pass, if somebody is to insert it
	passes bool          // there was a second pass
	enough func()        // ends following

	lost  time.Duration // sound that is missing in the recording
	cause scout.Code    // why, of the last gap
	disk  error         // why the disk did not take the recording at a time; nil if it always did
	away  bool          // no sound arrived at the end
}

// errLeft ends this command while the dictation goes on.
var errLeft = scout.Errorf(scout.CodeCancelled, "the dictation goes on without this command")

// run begins a dictation, shows it, until its text is complete.
func (d *dictating) run(ctx context.Context, request v1.Start) error {
	d.id = request.ID
	d.show.hint("starting…")
	err := d.begin(ctx, request)
	d.show.unhint()
	if err != nil {
		return err
	}
	defer d.show.end() // messages come below the text
	d.app.patient()
	watching, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	signals := make(chan os.Signal, 4)
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	if d.app.Std.Interrupts != nil {
		ending = d.app.Std.Interrupts.Ending()
	}
	signal.Notify(signals, ending...)
	defer signal.Stop(signals)
	var work sync.WaitGroup
	defer work.Wait()
	defer end()
	var once sync.Once
	asked := make(chan bool, 1) // gets whether the daemon has the stop
	stop := func() {
		once.Do(func() { work.Go(func() { asked <- d.ask(watching, "/recorder/stop", v1.Stop{ID: d.id}) }) }) // ended by end
	}
	if ctx.Err() != nil { // Ctrl-C while it was starting
		stop()
	}
	ended := make(chan error, 1)
	work.Go(func() { ended <- d.follow(watching) }) // ended by end
	stopped := false
	tapped := d.keys.tapped
	for {
		select {
		case err := <-ended:
			switch {
			case err != nil:
				return err
			case d.final == nil:
				d.awaitStop(asked)
				return d.why
			}
			return nil
		case <-tapped:
			tapped = nil
			d.show.endsWith("the space bar ends")
		case s := <-signals:
			if (s == syscall.SIGHUP || s == syscall.SIGTERM || stopped) && d.app.Std.Interrupts != nil {
				<-ctx.Done() // it knows the signal
			}
			if s == syscall.SIGHUP || s == syscall.SIGTERM { // the window was closed, or the command killed: nobody said stop
				end()
				return cli.Interrupted("the dictation goes on; to end it: scout stop; its text then: scout dictate --last", errLeft)
			}
			if stopped {
				return leaving(asked)
			}
			stopped = true
			stop()
		case k := <-d.keys.pressed:
			switch {
			case k == keyInterrupt && stopped:
				_ = syscall.Kill(os.Getpid(), syscall.SIGINT) // it ends this command, as for the shell
			case k == keyStop || k == keyInterrupt:
				stopped = true
				stop()
			case k == keySuspend:
				d.suspend()
			case k == keyCancel && !stopped:
				stopped = true
				once.Do(func() { work.Go(func() { asked <- d.ask(watching, "/live/"+d.id+"/cancel", nil) }) }) // ended by end
			}
		}
	}
}

// awaitStop waits until the recording has ended that was asked to, since it is said that its audio is kept.
func (d *dictating) awaitStop(asked <-chan bool) {
	if scout.CodeOf(d.why) != scout.CodeCancelled {
		return
	}
	select {
	case <-asked:
	case <-time.After(leaveWithin): // another command cancelled it, or the disk hangs
	}
}

// leaveWithin is how long a command that is told to leave may take to deliver the stop that it was told before.
const leaveWithin = 3 * time.Second

// leaving is how the command ends that leaves the text to the daemon.
func leaving(asked <-chan bool) error {
	select {
	case done := <-asked:
		if done {
			return cli.Interrupted("the text is being completed; it will be there with: scout dictate --last", errLeft)
		}
	case <-time.After(leaveWithin):
	}
	return cli.Interrupted("the daemon does not answer, and the dictation goes on; to end it: scout stop", errLeft)
}

// suspend stops this command as Ctrl-Z does. The dictation goes on.
func (d *dictating) suspend() {
	d.show.pause("the dictation goes on; fg comes back to it, scout stop ends it")
	d.keys.close()
	stopHere()
	_ = d.keys.open() // without it, Ctrl-C is a signal
	d.show.resume()
}

// begin begins the recording. A daemon that dies meanwhile is replaced, and asked for the same recording.
func (d *dictating) begin(ctx context.Context, request v1.Start) error {
	var started v1.Started
	request.AskedAgo = agoOf(d.asked)
	err := d.client.Post(ctx, "/recorder/start", request, &started)
	if client.Lost(err) && ctx.Err() == nil {
		if err = d.reconnect(ctx); err == nil {
			err = d.client.Post(ctx, "/recorder/start", request, &started)
		}
	}
	return err
}

// reconnect finds the next daemon, or starts one.
func (d *dictating) reconnect(ctx context.Context) error {
	c, err := d.app.connect(ctx)
	if err != nil {
		return err
	}
	c.Close() // the old client reaches whoever has the socket
	return nil
}

// daemonPatience is how long daemons may fail to answer before this command gives up. The recording goes on in any case.
const daemonPatience = 30 * time.Second

// ask sends a request, to the next daemon if this one ends.
//
//	done  the daemon did it
func (d *dictating) ask(ctx context.Context, path string, body any) (done bool) {
	for until := time.Now().Add(daemonPatience); ; {
		err := d.client.Post(ctx, path, body, nil)
		if err == nil || ctx.Err() != nil || !client.Lost(err) || time.Now().After(until) {
			if err != nil && ctx.Err() == nil {
				d.show.note(scout.Plain(err))
			}
			return err == nil
		}
		_ = d.reconnect(ctx) // asked again
	}
}

// follow shows the events until the dictation has ended, through restarts of the daemon.
func (d *dictating) follow(ctx context.Context) error {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	d.enough = enough
	for until := time.Now().Add(daemonPatience); ; {
		over := false
		err := d.client.Stream(ctx, "/live/"+d.id+"/events?after="+strconv.FormatUint(d.after, 10), func(raw client.StreamEvent) bool {
			until = time.Now().Add(daemonPatience)
			var e event.Event
			if json.Unmarshal(raw.Data, &e) != nil {
				return true // of a later version
			}
			if e.Seq > 0 {
				d.after = e.Seq
			}
			over = d.see(&e, raw.Data)
			return !over
		})
		switch {
		case over, d.final != nil && ctx.Err() != nil: // the second pass took too long
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !client.Lost(err):
			return err
		case time.Now().After(until):
			return errors.Join(scout.Errorf(scout.CodeDaemonUnreachable, "no daemon answers").WithHint("the recording goes on; to end it: scout stop"), err)
		}
		d.show.note("the daemon ended and is started again; nothing is lost")
		if err := d.reconnect(ctx); err != nil && ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // between two attempts to start a daemon
		}
	}
}

// see shows one event, and reports whether it was the last that matters.
func (d *dictating) see(e *event.Event, raw []byte) (over bool) {
	d.show.event(e, raw)
	if d.until != nil && d.until(e) {
		over = true
	}
	switch e.Type {
	case event.Gap:
		d.misses(missing(e), scout.GapReason(e.Reason))
	case event.Trouble:
		if e.Error != nil {
			d.disk = e.Error.Err()
		}
	case event.Final, event.Revised:
		final := *e
		d.final = &final
		pending := final.SecondPass != nil && final.SecondPass.Outcome == event.SecondPending
		if d.passes = d.passes || pending; pending && d.wait > 0 {
			time.AfterFunc(d.wait, d.enough)
			return over
		}
		// Scripts read in the state that follows why there is no second pass. It was written together with the text.
		return over || d.show.json == nil || pending || final.Version == 0
	case event.State:
		switch e.State {
		case event.Starting:
			d.away = e.Error != nil
		case event.Listening:
			d.away = false
		}
		if e.State == event.Failed {
			if d.why = e.Error.Err(); d.why == nil {
				d.why = scout.Errorf(scout.CodeInternal, "the dictation failed")
			}
			return true
		}
		return over || e.State == event.Done
	}
	return over
}

// misses notes sound that is missing.
func (d *dictating) misses(length time.Duration, why scout.GapReason) {
	d.lost += length
	if d.cause = scout.Code(why); !d.cause.Known() { // most reasons are those of devices
		d.cause = scout.CodeDeviceLost
	}
}

// speakable is the length below which nothing can have been said: a key that was pressed twice.
const speakable = 300 * time.Millisecond

// conclude prints the text, unless it stands on standard output already, says what is to be said about it, and delivers it.
func (d *dictating) conclude(ctx context.Context, to delivery) error {
	a, final := d.app, d.final
	for _, w := range final.Warnings {
		a.Notef("%s\n", printable.Line(w))
	}
	if final.Text == "" && len(final.Warnings) == 0 {
		a.Notef("no words were heard\n")
	}
	var err error
	if final.Text != "" && d.show.json == nil && !d.show.shown() {
		err = a.Say("%s", final.Text)
	}
	inserted := a.take(context.WithoutCancel(ctx), final.Text, to) // Ctrl-C ended the dictation, not this
	if to.copy || to.into {
		inserted.report.Version, inserted.report.Kind = final.Version, final.Kind
		d.tellPass(inserted.err)
		_ = d.client.Post(context.WithoutCancel(ctx), "/live/"+d.id+"/inserted", inserted.report, nil) // it is for the metrics
	}
	err = errors.Join(err, inserted.err)
	tooShort := final.Text == "" && final.Version > 0 && event.Length(final.Duration) < speakable
	if err == nil && final.Complete != nil && !*final.Complete && !tooShort {
		err = scout.Errorf(scout.CodeTextLate, "the text is not complete yet").WithHint("a little later: scout dictate --last")
		if final.Version > 0 { // this is all there will be
			err = scout.Errorf(scout.CodeAudioSetAside, "some of the audio could not be turned into text")
		}
	}
	saved := d.disk == nil && !d.away || d.saved(ctx)
	switch {
	case err != nil:
	case d.disk != nil && !saved:
		err = scout.Errorf(scout.CodeOf(d.disk), "the text is complete, but not the recording: %s", scout.Plain(d.disk)).
			WithHint("the recorder tries again for as long as it runs; what it has saved: scout recordings show %s", d.id)
	case d.lost >= speakable:
		err = scout.Errorf(d.cause, "%s of sound are missing in the dictation", clock(d.lost)).WithHint("the rest is text; what was recorded: scout recordings show %s", d.id)
	}
	return err
}

// tellPass says which pass was inserted, where there were two.
func (d *dictating) tellPass(failed error) {
	switch {
	case failed != nil || d.final.Text == "" || !d.passes:
	case d.final.Kind == string(store.KindSecondPass):
		d.app.Notef("inserted: the second pass; as first heard: scout dictate --last --first-pass\n")
	default:
		d.app.Notef("inserted: the first pass; the second, if it heard better: scout dictate --last\n")
	}
}

// savedWithin is how long the file of a recording may take to be final after its text, where there was trouble.
const savedWithin = 2 * time.Second

// saved reports whether the whole recording is in its file, and notes what is missing in it: the end of a last gap is known only then.
func (d *dictating) saved(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), savedWithin)
	defer cancel()
	var stopped v1.Stopped
	err := d.client.Post(ctx, "/recorder/stop", v1.Stop{ID: d.id}, &stopped) // it was stopped: this waits for the file
	if err != nil {
		return false
	}
	d.lost = 0
	if format := stopped.Recording.Format; format != nil {
		for _, g := range stopped.Recording.Gaps {
			d.misses(scout.Format{SampleRateHz: format.SampleRate}.Duration(g.Frames), scout.GapReason(g.Reason))
		}
	}
	return stopped.Warning == nil
}

// ending is err as the command ends with it. That somebody wanted no text is no failure to be explained: it says where the audio is.
func (d *dictating) ending(err error) error {
	if err == nil || err != d.why || scout.CodeOf(err) != scout.CodeCancelled { //nolint:errorlint // the very one
		return err
	}
	d.app.Notef("%s\n", scout.Plain(err))
	if hint := scout.HintOf(err); hint != "" {
		d.app.Notef("  %s\n", hint)
	}
	return cli.Reported(err)
}
