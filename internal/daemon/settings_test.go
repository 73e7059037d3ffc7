package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/settings"
)

// What a person writes into the settings file takes effect without a restart where a client's change would, too, and the
// daemon reports which settings wait for a restart, and a file that is wrong.
func TestSettingsThatAreEditedByHand(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		file    string
		rate    int
		keep    int
		idle    time.Duration
		changed []string // the daemon was told of
		restart []string
		refused string // part of what is wrong with the file
	}{
		"nothing is written":         {"", 16_000, 30, time.Minute, nil, nil, ""},
		"the format of recordings":   {"[record]\nrate = 48000\n", 48_000, 30, time.Minute, []string{"record.rate"}, nil, ""},
		"how long things are kept":   {"[retention]\naudio_days = 7\n", 16_000, 7, time.Minute, []string{"retention.audio_days"}, nil, ""},
		"how long it runs when idle": {"[daemon]\nidle = \"1h\"\n", 16_000, 30, time.Hour, []string{"daemon.idle"}, nil, ""},
		"the model":                  {"[transcribe]\nmodel = \"other\"\n", 16_000, 30, time.Minute, []string{"transcribe.model"}, []string{"transcribe.model"}, ""},
		"one of each kind": {
			"[record]\nrate = 44100\n[engine]\nidle = \"1s\"\n", 44_100, 30, time.Minute, []string{"record.rate", "engine.idle"}, []string{"engine.idle"}, "",
		},
		"a wrong value":               {"[record]\nrate = 1\n", 16_000, 30, time.Minute, nil, nil, "record.rate"},
		"a right and a wrong value":   {"[record]\nchannels = 2\nrate = 1\n", 16_000, 30, time.Minute, nil, nil, "record.rate"},
		"something that is not TOML":  {"[record\n", 16_000, 30, time.Minute, nil, nil, "settings.toml"},
		"a setting that is not there": {"[record]\nspeed = 3\n", 16_000, 30, time.Minute, nil, nil, "record.speed"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "settings.toml")
			write := func(text string) {
				t.Helper()
				if !strings.HasPrefix(text, "[daemon]") {
					text = "[daemon]\nidle = \"1m\"\n" + text
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("")
			started, err := settings.Load(settings.Sources{File: file, Environment: []string{"HOME=" + dir}})
			if err != nil {
				t.Fatal(err)
			}
			d := &daemon{options: Options{Settings: started}, current: newCurrent(started)}
			a := newActivity(started.Daemon.Idle)
			defer a.stop()
			var told []string
			var refused []error
			d.current.idle = a.setAfter
			d.current.changed = func(names []string) { told = append(told, names...) }
			d.current.broken = func(err error) { refused = append(refused, err) }

			write(c.file)
			for range 2 { // it is told once
				got := d.settings()
				if (got.Error != nil) != (c.refused != "") || got.Error != nil && !strings.Contains(got.Error.Message, c.refused) {
					t.Errorf("the settings say %+v, want %q", got.Error, c.refused)
				}
				if !slices.Equal(got.RestartRequired, c.restart) {
					t.Errorf("%v wait for a restart, want %v", got.RestartRequired, c.restart)
				}
				if got.Values["record"]["rate"] != c.rate {
					t.Errorf("the rate is said to be %v, want %d", got.Values["record"]["rate"], c.rate)
				}
			}
			if rate := d.current.order().Format.SampleRateHz; rate != c.rate {
				t.Errorf("recordings are made with %d Hz, want %d", rate, c.rate)
			}
			if keep := d.current.retention().AudioDays; keep != c.keep {
				t.Errorf("audio is kept for %d days, want %d", keep, c.keep)
			}
			if idle := a.After(); idle != c.idle {
				t.Errorf("it ends after %s, want %s", idle, c.idle)
			}
			if !slices.Equal(told, c.changed) || len(refused) > 1 || (len(refused) == 1) != (c.refused != "") {
				t.Errorf("told of %v, want %v; refused %v", told, c.changed, refused)
			}
			want := health.Healthy
			if c.refused != "" {
				want = health.Degraded
			}
			if r := d.current.check().Probe(t.Context()); r.Status != want || !strings.Contains(r.Reason, c.refused) {
				t.Errorf("the health check says %+v, want %s with %q", r, want, c.refused)
			}
			// A file that is right again is used, and nothing is reported any more.
			write("[record]\nrate = 96000\n")
			if rate := d.current.order().Format.SampleRateHz; rate != 96_000 || d.settings().Error != nil {
				t.Errorf("after the correction: %d Hz, %+v", rate, d.settings().Error)
			}
		})
	}
}
