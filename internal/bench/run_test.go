package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scripted stands for an engine: it has an answer for each list of files, and a clock that moves by a
// tenth of the audio with each call.
type scripted struct {
	answers map[string]string
	parts   bool // a file without an answer leaves the text of the others
	lengths map[string]time.Duration
	calls   []string
	now     time.Time
}

func (s *scripted) Transcribe(_ context.Context, clip bench.Clip) (bench.Heard, error) {
	var h bench.Heard
	var texts []string
	var failed error
	for _, f := range clip.Files {
		name := filepath.Base(f)
		s.calls = append(s.calls, name)
		text, ok := s.answers[name]
		h.Audio += s.lengths[name]
		if !ok && s.parts {
			failed = scout.Errorf(scout.CodeAudioSetAside, "no text for 1 part of it")
			continue
		}
		if !ok {
			return h, scout.Errorf(scout.CodeAudioCorrupt, "decode %s: %w", name, errors.New("truncated"))
		}
		texts = append(texts, text)
	}
	h.Text = strings.Join(texts, " ")
	h.Decodes = []time.Duration{h.Audio / 10}
	s.now = s.now.Add(h.Audio / 10)
	return h, failed
}

func (s *scripted) length(_ context.Context, file string) (time.Duration, error) {
	return s.lengths[filepath.Base(file)], nil
}

func script() (*scripted, []bench.Entry) {
	s := &scripted{
		now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC),
		answers: map[string]string{
			"a.wav": "The cat sat.", "b.wav": "it's twelve past one", "long.wav": "one two tree four", "noise.wav": "you",
		},
		lengths: map[string]time.Duration{
			"a.wav": 2 * time.Second, "b.wav": 30 * time.Second, "long.wav": 40 * time.Second, "noise.wav": 5 * time.Second,
			"bad.wav": time.Second,
		},
	}
	return s, []bench.Entry{
		{File: "a.wav", Reference: "the cat sat"},
		{File: "b.wav", Reference: "it is 12 past nine"},
		{File: "long.wav", Reference: "one two three four"},
		{File: "noise.wav", Reference: ""},
		{File: "bad.wav", Reference: "nobody will know"},
	}
}

func run(t *testing.T, s *scripted, entries []bench.Entry, o bench.Options) *bench.Report {
	t.Helper()
	o.Dir, o.Length, o.Now = "clips", s.length, func() time.Time { return s.now }
	r, err := bench.Run(t.Context(), s, entries, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRun(t *testing.T) {
	t.Parallel()
	s, entries := script()
	var progress []string
	r := run(t, s, entries, bench.Options{Progress: func(done, total int, file string) { progress = append(progress, file) }})

	if want := (bench.Edits{Reference: 15, Substituted: 2, Deleted: 3, Inserted: 1}); r.Total.Words != want {
		t.Errorf("total %+v, want %+v", r.Total.Words, want)
	}
	if r.Total.Files != 5 || r.Total.Failed != 1 || r.Short.Files != 4 || r.Long.Files != 1 {
		t.Errorf("files: total %d (%d failed), short %d, long %d", r.Total.Files, r.Total.Failed, r.Short.Files, r.Long.Files)
	}
	if w := r.Long.WER; w == nil || w.Value != 0.25 || w.Low != 0.25 || w.High != 0.25 {
		t.Errorf("long: %+v", w)
	}
	if w := r.Total.WER; w == nil || w.Low > w.Value || w.High < w.Value || w.Low == w.High {
		t.Errorf("total: %+v", w)
	}
	// 77 s took 7.7 s; the failed second took none and counts nowhere.
	if rtf := r.Total.RTF; rtf < 0.0999 || rtf > 0.1001 {
		t.Errorf("RTF %v", rtf)
	}
	if e := r.Files[4].Error; e == nil || e.Code != scout.CodeAudioCorrupt {
		t.Errorf("the bad file: %+v", r.Files[4])
	}
	if r.Decodes.Count != 4 || r.Decodes.Max != 4000 {
		t.Errorf("decodes %+v", r.Decodes)
	}
	if want := []string{"a.wav", "b.wav", "long.wav", "noise.wav", "bad.wav", ""}; !slices.Equal(progress, want) {
		t.Errorf("progress %q", progress)
	}
}

func TestRunModes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		o     bench.Options
		calls int
		words int
	}{
		{"each", bench.Options{}, 5, 15},
		{"each, warmed up", bench.Options{WarmUp: true}, 6, 15},
		{"long only", bench.Options{LongOnly: true}, 1, 4},
		{"joined", bench.Options{Setup: bench.Setup{Mode: bench.Joined}}, 4, 12},
		{"joined, warmed up with the first clip alone", bench.Options{WarmUp: true, Setup: bench.Setup{Mode: bench.Joined}}, 5, 12},
		{"an hour", bench.Options{Setup: bench.Setup{Mode: bench.Hour}}, 4 * 47, 12 * 47}, // 77 s each time
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, entries := script()
			if tt.o.Setup.Mode != "" {
				entries = entries[:4]
			}
			r := run(t, s, entries, tt.o)
			if len(s.calls) != tt.calls || r.Total.Words.Reference != tt.words {
				t.Errorf("%d files heard, want %d; %d words, want %d", len(s.calls), tt.calls, r.Total.Words.Reference, tt.words)
			}
		})
	}
}

// A part that cannot be transcribed does not take the text of the others along, and is told.
func TestAPartWithoutText(t *testing.T) {
	t.Parallel()
	s, entries := script()
	s.parts = true
	entries = []bench.Entry{entries[0], entries[4], entries[2]}
	r := run(t, s, entries, bench.Options{Setup: bench.Setup{Mode: bench.Joined}})
	f := r.Files[0]
	if f.Text != "the cat sat 1 2 tree 4" || f.Error == nil || f.Error.Code != scout.CodeAudioSetAside || r.Total.Failed != 1 {
		t.Errorf("%+v, error %+v", f, f.Error)
	}
	if want := (bench.Edits{Reference: 10, Substituted: 1, Deleted: 3}); f.Words != want {
		t.Errorf("%+v, want %+v", f.Words, want)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "text incomplete: audio_set_aside") {
		t.Errorf("%v:\n%s", err, table.String())
	}
}

func TestRunRefused(t *testing.T) {
	t.Parallel()
	s, entries := script()
	if _, err := bench.Run(t.Context(), s, entries[:2], bench.Options{LongOnly: true, Length: s.length}); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("no long clip: %v", err)
	}
	if _, err := bench.Run(t.Context(), s, entries, bench.Options{Setup: bench.Setup{Mode: "loud"}}); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("unknown mode: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bench.Run(ctx, s, entries, bench.Options{}); scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRunWatchesMemory(t *testing.T) {
	t.Parallel()
	s, entries := script()
	if r := run(t, s, entries, bench.Options{Watch: true}); r.Memory == nil || r.Memory.Peak <= 0 {
		t.Errorf("memory %+v", r.Memory)
	}
}

func TestReportIsStable(t *testing.T) {
	t.Parallel()
	s, entries := script()
	r := run(t, s, entries, bench.Options{Setup: bench.Setup{Version: "1.2.3", Model: "m", Backend: "sherpa", Cut: "quiet", Threads: 1}})
	r.Memory = &bench.Memory{Peak: 180e6, Bound: 190e6, Samples: 42, Processes: []bench.ProcessMemory{{"scout-engine", 150e6}, {"scout", 40e6}}}

	var text, table bytes.Buffer
	if err := errors.Join(r.WriteJSON(&text), r.WriteTable(&table)); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", text.Bytes())
	golden(t, "report.txt", table.Bytes())

	path := filepath.Join(t.TempDir(), "kept.json")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	kept, err := bench.ReadReport(path)
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := kept.WriteJSON(&again); err != nil || !bytes.Equal(again.Bytes(), text.Bytes()) {
		t.Errorf("read and written again it differs: %v", err)
	}
}

// golden compares with a file in testdata, which -update writes again.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s:\n%s", path, got)
	}
}

func TestAgainst(t *testing.T) {
	t.Parallel()
	s, entries := script()
	before := run(t, s, entries, bench.Options{})
	before.Memory = &bench.Memory{Peak: 200e6}

	s, entries = script()
	s.answers["b.wav"] = "it is 12 past nine"    // better
	s.answers["long.wav"] = "one two three four" // better
	s.answers["new.wav"] = "new"
	entries[0].Reference = "the bat sat" // another text: another file
	entries = append(entries, bench.Entry{File: "new.wav", Reference: "new"})
	after := run(t, s, entries, bench.Options{})
	after.Memory = &bench.Memory{Peak: 100e6}
	after.Decodes.P50 = before.Decodes.P50 * 2

	c := after.Against(before)
	if c.Total.Files != 4 || c.Total.Before <= c.Total.After || c.Total.Delta.Value != c.Total.After-c.Total.Before {
		t.Errorf("total %+v", c.Total)
	}
	if c.Total.Delta.High > 0 || c.Total.Delta.Low >= c.Total.Delta.Value {
		t.Errorf("interval of the change %+v", c.Total.Delta)
	}
	if c.Long.Delta.Value != -0.25 || c.Long.Files != 1 || c.Memory != 0.5 || c.Decode != 2 {
		t.Errorf("%+v", c)
	}
	if !slices.Equal(c.OnlyAfter, []string{"a.wav", "new.wav"}) || !slices.Equal(c.OnlyBefore, []string{"a.wav"}) {
		t.Errorf("only before %q, only after %q", c.OnlyBefore, c.OnlyAfter)
	}
	var table bytes.Buffer
	if err := c.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	golden(t, "comparison.txt", table.Bytes())

	if same := after.Against(after); same.Total.Delta.Value != 0 || same.Total.Delta.Low != 0 || same.Total.Delta.High != 0 {
		t.Errorf("against itself: %+v", same.Total)
	}
}

func TestReadReportRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "text": "hello", "cut": `{"schema":2,"files":[`, "future": `{"schema":99}`} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bench.ReadReport(path); scout.CodeOf(err) != scout.CodeManifestInvalid {
			t.Errorf("%s: %v has code %q", name, err, scout.CodeOf(err))
		}
	}
	if _, err := bench.ReadReport(filepath.Join(dir, "none")); scout.CodeOf(err) != scout.CodeFileNotFound {
		t.Errorf("no file: %v", err)
	}
}

// TestNothingSaid checks that clips without words give a valid report: rates are absent, not NaN.
func TestNothingSaid(t *testing.T) {
	t.Parallel()
	s, entries := script()
	r := run(t, s, entries[3:4], bench.Options{})
	var text bytes.Buffer
	if err := r.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var decoded struct {
		Total struct {
			WER   *json.RawMessage
			Words bench.Edits
		}
	}
	if err := json.Unmarshal(text.Bytes(), &decoded); err != nil || decoded.Total.WER != nil || decoded.Total.Words.Inserted != 1 {
		t.Errorf("%+v, %v", decoded, err)
	}
}
