package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

func TestWhenADaemonIsIdle(t *testing.T) {
	t.Parallel()
	const after = 10 * time.Minute
	for situation, c := range map[string]struct {
		after time.Duration
		work  func(a *activity)
		want  time.Duration // 0: never
	}{
		"nothing was ever open": {after, func(*activity) {}, after},
		"it never ends":         {0, func(*activity) {}, 0},
		"something is open":     {after, func(a *activity) { a.Begin() }, 0},
		"a request ended":       {after, func(a *activity) { end := a.Begin(); time.Sleep(time.Minute); end() }, after + time.Minute},
		"one of two ended":      {after, func(a *activity) { a.Begin(); a.Begin()() }, 0},
		"both ended":            {after, func(a *activity) { one, two := a.Begin(), a.Begin(); one(); time.Sleep(time.Hour); two() }, after + time.Hour},
		"an end is told twice":  {after, func(a *activity) { a.Begin(); end := a.Begin(); end(); end() }, 0},
		"requests come again and again": {after, func(a *activity) {
			for range 5 {
				time.Sleep(9 * time.Minute)
				a.Begin()()
			}
		}, 45*time.Minute + after},
		"something long after the last one": {after, func(a *activity) { a.Begin()(); time.Sleep(after - 1); a.Begin() }, 0},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newActivity(c.after)
				defer a.stop()
				began := time.Now()
				c.work(a)
				select {
				case <-a.Idle():
					if got := time.Since(began); got != c.want {
						t.Errorf("idle after %s, want %s", got, c.want)
					}
				case <-time.After(100 * time.Hour):
					if c.want != 0 {
						t.Errorf("never idle, want after %s", c.want)
					}
				}
			})
		})
	}
}

func TestStagesStartInOrderAndStopInReverse(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	hang := func(context.Context) error { select {} }
	for situation, c := range map[string]struct {
		start map[string]func(context.Context) error // by stage; the others succeed
		stop  map[string]func(context.Context) error
		want  string // what happened, in order
		err   []string
	}{
		"all goes well":              {nil, nil, "+a +b +c -c -b -a", nil},
		"the first does not start":   {map[string]func(context.Context) error{"a": func(context.Context) error { return broken }}, nil, "+a", []string{"start a", "broken"}},
		"the last does not start":    {map[string]func(context.Context) error{"c": func(context.Context) error { return broken }}, nil, "+a +b +c -b -a", []string{"start c", "broken"}},
		"one obeys its deadline":     {map[string]func(context.Context) error{"b": func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }}, nil, "+a +b -a", []string{"start b", "not done within 5s"}},
		"one does not stop":          {nil, map[string]func(context.Context) error{"b": func(context.Context) error { return broken }}, "+a +b +c -c -b -a", []string{"stop b", "broken"}},
		"two do not stop":            {nil, map[string]func(context.Context) error{"b": func(context.Context) error { return broken }, "a": func(context.Context) error { return broken }}, "+a +b +c -c -b -a", []string{"stop b", "stop a"}},
		"one hangs while it stops":   {nil, map[string]func(context.Context) error{"c": hang}, "+a +b +c -c -b -a", []string{"stop c", "not done within 5s"}},
		"one hangs while it starts":  {map[string]func(context.Context) error{"b": hang}, nil, "+a +b -a", []string{"start b", "not done within 5s"}},
		"one panics while it starts": {map[string]func(context.Context) error{"b": func(context.Context) error { panic("injected") }}, nil, "+a +b -a", []string{"start b", "injected"}},
		"one panics while it stops":  {nil, map[string]func(context.Context) error{"b": func(context.Context) error { panic("injected") }}, "+a +b +c -c -b -a", []string{"stop b", "injected"}},
		"one is told its time is up": {nil, map[string]func(context.Context) error{"c": func(ctx context.Context) error { <-ctx.Done(); return errors.New("two requests were cut off") }}, "+a +b +c -c -b -a", []string{"two requests"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			happened := make(chan string, 20)
			do := func(mark, name string, how func(context.Context) error) func(context.Context) error {
				return func(ctx context.Context) error {
					happened <- mark + name
					if how != nil {
						return how(ctx)
					}
					return nil
				}
			}
			var all []stage
			for _, name := range []string{"a", "b", "c"} {
				all = append(all, stage{name: name, within: 5 * time.Second, budget: 5 * time.Second, start: do("+", name, c.start[name]), stop: do("-", name, c.stop[name])})
			}
			s := &stages{log: slog.New(slog.DiscardHandler), failures: observe.NewFailures(observe.Scope{})}
			err := s.start(t.Context(), all)
			if err == nil {
				err = s.stop(t.Context())
			}
			var got []string
			for len(happened) > 0 { // not closed: a stage that hangs holds it
				got = append(got, <-happened)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
			for _, want := range c.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v: want it to name %q", err, want)
				}
			}
			if len(c.err) == 0 && err != nil {
				t.Error(err)
			}
		})
	}
}

// The way down is walked although the way up was cancelled.
func TestACancelledStartIsUndone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	undone := false
	s := &stages{log: slog.New(slog.DiscardHandler), failures: observe.NewFailures(observe.Scope{})}
	err := s.start(ctx, []stage{
		{name: "a", within: time.Second, budget: time.Second, start: func(context.Context) error { return nil }, stop: func(ctx context.Context) error { undone = true; return ctx.Err() }},
		{name: "b", within: time.Second, start: func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() }},
	})
	if scout.CodeOf(err) != scout.CodeCancelled || !undone {
		t.Errorf("%v, undone %v", err, undone)
	}
}

func TestOneInstanceForEachDataFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/not/there/yet"
	if _, held, err := HolderOf(dir); held || err != nil {
		t.Fatalf("held %v, %v", held, err)
	}
	first, err := takeInstance(dir, Holder{Version: "1.0"}, askedFor)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v: want mode 0700", info, err)
	}
	if _, err := takeInstance(dir, Holder{Version: "1.0"}, askedFor); scout.CodeOf(err) != scout.CodeDaemonRunning || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("the second: %v", err)
	}
	if holder, held, err := HolderOf(dir); !held || err != nil || holder.PID != os.Getpid() || holder.Version != "1.0" {
		t.Errorf("%+v, %v, %v", holder, held, err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	again, err := takeInstance(dir, Holder{Version: "1.0"}, askedFor)
	if err != nil {
		t.Fatalf("after the first ended: %v", err)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || !slices.Equal([]string{entries[0].Name()}, []string{LockName}) {
		t.Errorf("%v, %v", entries, err)
	}
}
