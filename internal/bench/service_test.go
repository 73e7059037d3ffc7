package bench

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wellServed are measurements of a service that keeps all promises.
func wellServed() Service {
	many := func(d time.Duration) []time.Duration { return slices.Repeat([]time.Duration{d}, 20) }
	whole := ServiceWhole{Frames: 160_000, Least: 150_000}
	return Service{
		Idle: &ServiceIdle{Ready: many(200 * ms), PSS: map[string]int64{"scout": 40e6}},
		Load: &ServiceLoad{
			Connections: 200, Took: time.Minute, Accepted: 150, Refused: 400, BusyWall: 30 * time.Second, Busy: 58 * time.Second, Slots: 2,
			CPU: 30 * time.Second, Audio: 600 * time.Second, CPUAlone: 5 * time.Second, AudioAlone: 100 * time.Second, Gets: many(10 * ms),
			StopToText: many(200 * ms), Device: "file", Single: many(1500 * ms), SingleAlone: many(time.Second),
		},
		Fair: &ServiceFair{Took: time.Minute, Served: []time.Duration{40 * time.Second, 50 * time.Second}},
		Slow: &ServiceSlow{
			Clients: map[string]int{"read nothing": 5}, Gets: many(10 * ms), Job: many(1100 * ms), JobAlone: many(time.Second),
			Before: ServiceHolds{40, 30, 50e6}, During: ServiceHolds{400, 300, 90e6}, After: ServiceHolds{42, 30, 52e6},
		},
		Kills: &ServiceKills{
			Kills: 50, Ready: many(300 * ms), Acknowledged: map[string]int{"uploads": 100, "titles": 900}, Wrong: map[string]int{"titles": 0}, Jobs: 100, Results: 100, Recording: whole,
		},
		Loops: &ServiceLoops{Kills: 50, Jobs: 100, Done: 100, Aborts: 6, Code: "crash_loop", Before: 5},
		Hung:  &ServiceHung{Noticed: 5 * time.Second, Well: 2 * time.Second, JobState: "succeeded"},
		Disk:  &ServiceDisk{Bytes: 300e6, Uploads: 200, Kept: 80, Refused: map[string]int{"507 disk_low": 120}, Recording: whole},
	}
}

// judgedService returns the figures by id.
func judgedService(m Service) map[string]Figure {
	r := NewServiceReport(Setup{})
	r.Measured = m
	r.Judge()
	figures := make(map[string]Figure)
	for _, f := range r.Figures {
		figures[f.ID] = f
	}
	return figures
}

func TestAServiceThatKeepsItsPromises(t *testing.T) {
	t.Parallel()
	figures := judgedService(wellServed())
	for id, f := range figures {
		if !f.OK || f.Unmeasured {
			t.Errorf("%s is not met: %+v", id, f)
		}
	}
	if len(figures) < 30 {
		t.Errorf("only %d figures", len(figures))
	}
}

// Each breach of a promise, and each measurement that shows nothing, is told by the figure that is about it, and by no other one.
func TestAServiceThatBreaksAPromise(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		change func(*Service)
		short  []string
	}{
		"slow to be ready":               {func(s *Service) { s.Idle.Ready[0], s.Idle.Ready[1] = time.Second, time.Second }, []string{"idle_ready"}},
		"never started":                  {func(s *Service) { s.Idle.Ready = nil }, []string{"idle_ready"}},
		"large while idle":               {func(s *Service) { s.Idle.PSS["scout-recorder"] = 6e6 }, []string{"idle_pss"}},
		"no memory measured":             {func(s *Service) { s.Idle.PSS = nil }, []string{"idle_pss"}},
		"a reset connection":             {func(s *Service) { s.Load.Errors = map[string]int{"connection reset": 1} }, []string{"load_errors"}},
		"idle slots":                     {func(s *Service) { s.Load.Busy = 53 * time.Second }, []string{"load_busy"}},
		"slots not known":                {func(s *Service) { s.Load.Slots = 0 }, []string{"load_busy"}},
		"an engine that costs more":      {func(s *Service) { s.Load.CPU = 34 * time.Second }, []string{"load_cpu"}},
		"no audio became text":           {func(s *Service) { s.Load.Audio = 0 }, []string{"load_cpu"}},
		"slow answers":                   {func(s *Service) { s.Load.Gets[3] = time.Second }, []string{"load_gets"}},
		"no answers":                     {func(s *Service) { s.Load.Gets = nil }, []string{"load_gets"}},
		"late text":                      {func(s *Service) { s.Load.StopToText[0], s.Load.StopToText[1] = time.Second, time.Second }, []string{"load_dictation"}},
		"no dictation":                   {func(s *Service) { s.Load.StopToText = nil }, []string{"load_dictation"}},
		"another key waits":              {func(s *Service) { s.Load.Single = []time.Duration{2100 * ms} }, []string{"load_single"}},
		"another key is never served":    {func(s *Service) { s.Load.Single = nil }, []string{"load_single"}},
		"nothing was taken":              {func(s *Service) { s.Load.Accepted = 0 }, []string{"load_refused"}},
		"an unfair queue":                {func(s *Service) { s.Fair.Served[1] = 61 * time.Second }, []string{"fair_spread"}},
		"a key that got nothing":         {func(s *Service) { s.Fair.Served[0] = 0 }, []string{"fair_spread"}},
		"a refused key":                  {func(s *Service) { s.Fair.Errors = map[string]int{"500 internal": 1} }, []string{"fair_errors"}},
		"others pay for the slow":        {func(s *Service) { s.Slow.Job = []time.Duration{2 * time.Second} }, []string{"slow_job"}},
		"others wait for the slow":       {func(s *Service) { s.Slow.Gets[0] = time.Second }, []string{"slow_gets"}},
		"others fail":                    {func(s *Service) { s.Slow.Errors = map[string]int{"answer cut off": 1} }, []string{"slow_errors"}},
		"nobody was slow":                {func(s *Service) { s.Slow.Clients = nil }, []string{"slow_gets"}},
		"goroutines are left":            {func(s *Service) { s.Slow.After.Goroutines = 60 }, []string{"slow_goroutines"}},
		"goroutines not known":           {func(s *Service) { s.Slow.After.Goroutines = 0 }, []string{"slow_goroutines"}},
		"files are left":                 {func(s *Service) { s.Slow.After.Files = 40 }, []string{"slow_files"}},
		"memory is left":                 {func(s *Service) { s.Slow.After.PSS = 70e6 }, []string{"slow_memory"}},
		"a lost title":                   {func(s *Service) { s.Kills.Wrong["titles"] = 1 }, []string{"kills_titles"}},
		"a lost upload":                  {func(s *Service) { s.Kills.Wrong["uploads"] = 1 }, []string{"kills_uploads"}},
		"no upload was acknowledged":     {func(s *Service) { s.Kills.Acknowledged["uploads"] = 0 }, []string{"kills_uploads"}},
		"a job without a text":           {func(s *Service) { s.Kills.Results = 99 }, []string{"kills_results"}},
		"a job with two texts":           {func(s *Service) { s.Kills.Double = 1 }, []string{"kills_results"}},
		"a damaged database":             {func(s *Service) { s.Kills.Damaged = 1 }, []string{"kills_database"}},
		"a recording with wrong frames":  {func(s *Service) { s.Kills.Recording.Wrong = 1 }, []string{"kills_recording"}},
		"a recording that ended early":   {func(s *Service) { s.Kills.Recording.Frames = 100_000 }, []string{"kills_recording"}},
		"a recording with a gap":         {func(s *Service) { s.Kills.Recording.Gaps = 1 }, []string{"kills_recording"}},
		"no recording":                   {func(s *Service) { s.Kills.Recording = ServiceWhole{} }, []string{"kills_recording"}},
		"slow to come back":              {func(s *Service) { s.Kills.Ready[7] = 1100 * ms }, []string{"kills_ready"}},
		"refused though alive":           {func(s *Service) { s.Kills.Errors = map[string]int{"500 internal": 1} }, []string{"kills_errors"}},
		"an innocent dead letter":        {func(s *Service) { s.Loops.Dead, s.Loops.Done = 1, 99 }, []string{"loops_dead", "loops_done"}},
		"no innocent job":                {func(s *Service) { s.Loops.Jobs, s.Loops.Done = 0, 0 }, []string{"loops_dead", "loops_done", "loops_errors"}},
		"a bad input that goes on":       {func(s *Service) { s.Loops.Code = "running" }, []string{"loops_crash"}},
		"others wait for the bad input":  {func(s *Service) { s.Loops.Before = 0 }, []string{"loops_before"}},
		"a hung engine noticed late":     {func(s *Service) { s.Hung.Noticed = 7 * time.Second }, []string{"hung_noticed"}},
		"a hung engine not noticed":      {func(s *Service) { s.Hung.Noticed, s.Hung.Well = 0, 0 }, []string{"hung_noticed", "hung_well"}},
		"work lost in a hung engine":     {func(s *Service) { s.Hung.JobState = "dead" }, []string{"hung_job"}},
		"a refusal that nobody can read": {func(s *Service) { s.Disk.Broken = map[string]int{"connection reset": 1} }, []string{"disk_broken"}},
		"a disk with room for all":       {func(s *Service) { s.Disk.Refused = nil }, []string{"disk_broken"}},
		"a kept upload that is gone":     {func(s *Service) { s.Disk.Missing = 1 }, []string{"disk_missing"}},
		"a recording on a full disk":     {func(s *Service) { s.Disk.Recording.Wrong = 20 }, []string{"disk_recording"}},
		"no small disk":                  {func(s *Service) { s.Disk = &ServiceDisk{Skipped: "not root"} }, []string{"disk_skipped"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			m := wellServed()
			c.change(&m)
			var short []string
			for id, f := range judgedService(m) {
				if !f.OK {
					short = append(short, id)
				}
			}
			if slices.Sort(short); !slices.Equal(short, c.short) {
				t.Errorf("not met: %v, want %v", short, c.short)
			}
		})
	}
}

// A report says of each bound whether it is met, and a later run reads it.
func TestServiceReport(t *testing.T) {
	t.Parallel()
	r := NewServiceReport(Setup{Model: "m", CPU: "c"})
	r.Measured = wellServed()
	r.Measured.Idle.PSS["scout"] = 50e6
	r.Measured.Hung = &ServiceHung{}
	r.Judge()
	var table, data bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SHORT", "50 MB", "<= 45 MB", "NOT MEASURED", "met", "bounds are met"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in the table:\n%s", want, table.String())
		}
	}
	if err := r.WriteJSON(&data); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "service.json")
	if err := os.WriteFile(path, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := ReadServiceReport(path)
	if err != nil || !slices.Equal(again.Figures, r.Figures) || !maps.Equal(again.Measured.Disk.Refused, r.Measured.Disk.Refused) {
		t.Errorf("%v: %+v", err, again)
	}
	var fields map[string]any
	if err := json.Unmarshal(data.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	fields["schema"] = 99
	newer, _ := json.Marshal(fields)
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadServiceReport(path); err == nil {
		t.Error("a report of another version is read")
	}
}
