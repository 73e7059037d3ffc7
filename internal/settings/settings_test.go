package settings_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/settings"
)

// write creates a settings file.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.toml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// problems returns the problems that Load found, one per line, with FILE for the path of the file.
func problems(t *testing.T, sources settings.Sources) (lines []string) {
	t.Helper()
	_, err := settings.Load(sources)
	if err == nil {
		return nil
	}
	var invalid *settings.InvalidError
	if !errors.As(err, &invalid) || scout.CodeOf(err) != scout.CodeConfigInvalid {
		t.Fatalf("%v has code %s and is a %T", err, scout.CodeOf(err), err)
	}
	for _, p := range invalid.Problems {
		line := p.String()
		if p.Hint != "" {
			line += "; " + p.Hint
		}
		lines = append(lines, strings.ReplaceAll(line, cmp.Or(sources.File, "\x00"), "FILE"))
	}
	return lines
}

func TestEachSourceOutweighsTheOnesBefore(t *testing.T) {
	t.Parallel()
	file := "[log]\nlevel = \"warn\"\n\n[record]\nrate = 8000\npreroll = \"1s\"\n"
	old, new := "SCOUT_LOG_LEVEL=error", "SCOUT_LOG__LEVEL=debug"
	flag := settings.Flag{Setting: "log.level", Name: "--log-level", Value: "INFO"}
	for situation, c := range map[string]struct {
		environment []string
		flags       []settings.Flag
		want        string
		from        settings.OriginKind
		named       string
		line        int
	}{
		"the file alone":                   {nil, nil, "warn", settings.FromFile, "FILE", 2},
		"the environment, by the old name": {[]string{old}, nil, "error", settings.FromEnvironment, "SCOUT_LOG_LEVEL", 0},
		"the environment, by both names":   {[]string{old, new}, nil, "debug", settings.FromEnvironment, "SCOUT_LOG__LEVEL", 0},
		"an empty variable":                {[]string{"SCOUT_LOG__LEVEL=", "SCOUT_LOG_LEVEL="}, nil, "warn", settings.FromFile, "FILE", 2},
		"a flag":                           {[]string{old, new}, []settings.Flag{flag}, "info", settings.FromFlag, "--log-level", 0},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			path := write(t, file)
			got, err := settings.Load(settings.Sources{File: path, Environment: c.environment, Flags: c.flags})
			if err != nil {
				t.Fatal(err)
			}
			origin := got.Origin("log.level")
			if got.Log.Level != c.want || origin.Kind != c.from || strings.ReplaceAll(origin.Name, path, "FILE") != c.named || origin.Line != c.line {
				t.Errorf("%q from %+v", got.Log.Level, origin)
			}
			if got.Record.Rate != 8000 || got.Record.Preroll != time.Second || got.Origin("record.preroll").Line != 6 {
				t.Errorf("%+v, %+v", got.Record, got.Origin("record.preroll"))
			}
			if got.Transcribe != settings.Default().Transcribe || got.Origin("transcribe.effort").Kind != settings.FromDefault {
				t.Errorf("%+v, %+v", got.Transcribe, got.Origin("transcribe.effort"))
			}
		})
	}
}

func TestEveryWayOfTOMLSetsTheSame(t *testing.T) {
	t.Parallel()
	for situation, content := range map[string]string{
		"a table":             "[log]\nlevel = \"debug\"\n",
		"a dotted key":        "\nlog.level = \"debug\"\n",
		"a table in braces":   "\nlog = { format = \"json\", level = \"debug\" }\n",
		"Windows line ends":   "[log]\r\nlevel = \"debug\"\r\n",
		"a byte order mark":   "\ufeff[log]\nlevel = \"debug\"",
		"a quoted key":        "[\"log\"]\n'level' = 'debug'\n",
		"upper case":          "[log]\nlevel = \"DEBUG\"\n",
		"a comment behind it": "[log] # what is logged\nlevel = \"\"\"debug\"\"\" # all\n",
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			got, err := settings.Load(settings.Sources{File: write(t, content)})
			if err != nil {
				t.Fatal(err)
			}
			if got.Log.Level != "debug" || got.Origin("log.level").Line != 2 {
				t.Errorf("%q from %+v", got.Log.Level, got.Origin("log.level"))
			}
		})
	}
}

func TestWhatIsWrongInTheFileIsSaidWithItsLine(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		content string
		want    []string
	}{
		"an empty file":                 {"", nil},
		"an empty group":                {"[log]\n", nil},
		"a misspelt setting":            {"[log]\n\nlevle = \"debug\"\n", []string{"FILE:3: there is no setting log.levle; did you mean log.level? All settings: scout settings show"}},
		"a misspelt group":              {"[logs]\nlevel = \"debug\"\n", []string{"FILE:1: there is no group of settings logs; did you mean log? All settings: scout settings show"}},
		"a misspelt group before a dot": {"logs.level = \"debug\"\n", []string{"FILE:1: there is no setting logs.level; did you mean log.level?"}},
		"a setting of no group":         {"weather = 1\n", []string{"FILE:1: there is no setting weather; all settings: scout settings show"}},
		"a setting below another":       {"[log.level]\nx = 1\n", []string{"FILE:1: log.level is a table: want debug, info, warn or error", "FILE:2: there is no setting log.level.x"}},
		"a group with a value":          {"log = \"debug\"\n", []string{"FILE:1: log is a group of settings and has no value; write [log] and below it the settings: level, format, file"}},
		"a list of groups":              {"[[log]]\nlevel = \"debug\"\n", []string{"FILE:1: [[log]] is a list of tables; write [log]"}},
		"a word not allowed":            {"[log]\nlevel = \"loud\"\n", []string{`FILE:2: log.level is "loud": want debug, info, warn or error`}},
		"a number for a text":           {"[log]\nlevel = 3\n", []string{"FILE:2: log.level is 3: want debug, info, warn or error"}},
		"a text for a number":           {"[record]\nrate = \"16000\"\n", []string{`FILE:2: record.rate is "16000": want a whole number from 8000 to 192000`}},
		"a fraction":                    {"[record]\nrate = 16000.5\n", []string{"FILE:2: record.rate is 16000.5: want a whole number"}},
		"a number too large":            {"[record]\nrate = 16000000\n", []string{"FILE:2: record.rate is 16000000: want a whole number from 8000 to 192000"}},
		"a number too small":            {"[transcribe]\nthreads = 0\n", []string{"FILE:2: transcribe.threads is 0: want a whole number from 1 to 64"}},
		"true for a text":               {"[record]\ndevice = true\n", []string{"FILE:2: record.device is true: want a text"}},
		"a list":                        {"[record]\ndevice = [\"a\"]\n", []string{"FILE:2: record.device is a list: want a text"}},
		"a date":                        {"[record]\ndevice = 2026-01-01\n", []string{"FILE:2: record.device is a date: want a text"}},
		"two lines":                     {"[record]\ndevice = \"a\\nb\"\n", []string{`FILE:2: record.device is "a\nb": want one line`}},
		"a length without a unit":       {"[record]\npreroll = 500\n", []string{"FILE:2: record.preroll is 500: want a length of time such as"}},
		"a length below zero":           {"[record]\npreroll = \"-1s\"\n", []string{"FILE:2: record.preroll is -1s: want a length of time, 0 or more"}},
		"an empty word":                 {"[log]\nformat = \"\"\n", []string{"FILE:2: log.format is empty: want text or json"}},
		"a path that depends":           {"[models]\ndir = \"models\"\n", []string{`FILE:2: models.dir is "models": want a path that begins with / or ~/`}},
		"not an address":                {"[trace]\nendpoint = \"localhost:4318\"\n", []string{"FILE:2: trace.endpoint is \"localhost:4318\": want an address such as http://localhost:4318"}},
		"a password in it":              {"[trace]\nendpoint = \"ftp://ann:secret@host/p?token=secret\"\n", []string{"FILE:2: trace.endpoint is \"ftp://(hidden)@host/p?(hidden)\": want"}},
		"not TOML":                      {"[log]\nlevel = debug\n", []string{"FILE:2: this is not TOML: "}},
		"a table that never ends":       {"\n\n[log\n", []string{"FILE:3: this is not TOML: "}},
		"a key twice":                   {"[log]\nlevel = \"info\"\nlevel = \"warn\"\n", []string{"FILE:3: this is not TOML: "}},
		"bytes that are no text":        {"[log]\nlevel = \"\xff\xfe\"\n", []string{"FILE:2: this is not TOML: "}},
		"everything at once":            {"[log]\nlevel = \"loud\"\nfoo = 1\n[record]\nrate = 1\n", []string{"FILE:2: log.level", "FILE:3: there is no setting log.foo", "FILE:5: record.rate"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			got := problems(t, settings.Sources{File: write(t, c.content)})
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
			for _, line := range got {
				if strings.Contains(line, "secret") {
					t.Errorf("%s contains a secret", line)
				}
			}
		})
	}
}

func TestWhatIsWrongInTheEnvironmentIsSaidWithItsVariable(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct{ variable, want string }{
		"a word not allowed":               {"SCOUT_LOG__LEVEL=loud", `$SCOUT_LOG__LEVEL is "loud": want debug, info, warn or error`},
		"a word not allowed, old name":     {"SCOUT_LOG_FORMAT=xml", `$SCOUT_LOG_FORMAT is "xml": want text or json`},
		"not a number":                     {"SCOUT_RECORD__RATE=fast", `$SCOUT_RECORD__RATE is "fast": want a whole number from 8000 to 192000`},
		"not a length":                     {"SCOUT_RECORD__PREROLL=long", `$SCOUT_RECORD__PREROLL is "long": want a length of time`},
		"a misspelt name":                  {"SCOUT_LOG__LEVLE=debug", "$SCOUT_LOG__LEVLE: there is no setting of this name; did you mean SCOUT_LOG__LEVEL?"},
		"a misspelt name without a value":  {"SCOUT_LOG__LEVLE=", "$SCOUT_LOG__LEVLE: there is no setting of this name; did you mean SCOUT_LOG__LEVEL?"},
		"a group that does not exist":      {"SCOUT_WEATHER__RAIN=1", "$SCOUT_WEATHER__RAIN: there is no setting of this name; "},
		"one line for two":                 {"SCOUT_RECORD_RATE=8000", "$SCOUT_RECORD_RATE: there is no setting of this name; did you mean SCOUT_RECORD__RATE?"},
		"lower case":                       {"scout_log__level=debug", "$scout_log__level: there is no setting of this name; did you mean SCOUT_LOG__LEVEL?"},
		"an old name in lower case":        {"scout_models=/m", "$scout_models: there is no setting of this name; did you mean SCOUT_MODELS?"},
		"another program's":                {"SCOUTING__LEVEL=1", ""},
		"one that is no setting of a user": {"SCOUT_RECORDER_ROLE=parent", ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(problems(t, settings.Sources{File: os.DevNull, Environment: []string{c.variable, "HOME=/home/ann"}}), "\n")
			if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheFileItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := filepath.Join(dir, "large.toml")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(dir, "scout", "settings.toml")
	if err := os.MkdirAll(filepath.Dir(there), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(there, []byte("[log]\nformat = \"json\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for situation, c := range map[string]struct {
		flag        string
		environment []string
		path        string
		found       bool
		want        string // part of the problem
	}{
		"none is there":             {"", []string{"HOME=" + dir}, filepath.Join(dir, ".config", "scout", "settings.toml"), false, ""},
		"in the configuration":      {"", []string{"HOME=/nowhere", "XDG_CONFIG_HOME=" + dir}, there, true, ""},
		"a relative folder is none": {"", []string{"HOME=" + dir, "XDG_CONFIG_HOME=configuration"}, filepath.Join(dir, ".config", "scout", "settings.toml"), false, ""},
		"named by the environment":  {"", []string{"SCOUT_CONFIG=" + there}, there, true, ""},
		"named by a flag":           {there, []string{"SCOUT_CONFIG=/nowhere"}, there, true, ""},
		"named and not there":       {"", []string{"SCOUT_CONFIG=" + filepath.Join(dir, "none.toml")}, filepath.Join(dir, "none.toml"), false, "there is no such file; $SCOUT_CONFIG names the settings file"},
		"the flag's is not there":   {filepath.Join(dir, "none.toml"), nil, filepath.Join(dir, "none.toml"), false, "there is no such file; --config names the settings file"},
		"a folder":                  {dir, nil, dir, false, "it is a folder"},
		"without an end":            {"/dev/zero", nil, "/dev/zero", false, "larger than 1 MB"},
		"far too large":             {large, nil, large, false, "larger than 1 MB"},
		"no home":                   {"", nil, "", false, ""},
		"no settings on purpose":    {"", []string{"SCOUT_CONFIG=/dev/null"}, "/dev/null", true, ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			sources := settings.Sources{File: c.flag, Environment: c.environment}
			got, _ := settings.Load(sources)
			said := strings.Join(problems(t, sources), "\n")
			if got.File != c.path || got.FileFound != c.found || !strings.Contains(said, c.want) || (said == "") != (c.want == "") {
				t.Errorf("%s, found %v, said %q", got.File, got.FileFound, said)
			}
		})
	}
}

// Wrong settings are left out and the others are used, so that a command that explains them can show them.
func TestWhatIsWrongIsLeftOut(t *testing.T) {
	t.Parallel()
	got, err := settings.Load(settings.Sources{File: write(t, "[log]\nlevel = \"loud\"\nformat = \"json\"\n[record]\nrate = 1\n")})
	if err == nil || got.Log.Level != "" || got.Log.Format != "json" || got.Record.Rate != 16000 {
		t.Errorf("%v: %+v, %+v", err, got.Log, got.Record)
	}
	if !strings.Contains(err.Error(), "settings.toml:2: log.level") || !strings.Contains(err.Error(), "(and 1 more: scout settings check)") {
		t.Error(err)
	}
}

func TestPathsMayBeginWithTheHomeFolder(t *testing.T) {
	t.Parallel()
	got, err := settings.Load(settings.Sources{
		File: write(t, "[models]\ndir = \"~/m\"\n[log]\nfile = \"~ann/log\"\n"), Environment: []string{"HOME=/home/ann", "SCOUT_DATA=~", "SCOUT_RECORDINGS=r"},
	})
	if err == nil || !strings.Contains(err.Error(), `log.file is "~ann/log"`) {
		t.Errorf("%v", err)
	}
	if got.Models.Dir != "/home/ann/m" || got.Data.Dir != "/home/ann" || got.Recordings.Dir != "r" {
		t.Errorf("%q %q %q", got.Models.Dir, got.Data.Dir, got.Recordings.Dir)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	if problems := settings.Default().Validate(); len(problems) > 0 {
		t.Error(problems)
	}
	s := settings.Default()
	s.Record.Rate, s.Log.Level = 7, "loud"
	if got := s.Validate(); len(got) != 2 || got[0].String() != "record.rate is 7: want a whole number from 8000 to 192000" {
		t.Error(got)
	}
}

// The tags of the struct allow what the packages below allow.
func TestBoundsAreThoseOfThePackagesBelow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*settings.Settings, int)
		least  int
		most   int
	}{
		"record.rate":        {func(s *settings.Settings, n int) { s.Record.Rate = n }, scout.MinSampleRateHz, scout.MaxSampleRateHz},
		"record.channels":    {func(s *settings.Settings, n int) { s.Record.Channels = n }, 1, scout.MaxChannels},
		"transcribe.threads": {func(s *settings.Settings, n int) { s.Transcribe.Threads = n }, 1, recognize.MaxThreads},
	} {
		for n, ok := range map[int]bool{c.least - 1: false, c.least: true, c.most: true, c.most + 1: false} {
			s := settings.Default()
			c.change(&s, n)
			if got := s.Validate(); (len(got) == 0) != ok {
				t.Errorf("%s %d: %v", name, n, got)
			}
		}
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://localhost:4318":                     "http://localhost:4318",
		"https://ann:s3cret@host:4318/v1/traces":    "https://(hidden)@host:4318/v1/traces",
		"https://s3cret@host":                       "https://(hidden)@host",
		"https://host/v1/traces?key=s3cret":         "https://host/v1/traces?(hidden)",
		"https://ann:s3cret@host?key=s3cret#s3cret": "https://(hidden)@host?(hidden)",
		"https://host/v1/traces#s3cret":             "https://host/v1/traces?(hidden)",
		"https://ann:s3@cret@host/v1/traces":        "https://(hidden)@host/v1/traces",
	} {
		got, err := settings.Load(settings.Sources{File: os.DevNull, Environment: []string{"SCOUT_TRACE_ENDPOINT=" + address}})
		if err != nil {
			t.Fatal(err)
		}
		values, err := json.Marshal(got.Values())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(values), "s3cret") || !strings.Contains(string(values), want) {
			t.Errorf("%s is shown as %s", address, values)
		}
		if got.Trace.Endpoint != address || got.Text("trace.endpoint") != address {
			t.Errorf("the program uses %s", got.Trace.Endpoint)
		}
	}
}

// docs/formats/settings.md has exactly one line for each setting, with its variable, its default and the allowed
// values.
func TestTheDocumentListsEverySetting(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docs/formats/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+(?:\\.[a-z0-9_-]+)+)` \\|.*$")
	for _, match := range row.FindAllStringSubmatch(string(content), -1) {
		listed[match[1]] = match[0]
	}
	defaults, err := settings.Load(settings.Sources{File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range defaults.Values() {
		line, found := listed[v.Name]
		delete(listed, v.Name)
		holds := v.Unset
		if holds == "" {
			holds = "`" + defaults.Text(v.Name) + "`"
		}
		variables := "`" + v.Variable + "`"
		if v.OldVariable != "" {
			variables += ", `" + v.OldVariable + "`"
		}
		if want := "| `" + v.Name + "` | " + v.About + " | " + v.Allowed + " | " + holds + " | " + variables + " |"; !found || line != want {
			t.Errorf("docs/formats/settings.md lacks:\n%s", want)
		}
	}
	for name := range listed {
		t.Errorf("docs/formats/settings.md lists %s, which does not exist", name)
	}
}
