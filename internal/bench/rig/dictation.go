package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

// Manner is how a dictation is made.
type Manner struct {
	// Warm keeps the microphone open afterwards.
	Warm bool
	// Begin is when the sound begins after the command is started, before it if negative; nil for when it says that it
	// listens. Only with DeviceSink.
	Begin *time.Duration
	// Kills are what is killed; nil for nothing.
	Kills *Kills
	// Rest measures the memory again, bench.RestAfter after the last event.
	Rest bool
}

// Kills are what is killed in a dictation, at fractions of its length; 0 for not at all.
type Kills struct {
	// Engine is how often the engine is killed.
	Engine time.Duration
	// Daemon and Client are when these are, after the beginning.
	Daemon, Client time.Duration
}

// spokenEvent is what is read of an event of scout dictate --json (docs/formats/live-events.md).
type spokenEvent struct {
	Type     string   `json:"type"`
	State    string   `json:"state"`
	Text     string   `json:"text"`
	End      float64  `json:"end"` // seconds
	Complete bool     `json:"complete"`
	Version  int      `json:"version"`
	Kind     string   `json:"kind"`
	Warnings []string `json:"warnings"`
	Second   struct {
		Outcome string `json:"outcome"`
	} `json:"second_pass"`
	Words []struct {
		Text string   `json:"text"`
		End  *float64 `json:"end"`
	} `json:"words"`
}

// The types of events, and states.
const (
	eventCommitted = "committed"
	eventPartial   = "partial"
	eventFinal     = "final"
	eventRevised   = "revised"
	kindSecond     = "second_pass"
	secondPending  = "pending"
	secondCame     = "published"
	stateDone      = "done"
	stateListening = "listening"
	stateFailed    = "failed"
)

// seconds is a length that travelled as a number.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// ends reports whether there is no more text to come. A text in which audio is set aside is not complete, but has a version.
func (e *spokenEvent) ends() bool {
	return e.Type == eventFinal && (e.Complete || e.Version > 0) || e.Type == eventRevised
}

// words are the words of an event with their ends.
func (e *spokenEvent) words() []scout.Word {
	words := make([]scout.Word, len(e.Words))
	for i, w := range e.Words {
		words[i].Text = w.Text
		if w.End != nil {
			end := seconds(*w.End)
			words[i].End = &end
		}
	}
	return words
}

// arrival is an event and when the client had it.
type arrival struct {
	at    time.Time
	event spokenEvent
}

// conversation is a dictation that goes on.
type conversation struct {
	*Booth
	cmd      *exec.Cmd
	events   chan arrival // closed when the command has ended
	said     strings.Builder
	arrivals []arrival
	stopped  time.Time
	final    *arrival
	second   *arrival  // the text of the second pass, or that there is none; nil where none was expected
	mark     time.Time // when playing was begun
	watch    *watch
}

// dictationWithin is how long the text of a dictation may take. The single pass behind it takes as long as it takes: over minutes of
// hum it decodes most pieces in several ways.
const dictationWithin = 2 * time.Minute

// Dictate makes one dictation: scout dictate is started, the samples are played, the command gets the signal of Ctrl-C at
// the moment of the stop, and its events are read. Then the recording is transcribed in a single pass.
func (b *Booth) Dictate(ctx context.Context, take Take, how Manner) (*bench.LiveTake, error) {
	within, cancel := context.WithTimeout(ctx, take.StopAt+dictationWithin)
	defer cancel()
	c := &conversation{Booth: b}
	defer c.close()
	playing, err := c.begin(within, &take, how)
	defer playing.close()
	if err != nil {
		return nil, err
	}
	c.watch = watchProcesses(within, b)
	defer c.watch.stop()
	if err := c.listen(within, c.mark.Add(b.delay()), &take, how.Kills); err != nil {
		return nil, err
	}
	cpu, pss := c.watch.stop()
	result, err := c.judge(ctx, &take)
	if err != nil {
		return nil, err
	}
	if how.Kills == nil {
		result.CPU, result.PSS = cpu, pss
	}
	if how.Rest {
		result.RestPSS, err = c.rests(ctx)
	}
	return result, err
}

// rests waits, and returns the memory of all processes.
func (c *conversation) rests(ctx context.Context) (pss int64, err error) {
	last := c.final
	if c.second != nil {
		last = c.second
	}
	if err := resilience.Sleep(ctx, time.Until(last.at.Add(bench.RestAfter))); err != nil {
		return 0, err
	}
	s, err := c.status(ctx)
	for _, pid := range s.pids() {
		pss += bench.ProportionalSize(pid)
	}
	return pss, err
}

// begin starts the command and the sound in the order that the manner says.
func (c *conversation) begin(ctx context.Context, take *Take, how Manner) (*player, error) {
	args := []string{"dictate", "--json", "--language", c.Language}
	if how.Warm {
		args = append(args, "--warm")
	}
	if c.Model != "" {
		args = append(args, "--model", c.Model)
	}
	args = append(args, "--device", sink+".monitor")
	if c.Device == DeviceFile {
		device, err := c.source(take.Samples)
		if err != nil {
			return nil, err
		}
		args[len(args)-1] = device
		if err := c.start(ctx, args); err != nil {
			return nil, err
		}
		return nil, c.listening(ctx)
	}
	if how.Begin == nil {
		if err := c.start(ctx, args); err != nil {
			return nil, err
		}
		if err := c.listening(ctx); err != nil {
			return nil, err
		}
		return c.sound(ctx, take)
	}
	if lead := *how.Begin - c.delay(); lead > 0 {
		if err := c.start(ctx, args); err != nil {
			return nil, err
		}
		_ = resilience.Sleep(ctx, lead) // the next step sees the end of ctx
		return c.sound(ctx, take)
	}
	p, err := c.sound(ctx, take)
	if err != nil {
		return nil, err
	}
	_ = resilience.Sleep(ctx, c.delay()-*how.Begin) // the next step sees the end of ctx
	return p, c.start(ctx, args)
}

func (c *conversation) sound(ctx context.Context, take *Take) (*player, error) {
	p, err := c.play(ctx, take.Samples)
	if err == nil {
		c.mark = p.mark
	}
	return p, err
}

// start starts the command and reads its events.
func (c *conversation) start(ctx context.Context, args []string) error {
	c.cmd = c.scout(ctx, args...)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return scout.Errorf(scout.CodeInternal, "start scout dictate: %w", err)
	}
	c.cmd.Stderr = &c.said
	if err := c.cmd.Start(); err != nil {
		return scout.Errorf(scout.CodeInternal, "start scout dictate: %w", err)
	}
	c.events = make(chan arrival, 1024)
	go c.read(out) // ends with the command, which close kills
	return nil
}

func (c *conversation) read(out io.Reader) {
	defer close(c.events)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		a := arrival{at: time.Now()}
		if json.Unmarshal(lines.Bytes(), &a.event) == nil {
			c.events <- a
		}
	}
	discard(out)
}

// close ends the command, if it still runs.
func (c *conversation) close() {
	if c.cmd == nil || c.cmd.Process == nil {
		return
	}
	_ = c.cmd.Process.Kill() // it has ended, as a rule
	for range c.events {     // until its output ends
	}
	_ = c.cmd.Wait() // what it said was read
}

// failed is the error of a command that ended without a text.
func (c *conversation) failed() error {
	for range c.events { // what was said is complete then
	}
	_ = c.cmd.Wait() // the reason was said
	return scout.Errorf(scout.CodeInternal, "scout dictate ended without a text: %s", strings.TrimSpace(c.said.String()))
}

// listening waits until the command says that it listens.
func (c *conversation) listening(ctx context.Context) error {
	for {
		select {
		case a, open := <-c.events:
			if !open {
				return c.failed()
			}
			c.arrivals = append(c.arrivals, a)
			if a.event.State == stateListening {
				c.mark = a.at
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// listen reads events until the text is complete. It stops and kills when it is time.
//
//	began  when the sound began
func (c *conversation) listen(ctx context.Context, began time.Time, take *Take, kills *Kills) error {
	stop := time.NewTimer(time.Until(began.Add(take.StopAt)))
	defer stop.Stop()
	due := c.killings(kills, take.StopAt)
	left := false // the client was killed
	for {
		var kill <-chan time.Time
		if len(due) > 0 {
			kill = time.After(time.Until(began.Add(due[0].after)))
		}
		events := c.events
		if left {
			events = nil
		}
		select {
		case a, open := <-events:
			if !open && c.final != nil {
				return nil // no second pass in secondWithin
			}
			if !open {
				return c.failed()
			}
			c.arrivals = append(c.arrivals, a)
			if over := c.concludes(&a); over {
				return nil
			}
			if a.event.State == stateFailed {
				return c.failed()
			}
		case <-kill:
			if due[0].client {
				left = true
			}
			if err := due[0].kill(ctx); err != nil {
				return err
			}
			due = due[1:]
		case <-stop.C:
			c.stopped = time.Now()
			if left {
				return c.collect(ctx)
			}
			if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
				return scout.Errorf(scout.CodeInternal, "stop scout dictate: %w", err)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// concludes takes an event that ends the text, and reports whether nothing more matters: the text of the second pass is there, or there
// is none.
func (c *conversation) concludes(a *arrival) (over bool) {
	switch e := &a.event; {
	case c.final == nil && e.ends():
		c.final = a
		return e.Second.Outcome != secondPending
	case c.final != nil && e.Kind == kindSecond:
		c.second = a
		c.second.event.Second.Outcome = secondCame
		return true
	case c.final != nil && e.State == stateDone:
		c.second = a
		return true
	}
	return false
}

// collect stops a dictation whose client was killed, as a person does, and gets its text. A stop that fails may have told that a part of
// the text is missing: the text shows it.
func (c *conversation) collect(ctx context.Context) error {
	var said bytes.Buffer
	stop := c.scout(ctx, "stop")
	stop.Stderr = &said
	stopped := stop.Run()
	if exit := (*exec.ExitError)(nil); stopped != nil && (!errors.As(stopped, &exit) || exit.ExitCode() != 1) {
		return scout.Errorf(scout.CodeInternal, "scout stop: %w: %s", stopped, bytes.TrimSpace(said.Bytes()))
	}
	recorded, err := c.newest(ctx)
	if err != nil {
		return err
	}
	for {
		var text struct {
			ID   string `json:"id"`
			Text string `json:"text"`
		}
		if c.ask(ctx, &text, "dictate", "--last") == nil && text.ID == recorded.ID {
			c.final = &arrival{at: time.Now(), event: spokenEvent{Type: eventFinal, Text: text.Text}}
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w; scout stop said: %s", context.Cause(ctx), bytes.TrimSpace(said.Bytes()))
		}
		_ = resilience.Sleep(ctx, 50*time.Millisecond) // the next step sees the end of ctx
	}
}
