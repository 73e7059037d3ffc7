package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/testrun"
)

// The tests of this file run the built programs with the real model, as a user does.

const spoken = testrun.Spoken

var (
	installed testrun.Installation // of scout, scout-recorder and scout-engine
	programs  string               // its folder
	models    string
	clip      string
)

func TestMain(m *testing.M) {
	suite := testrun.Contain(m)
	os.Exit(func() int {
		var err error
		if installed, err = testrun.Install("scout", "scout-recorder", "scout-engine"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer installed.Remove()
		programs, models, clip = installed.Programs, installed.Models, installed.Clip
		for name, value := range map[string]string{
			"SCOUT_RECORDER": filepath.Join(programs, "scout-recorder"), "SCOUT_LOG_LEVEL": "",
			"SCOUT_DATA": filepath.Join(programs, "data"), "SCOUT_DAEMON__IDLE": "30s", "SCOUT_HTTP__ADDR": "off", // many daemons run at the same time
		} {
			if err := os.Setenv(name, value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		// A test run in the background of a script, or under test2json, ignores these signals, and so would every program here.
		heard := make(chan os.Signal, 1)
		for _, s := range []os.Signal{os.Interrupt, syscall.SIGQUIT} {
			if signal.Ignored(s) {
				signal.Notify(heard, s) // a program that is started has the default again
			}
		}
		testrun.Beside(5) // recordings take as long as they last
		return suite.Run()
	}())
}

func needModel(t *testing.T) {
	t.Helper()
	installed.NeedModel(t)
}

// said reports whether the text has the words of the clip n times. Commas are ignored: the model may choose them.
func said(text string, n int) bool {
	return slices.Equal(bench.Words(text), bench.Words(strings.Repeat(spoken+" ", n)))
}

// tells reports whether a message has all the facts, which are separated by " … ", in this order. The words between
// them may change.
func tells(message, facts string) bool {
	for fact := range strings.SplitSeq(facts, " … ") {
		_, rest, found := strings.Cut(message, fact)
		if !found {
			return false
		}
		message = rest
	}
	return true
}

// settingsOf returns the settings of the environment with another folder of models.
func settingsOf(t *testing.T, models string) *settings.Loaded {
	t.Helper()
	loaded, err := settings.Load(settings.Sources{Environment: append(os.Environ(), "SCOUT_MODELS="+models)})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// outcome is what a run of scout printed, and its exit code.
type outcome struct {
	out, err string
	code     int
}

// complains checks that a run failed with the exit code, a line that tells what is wrong, and a hint; an empty hint means
// that any hint or none is right.
func (o outcome) complains(t *testing.T, code int, says, hint string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(o.err), "\n")
	if o.code != code || len(lines) > 2 || !strings.HasPrefix(lines[0], "scout: ") || !tells(lines[0], says) {
		t.Errorf("exit %d, %q: want exit %d and one line with %q", o.code, o.err, code, says)
	}
	if hint != "" && len(lines) < 2 || len(lines) > 1 && (!strings.HasPrefix(lines[1], "  hint: ") || !strings.Contains(lines[1], hint)) {
		t.Errorf("%q: want a hint with %q", o.err, hint)
	}
}

// scoutRun runs the program in this process.
func scoutRun(t *testing.T, stdin []byte, args ...string) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	code := cli.Run(t.Context(), programName, args, cli.Streams{In: bytes.NewReader(stdin), Out: &out, Err: &errOut}, build)
	return outcome{out.String(), errOut.String(), code}
}

// command returns scout as a process of its own.
func command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(programs, "scout"), args...)
}

// bash returns a line of bash in which scout is the built program.
func bash(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Env = append(os.Environ(), "PATH="+programs+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return cmd
}

// outcomeOf runs a command to its end.
func outcomeOf(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

func TestTranscribeFormats(t *testing.T) {
	t.Parallel()
	needModel(t)
	for format, want := range map[string][]string{
		"text": {"ask not what your country can do for you"},
		"srt":  {"1\n00:00:00,", " --> 00:00:1", "my fellow Americans"},
		"vtt":  {"WEBVTT\n\n", "what your country can do"},
		"tsv":  {"start\tend\ttext\n", "\tAnd so"},
		"md":   {"jfk.wav\n", "ask not"},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			got := scoutRun(t, nil, "transcribe", "--format", format, clip)
			if got.code != 0 {
				t.Fatalf("exit %d: %s", got.code, got.err)
			}
			for _, w := range want {
				if !strings.Contains(got.out, w) {
					t.Errorf("%q is not in\n%s", w, got.out)
				}
			}
		})
	}
}

func TestTranscribeJSON(t *testing.T) {
	t.Parallel()
	needModel(t)
	got := scoutRun(t, nil, "transcribe", "--format", "json", clip)
	var doc struct {
		File, Model, Language, Text string
		Duration, TimeTaken         float64
		Segments                    []struct {
			Start, End float64
			Text       string
		}
	}
	if err := json.Unmarshal([]byte(got.out), &doc); err != nil || got.code != 0 {
		t.Fatalf("exit %d, %v: %s", got.code, err, got.err)
	}
	if !said(doc.Text, 1) || doc.Model != "moonshine-tiny-en" || doc.Language != "en" || doc.Duration != 11 || len(doc.Segments) == 0 {
		t.Fatalf("%+v", doc)
	}
}

func TestTranscribeStandardInput(t *testing.T) {
	t.Parallel()
	needModel(t)
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	if got := scoutRun(t, data, "transcribe", "-"); got.code != 0 || !said(got.out, 1) {
		t.Fatalf("exit %d: %s%s", got.code, got.out, got.err)
	}
}

func TestOneBadFileStopsNoOther(t *testing.T) {
	t.Parallel()
	needModel(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.wav")
	if err := os.WriteFile(bad, []byte("this is not audio\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "texts") + "/"
	got := scoutRun(t, nil, "transcribe", "--output", target, clip, bad, filepath.Join(dir, "none.wav"), clip)
	if got.code != 1 || !strings.Contains(got.err, "2 of 4 files failed") {
		t.Fatalf("exit %d: %s", got.code, got.err)
	}
	for _, name := range []string{"jfk.txt", "jfk-2.txt"} {
		if text, err := os.ReadFile(target + name); err != nil || !said(string(text), 1) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if left, err := os.ReadDir(target); err != nil || len(left) != 2 {
		t.Errorf("%v, %v: want two files", left, err)
	}
}

// makeWAV returns a WAV file of float samples with the given format fields.
func makeWAV(rate, channels int, samples []float32, dataLength uint32) []byte {
	data := make([]byte, 0, len(samples)*4)
	for _, s := range samples {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(s))
	}
	out := append([]byte("RIFF"), 0, 0, 0, 0)
	out = append(out, "WAVEfmt "...)
	out = binary.LittleEndian.AppendUint32(out, 16)
	out = binary.LittleEndian.AppendUint16(out, 3)
	out = binary.LittleEndian.AppendUint16(out, uint16(channels))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate))
	out = binary.LittleEndian.AppendUint32(out, uint32(rate*channels*4))
	out = binary.LittleEndian.AppendUint16(out, uint16(channels*4))
	out = binary.LittleEndian.AppendUint16(out, 32)
	out = append(out, "data"...)
	out = binary.LittleEndian.AppendUint32(out, dataLength)
	out = append(out, data...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// TestBadInput: every kind of bad input gives one clear line, a hint and the right exit code, without a stack trace and
// without output.
func TestBadInput(t *testing.T) {
	t.Parallel()
	needModel(t)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tone := make([]float32, 16000)
	for i := range tone {
		tone[i] = float32(0.1 * math.Sin(float64(i)/10))
	}
	nan := make([]float32, 16000)
	for i := range nan {
		nan[i] = float32(math.NaN())
	}
	empty := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		code int
		text string
		hint string
	}{
		"no argument":           {[]string{"transcribe"}, 2, "name a file", "--help"},
		"unknown flag":          {[]string{"transcribe", "--loud", clip}, 2, "unknown flag", "--help"},
		"unknown command":       {[]string{"transcribble"}, 2, "unknown command", "--help"},
		"unknown shell":         {[]string{"completion", "bahs"}, 2, "unknown command", "did you mean: scout completion bash"},
		"more than a shell":     {[]string{"completion", "bash", "fish"}, 2, "unexpected argument", "--help"},
		"unknown format":        {[]string{"transcribe", "--format", "docx", clip}, 2, "docx", ""},
		"unknown cut":           {[]string{"transcribe", "--cut", "loud", clip}, 2, "loud", "quiet"},
		"no threads":            {[]string{"transcribe", "--threads", "0", clip}, 2, "--threads … 0 … 1 to 64", ""},
		"standard input twice":  {[]string{"transcribe", "-", "-"}, 2, "once", ""},
		"wrong log level":       {[]string{"transcribe", "--log-level", "loud", clip}, 2, "--log-level … loud … debug", ""},
		"missing file":          {[]string{"transcribe", filepath.Join(dir, "none.wav")}, 1, "none.wav", "check the path"},
		"directory":             {[]string{"transcribe", dir}, 1, dir, "name the files"},
		"empty file":            {[]string{"transcribe", write("empty.wav", nil)}, 1, "empty.wav", ""},
		"text named .wav":       {[]string{"transcribe", write("text.wav", []byte("RIFFs are fun\nin a text"))}, 1, "text.wav", ""},
		"header only":           {[]string{"transcribe", write("header.wav", makeWAV(16000, 1, nil, 0))}, 1, "header.wav", ""},
		"0 Hz":                  {[]string{"transcribe", write("0hz.wav", makeWAV(0, 1, tone, 64000))}, 1, "0hz.wav", ""},
		"1000 channels":         {[]string{"transcribe", write("1000.wav", makeWAV(16000, 1000, tone, 64000))}, 1, "1000.wav", ""},
		"only NaN":              {[]string{"transcribe", write("nan.wav", makeWAV(16000, 1, nan, 64000))}, 1, "nan.wav", ""},
		"unknown model":         {[]string{"transcribe", "--model", "colossus", clip}, 1, "colossus", "scout models list"},
		"no model installed":    {[]string{"transcribe", "--models-dir", empty, clip}, 1, "moonshine-tiny-en", "scout models pull"},
		"unknown language":      {[]string{"transcribe", "--language", "zu", clip}, 1, "does not know", "scout models list"},
		"output folder missing": {[]string{"transcribe", "--output", filepath.Join(dir, "no", "x.txt"), clip}, 1, "x.txt", "check the path"},
		"output is full":        {[]string{"transcribe", "--output", "/dev/full", clip}, 1, "the disk is full", "free"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := scoutRun(t, nil, c.args...)
			got.complains(t, c.code, c.text, c.hint)
			if got.out != "" || strings.Contains(got.err, "goroutine ") {
				t.Errorf("output %q, or a stack trace: %s", got.out, got.err)
			}
		})
	}
}

// TestRepairableInput: input with these faults is repaired rather than refused.
func TestRepairableInput(t *testing.T) {
	t.Parallel()
	needModel(t)
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	lengths := func(riff, length uint32) []byte {
		changed := bytes.Clone(data)
		at := bytes.Index(changed, []byte("data"))
		binary.LittleEndian.PutUint32(changed[4:], riff)
		binary.LittleEndian.PutUint32(changed[at+4:], length)
		return changed
	}
	for name, file := range map[string][]byte{
		"lengths 0":      lengths(0, 0),
		"lengths absurd": lengths(math.MaxUint32, math.MaxUint32),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := scoutRun(t, file, "transcribe", "-"); got.code != 0 || !said(got.out, 1) {
				t.Fatalf("exit %d: %s%s", got.code, got.out, got.err)
			}
		})
	}
	t.Run("quiet as RMS 0.008", func(t *testing.T) {
		t.Parallel()
		samples := make([]float32, 0, len(data)/2)
		var power float64
		for at := 44; at+1 < len(data); at += 2 {
			s := float32(int16(binary.LittleEndian.Uint16(data[at:]))) / 32768
			samples = append(samples, s)
			power += float64(s) * float64(s)
		}
		gain := float32(0.008 / math.Sqrt(power/float64(len(samples))))
		for i := range samples {
			samples[i] *= gain
		}
		got := scoutRun(t, makeWAV(16000, 1, samples, uint32(len(samples)*4)), "transcribe", "-")
		if edits := bench.CountEdits(bench.Words(spoken), bench.Words(got.out)); got.code != 0 || edits.Errors() > 1 {
			t.Fatalf("exit %d, %d of %d words wrong: %s%s", got.code, edits.Errors(), edits.Reference, got.out, got.err)
		}
	})
}

// TestMetricsMove: the metrics change during a transcription, in the form that Prometheus reads.
func TestMetricsMove(t *testing.T) {
	t.Parallel()
	needModel(t)
	var out, errOut bytes.Buffer
	a := newApp(cli.Streams{In: bytes.NewReader(nil), Out: &out, Err: &errOut})
	root := newRootCommand(a)
	root.SetArgs([]string{"transcribe", clip, filepath.Join(t.TempDir(), "none.wav")})
	if code := a.Report(t.Context(), root.ExecuteContext(t.Context())); code != 1 {
		t.Fatalf("exit %d: %s", code, errOut.String())
	}
	families, err := a.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	moved := map[string]bool{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if m.GetCounter().GetValue() > 0 || m.GetGauge().GetValue() > 0 || m.GetHistogram().GetSampleCount() > 0 {
				moved[family.GetName()] = true
			}
		}
	}
	for _, name := range []string{
		"scout_transcription_duration_seconds", "scout_words_transcribed_total", "scout_audio_transcribed_seconds_total",
		"scout_model_load_seconds", "scout_engine_starts_total", "scout_engine_request_seconds", "scout_engine_resident_bytes",
		"scout_errors_total",
	} {
		if !moved[name] {
			t.Errorf("%s did not move", name)
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--help"}, {"transcribe", "--help"}, {"models", "--help"}} {
		got := scoutRun(t, nil, args...)
		if got.code != 0 || !strings.Contains(got.out, "Usage:") || !strings.Contains(got.out, "Examples:") {
			t.Errorf("scout %s: exit %d\n%s", strings.Join(args, " "), got.code, got.out)
		}
	}
}

func TestSamplesWithoutAHeaderAreTranscribed(t *testing.T) {
	t.Parallel()
	needModel(t)
	wav, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	samples := wav[44:]
	path := filepath.Join(t.TempDir(), "speech.raw")
	if err := os.WriteFile(path, samples, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]outcome{
		"a stream":               scoutRun(t, samples, "transcribe", "--raw-format", "s16le:16000:1", "-"),
		"a file, with a channel": scoutRun(t, nil, "transcribe", "--raw-format", "s16le:16000:1", "--channel", "1", path),
	} {
		if got.code != 0 || !said(got.out, 1) {
			t.Errorf("%s: exit %d: %s%s", name, got.code, got.out, got.err)
		}
	}
}
