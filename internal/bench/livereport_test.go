package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

const ms = time.Millisecond

// liveTake is a dictation with these times in milliseconds.
func liveTake(group string, moment StopMoment, late, bare int) *LiveTake {
	return &LiveTake{
		Group: group, Moment: moment, Audio: 2 * time.Second, StopToText: time.Duration(late) * ms, Bare: time.Duration(bare) * ms, Tail: time.Second, FirstPartial: -1,
		Committed: 4, CPU: 500 * ms, Text: "one two three four", Told: true,
	}
}

func figure(t *testing.T, r *LiveReport, id string) Figure {
	t.Helper()
	for _, f := range r.Figures {
		if f.ID == id {
			return f
		}
	}
	t.Fatalf("there is no figure %s in %+v", id, r.Figures)
	return Figure{}
}

// TestLiveReport adds dictations of several groups and checks what is computed of them.
func TestLiveReport(t *testing.T) {
	t.Parallel()
	r := NewLiveReport(Setup{Model: "m"}, "elapsed", "null sink")
	for i, late := range []int{100, 50, 200, 150} {
		take := liveTake(Group2s, []StopMoment{StopMidWord, StopAfter0}[i%2], late, 50)
		take.FirstPartial = time.Duration(i+1) * 100 * ms
		take.Commit = []time.Duration{time.Second, 2 * time.Second}
		take.Shown, take.PSS = i, int64(i)*50e6
		r.Add(take)
	}
	killed := liveTake(KilledGroup(usualLength), "", 9000, 0)
	killed.FirstPartial, killed.Commit, killed.Changed = 9*time.Second, []time.Duration{20 * time.Second}, 1
	killed.Judge("one two three four", "one two three four")
	r.Add(killed)
	long := liveTake(LongGroup(usualLength), StopAfter0, 70, 0)
	long.Text = "one two three for"
	long.Judge("one two three four", "one two three four")
	r.Add(long)
	other := liveTake(LongGroup(usualLength), StopAfter0, 70, 0) // of another recording: kills are not compared with it
	other.Audio, other.CPU, other.Committed, other.Text = 10*time.Second, 2500*ms, 0, ""
	other.Judge("five six", "")
	r.Add(other)
	empty := liveTake(GroupCommands, "", 30, 0)
	empty.Committed, empty.Told, empty.Text = 0, false, ""
	empty.Judge("stop", "")
	r.Add(empty)
	cold := liveTake(GroupCold, "", 30, 0)
	cold.FirstUnrecorded, cold.FirstMissing, cold.FirstSingle = true, true, true
	r.Add(cold)
	minute := liveTake(LongGroup(time.Minute), "", 100, 0)
	minute.Audio, minute.CPU, minute.Committed = 0, 0, 0
	said := Words("one two three four five six seven eight nine ten")
	edits := func(text string) *Edits { e := CountEdits(said, Words(text)); return &e }
	minute.PSS, minute.RestPSS, r.AccurateMemory = 400e6, 190e6, 200e6
	minute.Second = &LiveSecond{
		Outcome: "published", StopToText: 650 * ms, First: edits("one two three four five six"), Edits: edits("one two three four five six seven"),
		Single: edits("one two three four five six seven eight"),
	}
	r.Add(minute)
	noise := liveTake(PrefixNoise+"hum", "", 30, 0)
	noise.Committed, noise.Text, noise.FirstPartial = 2, "the the", 9*time.Second
	r.Add(noise)

	g := r.Groups[0]
	if g.Name != Group2s || g.StopToText.Count != 4 || g.StopToText.Max != 200 || g.StopToText.P50 != 125 || g.Ratio != 2.5 {
		t.Errorf("%+v", g)
	}
	if got := g.ByMoment[StopMidWord]; got.Count != 2 || got.Max != 200 {
		t.Errorf("in mid-word: %+v", got)
	}
	if r.FirstPartial.Count != 4 || r.FirstPartial.Max != 400 || r.Commit.Count != 8 || r.Commit.Max != 2000 {
		t.Errorf("what is killed must not count: %+v, %+v", r.FirstPartial, r.Commit)
	}
	if r.StopToText.Count != 9 || r.StopToText.Max != 200 {
		t.Errorf("all lengths: %+v", r.StopToText)
	}
	if r.Committed != 4*4+4+4+0+4+2 || r.Changed != 1 || r.Flicker != 6.0/30 || r.CPUShare != 0.25 {
		t.Errorf("%d committed, %d changed, flicker %v, processor %v", r.Committed, r.Changed, r.Flicker, r.CPUShare)
	}
	for id, want := range map[string]struct {
		value float64
		ok    bool
	}{
		"stop_to_text_2_s":       {192.5, false},
		"stop_to_text_10_min":    {70, true},
		"first_partial":          {385, true},
		"commit":                 {2000, true},
		"changed_words":          {1, false},
		"wer_points":             {100.0 / 6, false},
		"kills_points":           {-25, true},
		"spoken_commands_silent": {1, false},
		"spoken_commands_right":  {0, true},
		"cold_stream":            {1, false},
		"cold_stream_unrecorded": {1, false},
		"noise_hum":              {2, false},
		"stop_to_second_1_min":   {650, true},
		"second_wer_1_min":       {30, false},
		"second_points_1_min":    {10, false},
		"second_gain":            {-10, true},
		"pss":                    {400, true},
		"pss_rest":               {190, true},
		"cpu":                    {25, true},
	} {
		if f := figure(t, r, id); f.Value < want.value-1e-9 || f.Value > want.value+1e-9 || f.OK != want.ok {
			t.Errorf("%s is %v (%v), want %v (%v)", id, f.Value, f.OK, want.value, want.ok)
		}
	}
}

// TestLiveReportContinues writes a report, reads it, and adds to it: nothing is lost, and everything is summed again.
func TestLiveReportContinues(t *testing.T) {
	t.Parallel()
	r := NewLiveReport(Setup{Model: "m"}, "elapsed", "file")
	r.Add(liveTake(Group10s, StopAfter300, 100, 50))
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "live.json")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := ReadLiveReport(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r, again) {
		t.Errorf("wrote %+v\nread  %+v", r, again)
	}
	again.Add(liveTake(Group10s, StopAfter0, 300, 50))
	if g := again.Groups[0]; g.StopToText.Count != 2 || g.StopToText.Max != 300 || g.Ratio != 4 || again.Count(Group10s) != 2 || again.Count(Group2s) != 0 {
		t.Errorf("%+v", g)
	}
	for situation, content := range map[string]string{"another version": `{"schema":2}`, "no report": `[]`, "cut off": out.String()[:out.Len()/2]} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLiveReport(path); scout.CodeOf(err) != scout.CodeInvalidArgument {
			t.Errorf("%s: %v", situation, err)
		}
	}
}

// TestLiveReportForPeople writes a report, its change against an earlier one, and the page.
func TestLiveReportForPeople(t *testing.T) {
	t.Parallel()
	before, now := NewLiveReport(Setup{}, "elapsed", "file"), NewLiveReport(Setup{}, "elapsed", "file")
	before.Add(liveTake(Group2s, StopAfter0, 100, 50))
	now.Add(liveTake(Group2s, StopAfter0, 150, 50))
	slow := liveTake(Group10s, StopAfter0, 400, 50)
	slow.FirstPartial, slow.Commit = 300*ms, []time.Duration{time.Second}
	now.Add(slow)
	for situation, c := range map[string]struct {
		write func(*bytes.Buffer) error
		want  []string
	}{
		"table":  {func(b *bytes.Buffer) error { return now.WriteTable(b) }, []string{"sound: file", "SHORT", "150 ms", "3.00"}},
		"change": {func(b *bytes.Buffer) error { return now.WriteChange(b, before) }, []string{"100.0 ms", "150.0 ms", "+50 %"}},
		"page":   {func(b *bytes.Buffer) error { return now.WritePlot(b) }, []string{"<svg", "<title>400 ms, after 0 ms</title>", "Commit after", "short</span>"}},
		"JSON":   {func(b *bytes.Buffer) error { return now.WriteJSON(b) }, []string{`"stop_to_text_ms"`, `"p95"`, `"stop_to_text_ns": 400000000`}},
	} {
		var out bytes.Buffer
		if err := c.write(&out); err != nil {
			t.Errorf("%s: %v", situation, err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in %s", situation, want, out.String())
			}
		}
		if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "Inf") {
			t.Errorf("%s: %s", situation, out.String())
		}
	}
	var empty bytes.Buffer
	if err := NewLiveReport(Setup{}, "elapsed", "file").WritePlot(&empty); err != nil || !json.Valid([]byte(`{}`)) || strings.Contains(empty.String(), "<circle class=\"\"") {
		t.Errorf("%v: %s", err, empty.String())
	}
}

// TestLiveMarks compares texts of the same words with other sentence ends and capitals.
func TestLiveMarks(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		live, single string
		want         LiveMarks
	}{
		"the same":                 {"Ask not. Then go.", "Ask not. Then go.", LiveMarks{Words: 4, Ends: 2, Capitals: 2}},
		"a full stop for a comma":  {"My Americans. ask not", "My Americans, ask not", LiveMarks{Words: 4, Ends: 1, EndsDiffer: 1, Capitals: 2}},
		"a capital":                {"my fellow Ask not", "my fellow ask not", LiveMarks{Words: 4, Capitals: 1, CapitalsDiffer: 1}},
		"other words do not count": {"It was. here", "It is here.", LiveMarks{Words: 2, Ends: 1, EndsDiffer: 1, Capitals: 1}},
		"a quotation":              {`He said "go." Then`, `He said "go". Then`, LiveMarks{Words: 4, Ends: 1, Capitals: 2}},
		"nothing":                  {"", "Ask.", LiveMarks{}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			if got := compareMarks(c.live, c.single); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
