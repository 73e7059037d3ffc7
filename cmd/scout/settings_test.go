package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/testrun"
)

// settingsUser runs the built program as a user with a home folder and a settings file of their own.
func settingsUser(t *testing.T, file string, environment ...string) (home string, scout func(args ...string) outcome) {
	t.Helper()
	home = t.TempDir()
	t.Cleanup(func() { endRecorders(t, home) })
	path := filepath.Join(home, ".config", "scout", "settings.toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return home, func(args ...string) outcome {
		cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "scout"), args...)
		cmd.Env = append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), testrun.Marked()}, environment...)
		return outcomeOf(t, cmd)
	}
}

// endRecorders ends the recorders of all folders below a home.
func endRecorders(t *testing.T, home string) {
	t.Helper()
	err := testrun.Walk(home, func(path string, entry fs.DirEntry) error {
		if entry.Name() == recording.LockName {
			endRecorder(t, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAWrongSettingStopsOnlyWhatActsOnIt(t *testing.T) {
	t.Parallel()
	home, scout := settingsUser(t, "[log]\nlevel = \"loud\"\nformat = \"json\"\n\n[record]\nrat = 8000\n", "SCOUT_LOG__FIEL=x")
	file := filepath.Join(home, ".config", "scout", "settings.toml")
	const wrong = "settings.toml:2: log.level is \"loud\": want debug, info, warn or error"
	for situation, c := range map[string]struct {
		args []string
		code int
		out  string
		err  string
	}{
		"a command that acts":      {[]string{"models", "list"}, cli.ExitUsage, "", wrong},
		"one that records":         {[]string{"record", "--duration", "1s"}, cli.ExitUsage, "", wrong},
		"another":                  {[]string{"recordings", "list"}, cli.ExitUsage, "", wrong},
		"help":                     {[]string{"--help"}, cli.ExitOK, "Usage:", ""},
		"help of a command":        {[]string{"transcribe", "--help"}, cli.ExitOK, "Usage:", ""},
		"the command help":         {[]string{"help", "transcribe"}, cli.ExitOK, "Usage:", ""},
		"no command":               {nil, cli.ExitOK, "Usage:", ""},
		"an unknown command":       {[]string{"trnascribe"}, cli.ExitUsage, "", "did you mean: scout transcribe"},
		"the version":              {[]string{"--version"}, cli.ExitOK, "scout ", ""},
		"the command version":      {[]string{"version"}, cli.ExitOK, "scout ", ""},
		"completion":               {[]string{"completion", "bash"}, cli.ExitOK, "bash completion", ""},
		"completing":               {[]string{"__complete", "mod"}, cli.ExitOK, "models", ""},
		"where the file is":        {[]string{"settings", "path"}, cli.ExitOK, file, ""},
		"check, every problem":     {[]string{"settings", "check"}, cli.ExitUsage, "", wrong + "\nscout: " + file + ":6: there is no setting record.rat; did you mean record.rate? All settings: scout settings show\nscout: $SCOUT_LOG__FIEL: there is no setting of this name; did you mean SCOUT_LOG__FILE?"},
		"show, what holds":         {[]string{"settings", "show", "log.format"}, cli.ExitUsage, "log.format  json", wrong},
		"show what does not exist": {[]string{"settings", "show", "log.frmat"}, cli.ExitUsage, "", "did you mean log.format?"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			got := scout(c.args...)
			if got.code != c.code || !strings.Contains(got.out, c.out) || !strings.Contains(got.err, c.err) || (got.err == "") != (c.err == "") && c.args != nil && c.args[0] != "__complete" {
				t.Errorf("exit %d\n%s%s", got.code, got.out, got.err)
			}
		})
	}
}

func TestSettingsReachTheCommands(t *testing.T) {
	t.Parallel()
	home, scout := settingsUser(t, "[data]\ndir = \"~/scout\"\n[log]\nlevel = \"error\"\nfile = \"~/scout.log\"\n[record]\ndevice = \"tone:440\"\nrate = 8000\n", "SCOUT_RECORD__CHANNELS=2",
		"SCOUT_PROGRAMS__RECORDER="+filepath.Join(programs, "scout-recorder"))
	if got := scout("settings", "check"); got.code != cli.ExitOK || !strings.Contains(got.out, "settings.toml was read") {
		t.Fatalf("exit %d\n%s%s", got.code, got.out, got.err)
	}
	got := scout("record", "--quiet", "--duration", "200ms", "--format", "s24")
	path := strings.TrimSpace(got.out)
	if got.code != cli.ExitOK || !strings.HasPrefix(path, filepath.Join(home, "scout", "recordings")) {
		t.Fatalf("exit %d\n%s%s", got.code, got.out, got.err)
	}
	shown := scout("recordings", "show", "--json")
	for _, want := range []string{`"sample_rate": 8000`, `"channels": 2`, `"s24"`} {
		if !strings.Contains(shown.out, want) {
			t.Errorf("no %s in %s%s", want, shown.out, shown.err)
		}
	}
	if _, err := os.Stat(filepath.Join(home, "scout.log")); err != nil {
		t.Error(err)
	}
	if models := scout("models", "path"); strings.TrimSpace(models.out) != filepath.Join(home, "scout", "models") {
		t.Errorf("models in %s%s", models.out, models.err)
	}
	var list struct{ Settings []settings.Value }
	if err := json.Unmarshal([]byte(scout("settings", "show", "--json", "--log-level", "WARN").out), &list); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, v := range list.Settings {
		found[v.Name] = v.Origin.String()
	}
	for name, want := range map[string]string{
		"log.level": "--log-level", "record.channels": "$SCOUT_RECORD__CHANNELS", "record.rate": filepath.Join(home, ".config", "scout", "settings.toml") + ":8",
		"log.format": "default",
	} {
		if found[name] != want {
			t.Errorf("%s comes from %s, want %s", name, found[name], want)
		}
	}
}

// The text of --help does not depend on the user who asks.
func TestHelpShowsDefaults(t *testing.T) {
	t.Parallel()
	_, plain := settingsUser(t, "")
	_, set := settingsUser(t, "[log]\nformat = \"json\"\n[transcribe]\nthreads = 7\n", "SCOUT_LOG_FORMAT=json", "SCOUT_MODEL=mine", "SCOUT_DEVICE=usb", "SCOUT_MODELS=/m", "SCOUT_RECORD__RATE=8000")
	for _, command := range []string{"transcribe", "record", "level", "models"} {
		if a, b := plain(command, "--help"), set(command, "--help"); a.out != b.out || a.code != cli.ExitOK {
			t.Errorf("scout %s --help differs:\n%s", command, b.out)
		}
	}
}

// A user who stops a recording does not want to be recorded any longer, whatever else is wrong. Only if another folder
// may be meant, nothing is ended.
func TestStopEndsTheRecordingWhateverIsWrong(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		file        string
		environment []string
		args        []string
		code        int
		says        string
		ends        bool
	}{
		"nothing":                          {"", nil, nil, cli.ExitOK, "", true},
		"a flag":                           {"", nil, []string{"--transcirbe"}, cli.ExitUsage, "--transcribe", true},
		"an argument":                      {"", nil, []string{"now"}, cli.ExitUsage, "now", true},
		"a setting":                        {"[log]\nlevel = \"loud\"\n", nil, nil, cli.ExitUsage, "log.level", true},
		"a setting and a flag":             {"[log]\nlevel = \"loud\"\n", nil, []string{"--nwo"}, cli.ExitUsage, "--nwo", true},
		"the log":                          {"", []string{"SCOUT_LOG_FILE=/dev/null/log"}, nil, cli.ExitFailed, "log", true},
		"a misspelt group":                 {"[lgo]\nlevel = \"info\"\n", nil, nil, cli.ExitUsage, "lgo", true},
		"a misspelt variable":              {"", []string{"SCOUT_LOG__LEVLE=info"}, nil, cli.ExitUsage, "LEVLE", true},
		"a misspelt variable of folders":   {"", []string{"SCOUT_RECORDINGS_DIR=/r"}, nil, cli.ExitUsage, "--recordings-dir", false},
		"the folder, in the file":          {"[recordings]\ndir = \"r\"\n", nil, nil, cli.ExitUsage, "recordings.dir", false},
		"what may have been the folder":    {"[recordings]\ndri = \"/r\"\n", nil, nil, cli.ExitUsage, "recordings.dri", false},
		"the whole file":                   {"[", nil, nil, cli.ExitUsage, "TOML", false},
		"the whole file, the folder named": {"[", nil, []string{"--recordings-dir", "HOME/r"}, cli.ExitUsage, "TOML", true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			home, scout := settingsUser(t, c.file, append(c.environment, "SCOUT_RECORDER="+filepath.Join(programs, "scout-recorder"))...)
			folder := filepath.Join(home, "r")
			if !slices.Contains(c.args, "--recordings-dir") && (c.file == "" || c.ends) { // the folder is the user's own
				folder = filepath.Join(home, ".local", "share", "scout", "recordings")
			}
			begin := func(args ...string) outcome { return scoutIn(t, home, folder, args) }
			if got := begin("record", "--detach", "--device", "tone:440", "--unattended", "1m"); got.code != cli.ExitOK {
				t.Fatalf("begin: exit %d %s", got.code, got.err)
			}
			for i, arg := range c.args {
				c.args[i] = strings.ReplaceAll(arg, "HOME", home)
			}
			got := scout(append([]string{"record", "stop"}, c.args...)...)
			ended := begin("record", "stop")
			if got.code != c.code || !strings.Contains(got.err, c.says) || (ended.code != cli.ExitOK) != c.ends {
				t.Errorf("exit %d: %s%s\nthen: exit %d: %s", got.code, got.out, got.err, ended.code, ended.err)
			}
		})
	}
}

// scoutIn runs the program with one folder of recordings and no settings file.
func scoutIn(t *testing.T, home, folder string, args []string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "scout"), args...)
	cmd.Env = []string{testrun.Marked(), "HOME=" + home, "PATH=" + os.Getenv("PATH"), "SCOUT_CONFIG=/dev/null", "SCOUT_RECORDINGS=" + folder, "SCOUT_RECORDER=" + filepath.Join(programs, "scout-recorder")}
	return outcomeOf(t, cmd)
}
