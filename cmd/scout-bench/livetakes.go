package main

import (
	"context"
	_ "embed" // the list of commands
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/bench/rig"
	"github.com/scout-speech/scout/internal/speech"
)

//go:embed commands.txt
var spokenCommands string

// liveBench is one run of scout-bench live.
type liveBench struct {
	*app
	options benchLiveOptions
	dir     string
	entries []bench.Entry
	booth   *rig.Booth
	single  *speech.Batch
	speech  speech.Options
	report  *bench.LiveReport
	show    *cli.Console
	known   []*stretch
}

// liveFigure is something to measure.
type liveFigure struct {
	name    string
	measure func(l *liveBench, ctx context.Context) error
}

// liveFigures returns what scout-bench live measures, the quick things first.
func liveFigures() []liveFigure {
	short := func(group string, length time.Duration, fraction int) func(*liveBench, context.Context) error {
		return func(l *liveBench, ctx context.Context) error {
			return l.short(ctx, group, length, (l.options.takes+fraction-1)/fraction)
		}
	}
	return []liveFigure{
		{"2s", short(bench.Group2s, 2*time.Second, 1)},
		{"10s", short(bench.Group10s, 10*time.Second, 1)},
		{"60s", short(bench.Group60s, time.Minute, 4)},
		{"memory", (*liveBench).memory},
		{"core", (*liveBench).core},
		{"warm", (*liveBench).warm},
		{"cold", (*liveBench).cold},
		{"commands", (*liveBench).commands},
		{"words", (*liveBench).words},
		{"quiet", (*liveBench).quiet},
		{"noise", (*liveBench).noise},
		{"long", (*liveBench).long},
		{"kills", (*liveBench).kills},
	}
}

func liveFigureNames() (names []string) {
	for _, f := range liveFigures() {
		names = append(names, f.name)
	}
	return names
}

func (l *liveBench) run(ctx context.Context) error {
	for _, f := range liveFigures() {
		for _, wanted := range l.options.figures {
			if wanted != f.name {
				continue
			}
			if err := f.measure(l, ctx); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	return nil
}

// stretches returns the joined clips with what a single pass hears in them.
func (l *liveBench) stretches(ctx context.Context) ([]*stretch, error) {
	if l.known != nil {
		return l.known, nil
	}
	stretches, err := gather(ctx, l.app, l.dir, l.entries, l.options.length)
	if err != nil {
		return nil, err
	}
	for i, s := range stretches {
		l.show.Draw(fmt.Sprintf("single pass over %d of %d", i+1, len(stretches)))
		if err := s.pass(ctx, l.single, l.speech); err != nil {
			return nil, err
		}
	}
	l.known = stretches
	return stretches, nil
}

// dictate makes one dictation, unless the report has it, and keeps it.
//
//	number  of the dictation in its group, from 0
func (l *liveBench) dictate(ctx context.Context, take rig.Take, number, of int, how rig.Manner) error {
	if l.report.Count(take.Group) > number {
		return nil
	}
	l.show.Draw(fmt.Sprintf("%s: %d of %d, %s", take.Group, number+1, of, take.StopAt.Round(100*time.Millisecond)))
	result, err := l.booth.Dictate(ctx, take, how)
	if err != nil {
		return err
	}
	l.report.Add(result)
	if l.options.report == "" {
		return nil
	}
	return toFile(l.options.report, l.report.WriteJSON)
}

// cuts returns n dictations of a length, from all over the clips, stopped at each of the moments.
func (l *liveBench) cuts(ctx context.Context, group string, length time.Duration, n int) ([]rig.Take, error) {
	stretches, err := l.stretches(ctx)
	if err != nil {
		return nil, err
	}
	moments, _ := bench.StopMoments()
	takes := make([]rig.Take, 0, n)
	for i := range 4 * n { // near some places no word ends
		s := stretches[i%len(stretches)]
		from := max(0, s.length()-2*length) * time.Duration((i*7919)%(4*n)) / time.Duration(4*n)
		take, ok := rig.Cut(s.samples, s.words, from, length, moments[len(takes)%len(moments)])
		if !ok {
			continue
		}
		take.Group, take.Truth = group, bench.Passage(strings.Join(s.reference, " "), take.Reference)
		if takes = append(takes, take); len(takes) == n {
			return takes, nil
		}
	}
	if len(takes) == 0 {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "the clips are too short for dictations of %v", length)
	}
	return takes, nil
}

// short makes dictations of a length.
func (l *liveBench) short(ctx context.Context, group string, length time.Duration, n int) error {
	takes, err := l.cuts(ctx, group, length, n)
	if err != nil {
		return err
	}
	for i, take := range takes {
		if err := l.dictate(ctx, take, i, len(takes), rig.Manner{}); err != nil {
			return err
		}
	}
	return nil
}

// memory makes dictations of a minute, a twentieth of --takes of them, and measures the memory after a rest too.
func (l *liveBench) memory(ctx context.Context) error {
	const fraction = 20
	takes, err := l.cuts(ctx, bench.GroupRest, time.Minute, max(1, l.options.takes/fraction))
	if err != nil {
		return err
	}
	for i, take := range takes {
		if err := l.dictate(ctx, take, i, len(takes), rig.Manner{Rest: true}); err != nil {
			return err
		}
	}
	return nil
}

// core makes dictations while another program keeps one processor busy.
func (l *liveBench) core(ctx context.Context) error {
	busy := exec.CommandContext(ctx, "stress-ng", "--cpu", "1", "--quiet")
	if err := busy.Start(); err != nil {
		return scout.Errorf(scout.CodeNotFound, "start stress-ng: %w", err).WithHint("on Debian: apt-get install stress-ng")
	}
	defer func() {
		_ = busy.Process.Signal(os.Interrupt) // so that it ends its workers too
		_ = busy.Wait()                       // it was interrupted
	}()
	return l.short(ctx, bench.GroupOneCore, 10*time.Second, l.options.takes)
}

// fromFirstWord returns dictations that begin with their first word, and whose first word a single pass over what is said before
// the stop hears.
func (l *liveBench) fromFirstWord(ctx context.Context, group string) ([]rig.Take, error) {
	takes, err := l.cuts(ctx, group, 3*time.Second, 3*l.options.takes)
	if err != nil {
		return nil, err
	}
	var good []rig.Take
	for _, take := range takes {
		take = take.FromFirstWord()
		s := &stretch{samples: take.Said()}
		if err := s.pass(ctx, l.single, l.speech); err != nil {
			return nil, err
		}
		if take.Begins(s.text) && len(good) < l.options.takes {
			good = append(good, take)
		}
	}
	return good, nil
}

// warm makes dictations that begin before the command, with a microphone that is open.
func (l *liveBench) warm(ctx context.Context) error {
	begin := -200 * time.Millisecond
	return l.edge(ctx, bench.GroupWarm, rig.Manner{Warm: true, Begin: &begin})
}

// cold makes dictations that begin soon after the command, with a microphone that is closed but a source that runs.
func (l *liveBench) cold(ctx context.Context) error {
	begin := 300 * time.Millisecond
	return l.edge(ctx, bench.GroupCold, rig.Manner{Begin: &begin})
}

func (l *liveBench) edge(ctx context.Context, group string, how rig.Manner) error {
	if l.report.Device == rig.DeviceFile {
		return scout.Errorf(scout.CodeInvalidArgument, "the virtual device begins with the recording: it has no sound from before it").WithHint("leave out --device file")
	}
	takes, err := l.fromFirstWord(ctx, group)
	if err != nil || len(takes) == 0 {
		return err
	}
	release, err := l.booth.Listen(ctx)
	if err != nil {
		return err
	}
	defer release()
	// The first one opens the microphone, and shows how long a sound takes.
	if _, err := l.booth.Dictate(ctx, takes[0], rig.Manner{Warm: how.Warm}); err != nil {
		return err
	}
	for i, take := range takes {
		if err := l.dictate(ctx, take, i, len(takes), how); err != nil {
			return err
		}
	}
	return nil
}

// each makes one dictation of each.
func (l *liveBench) each(ctx context.Context, takes []rig.Take) error {
	first := map[string]int{}
	for _, take := range takes {
		if err := l.dictate(ctx, take, first[take.Group], len(takes), rig.Manner{}); err != nil {
			return err
		}
		first[take.Group]++
	}
	return nil
}

func (l *liveBench) commands(ctx context.Context) error {
	takes, err := rig.Commands(strings.Split(strings.TrimSpace(spokenCommands), "\n"))
	if err != nil {
		return err
	}
	return l.each(ctx, takes)
}

func (l *liveBench) words(ctx context.Context) error {
	takes, err := l.booth.Reader.Words(ctx, l.dir, usualWords)
	if err != nil {
		return err
	}
	if len(takes) == 0 {
		return scout.Errorf(scout.CodeInvalidArgument, "there is no word-times.tsv in %s or beside it", l.dir)
	}
	return l.each(ctx, takes)
}

func (l *liveBench) quiet(ctx context.Context) error {
	stretches, err := gather(ctx, l.app, l.dir, l.entries, time.Minute)
	if err != nil {
		return err
	}
	return l.each(ctx, rig.QuietTakes(stretches[0].samples, strings.Join(stretches[0].reference, " ")))
}

func (l *liveBench) noise(ctx context.Context) error {
	return l.each(ctx, rig.SoundTakes(l.options.sounds))
}

// longTakes returns joined clips, a twentieth of --takes times. Each begins with another clip, and goes on with the first one after the
// last one.
func (l *liveBench) longTakes(ctx context.Context, group string) ([]rig.Take, error) {
	const fraction = 20
	moments, _ := bench.StopMoments()
	var takes []rig.Take
	n := max(1, l.options.takes/fraction)
	for i := range n {
		first := i * len(l.entries) / n
		stretches, err := gather(ctx, l.app, l.dir, slices.Concat(l.entries[first:], l.entries[:first]), l.options.length)
		if err != nil {
			return nil, err
		}
		s := stretches[0]
		take := rig.Whole(s.samples, group, moments[(i+1)%len(moments)])
		take.Reference = strings.Join(s.reference, " ")
		takes = append(takes, take)
	}
	return takes, nil
}

func (l *liveBench) long(ctx context.Context) error {
	takes, err := l.longTakes(ctx, bench.LongGroup(l.options.length))
	if err != nil {
		return err
	}
	return l.each(ctx, takes)
}

// kills makes the first of the long dictations, and kills.
func (l *liveBench) kills(ctx context.Context) error {
	takes, err := l.longTakes(ctx, bench.KilledGroup(l.options.length))
	if err != nil {
		return err
	}
	take := takes[0]
	return l.dictate(ctx, take, 0, 1, rig.Manner{Kills: &rig.Kills{
		Engine: min(20*time.Second, take.StopAt/3), Daemon: take.StopAt * 2 / 5, Client: take.StopAt * 7 / 10,
	}})
}
