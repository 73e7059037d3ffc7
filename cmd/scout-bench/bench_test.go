package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/testrun"
)

const spoken = testrun.Spoken

var (
	installed testrun.Installation // of the programs
	clip      string
)

func TestMain(m *testing.M) {
	suite := testrun.Contain(m)
	os.Exit(func() int {
		var err error
		if installed, err = testrun.Install("scout", "scout-bench", "scout-engine", "scout-recorder"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer installed.Remove()
		clip = installed.Clip
		return suite.Run()
	}())
}

func needModel(t *testing.T) {
	t.Helper()
	installed.NeedModel(t)
}

// scoutBench runs the program in this process.
func scoutBench(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Run(t.Context(), name, args, cli.Streams{In: bytes.NewReader(nil), Out: &o, Err: &e}, build)
	return code, o.String(), e.String()
}

func TestWrongCalls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for situation, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no manifest":               {[]string{"transcribe", dir}, cli.ExitFailed, "manifest.tsv"},
		"no earlier report":         {[]string{"transcribe", "--baseline", "none.json", dir}, cli.ExitFailed, "none.json"},
		"no folder":                 {[]string{"noise"}, cli.ExitUsage, "scout-bench noise DIR"},
		"a misspelt command":        {[]string{"nosie", dir}, cli.ExitUsage, "did you mean: scout-bench noise?"},
		"a misspelt flag":           {[]string{"words", "--snt", "3"}, cli.ExitUsage, "did you mean --snr?"},
		"a setting not allowed":     {[]string{"words", "--effort", "none"}, cli.ExitUsage, `--effort is "none": want quick, normal or thorough`},
		"no words":                  {[]string{"hotwords", dir}, cli.ExitUsage, "--words"},
		"no rounds":                 {[]string{"engine", dir, "--rounds", "0"}, cli.ExitUsage, "--rounds 0"},
		"nothing to measure":        {[]string{"words", "--sentences", "0"}, cli.ExitUsage, "nothing to measure"},
		"no such clock":             {[]string{"live-decode", dir, "--clock", "sun"}, cli.ExitUsage, "sun"},
		"no such figure":            {[]string{"live", dir, "--figure", "3s"}, cli.ExitUsage, "3s"},
		"no such device":            {[]string{"live", dir, "--device", "ear"}, cli.ExitUsage, "sink or file"},
		"no such figure of service": {[]string{"service", dir, "--figure", "loud"}, cli.ExitUsage, "loud"},
		"no connection":             {[]string{"service", dir, "--connections", "0"}, cli.ExitUsage, "--connections"},
		"one key":                   {[]string{"service", dir, "--keys", "1"}, cli.ExitUsage, "--keys"},
		"no time":                   {[]string{"service", dir, "--time", "10ms"}, cli.ExitUsage, "--time"},
		"a share beyond all":        {[]string{"service", dir, "--cpu-percent", "101"}, cli.ExitUsage, "--cpu-percent"},
		"no speech":                 {[]string{"service", dir}, cli.ExitFailed, "manifest.tsv"},
		"no earlier live report":    {[]string{"live", dir, "--baseline", "none.json"}, cli.ExitFailed, "none.json"},
		"one hypothesis":            {[]string{"live-decode", dir, "--agree", "1"}, cli.ExitUsage, "--agree"},
		"a cut that does not exist": {[]string{"transcribe", dir, "--cut", "sometimes"}, cli.ExitUsage, "sometimes"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			code, out, said := scoutBench(t, c.args...)
			if code != c.code || out != "" || !strings.HasPrefix(said, "scout-bench: ") || !strings.Contains(said, c.says) {
				t.Errorf("exit %d: %s%s", code, out, said)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--help"}, {"help", "transcribe"}, {"engine", "--help"}} {
		if code, out, said := scoutBench(t, args...); code != cli.ExitOK || !strings.Contains(out, "Usage:\n  scout-bench") || said != "" {
			t.Errorf("%v: exit %d: %s%s", args, code, out, said)
		}
	}
	for _, args := range [][]string{{"--version"}, {"version"}} {
		if code, out, said := scoutBench(t, args...); code != cli.ExitOK || !strings.HasPrefix(out, "scout-bench ") {
			t.Errorf("%v: exit %d: %s%s", args, code, out, said)
		}
	}
}

// TestTranscribeReports measures one clip and compares it with itself.
func TestTranscribeReports(t *testing.T) {
	t.Parallel()
	needModel(t)
	dir := t.TempDir()
	speech, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a.wav": speech, "manifest.tsv": []byte("file\treference\na.wav\t" + spoken + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, said := scoutBench(t, "transcribe", dir, "--cold", "--json")
	var report bench.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != cli.ExitOK || report.Total.Files != 1 || report.Total.WER == nil || report.Total.WER.Value > 0.05 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, said)
	}
	before := filepath.Join(dir, "before.json")
	if err := os.WriteFile(before, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, said := scoutBench(t, "transcribe", dir, "--cold", "--joined", "--baseline", before); code != cli.ExitOK || !strings.Contains(out, "WER") {
		t.Errorf("exit %d: %s%s", code, out, said)
	}
}

// TestBenchEngineMeasuresEverything runs the whole comparison once, on very little speech: every figure must exist and
// have a value. The right values depend on the machine and are not tested here.
func TestBenchEngineMeasuresEverything(t *testing.T) {
	needModel(t)
	dir := t.TempDir()
	manifest := "file\treference\n"
	speech, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.wav", "b.wav", "c.wav"} {
		if err := os.WriteFile(filepath.Join(dir, name), speech, 0o600); err != nil {
			t.Fatal(err)
		}
		manifest += name + "\t" + spoken + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.tsv"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	out, ended := exec.CommandContext(t.Context(), filepath.Join(installed.Programs, "scout-bench"), "engine", dir, "--rounds", "1", "--skip-hour", "--json").Output()
	var report bench.EngineReport
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %v: %s", ended, err, out)
	}
	if short := bench.Met(report.Figures); (short == nil) != (ended == nil) { // how fast this machine is at the moment is no matter
		t.Errorf("it ended with %v: %v", ended, short)
	}
	found := map[string]bench.Figure{}
	for _, f := range report.Figures {
		found[f.ID] = f
	}
	for _, id := range []string{
		"load", "first_decode", "cold_transcribe", "clip_greedy", "clip_right_hypothesis", "clip_wrong_end", "set_cpu", "set_cpu_once", "set_peak",
		"two_lanes", "two_lanes_peak", "beside_one", "beside_two", "cancel_p99",
	} {
		if f := found[id]; f.Value <= 0 || f.Bound <= 0 {
			t.Errorf("%s: %+v", id, f)
		}
	}
	if report.Machine.CPU == "" || report.Setup.Backend != recognize.BackendMoonshine {
		t.Errorf("%+v, %+v", report.Machine, report.Setup)
	}
}

// TestLiveDecodeMeasuresEverything dictates one clip: the text is that of a single pass, no committed word changes, and
// every figure has a value.
func TestLiveDecodeMeasuresEverything(t *testing.T) {
	t.Parallel()
	needModel(t)
	dir := t.TempDir()
	speech, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a.wav": speech, "manifest.tsv": []byte("file\treference\na.wav\t" + spoken + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, said := scoutBench(t, "live-decode", dir, "--clock", "cpu", "--takes", "2", "--json")
	var report bench.LiveReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || (code != cli.ExitOK) != (bench.Met(report.Figures) != nil) || len(report.Groups) == 0 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, said)
	}
	whole := report.Groups[len(report.Groups)-1]
	if whole.Name != bench.LongGroup(10*time.Minute) || whole.Live == nil || whole.Live.WER > 0.05 || report.Changed != 0 || report.Committed < 40 || report.CPUShare <= 0 || report.Flicker < 0 {
		t.Errorf("%+v", report)
	}
	if report.FirstPartial.Count < 3 || report.Commit.Count < 10 || len(report.Groups) < 2 {
		t.Errorf("%d first texts, %d commits, %d groups", report.FirstPartial.Count, report.Commit.Count, len(report.Groups))
	}
	for _, g := range report.Groups {
		if g.StopToText.Max <= 0 || g.Bare.Max <= 0 || len(g.ByMoment) == 0 {
			t.Errorf("%+v", g)
		}
	}
	if code, out, said := scoutBench(t, "live-decode", dir, "--takes", "0"); (code != cli.ExitOK) != strings.Contains(said, " not met: ") || !strings.Contains(out, "WER live minus single pass") {
		t.Errorf("exit %d: %s%s", code, out, said)
	}
}
