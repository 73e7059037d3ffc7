package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/settings"
)

func change(pairs ...any) []settings.Change {
	var all []settings.Change
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, settings.Change{Name: fmt.Sprint(pairs[i]), Value: pairs[i+1]})
	}
	return all
}

func TestSaveKeepsTheRestOfTheFile(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		before  string
		changes []settings.Change
		after   string
	}{
		"there is no file":                  {"", change("log.level", "debug"), "[log]\nlevel = \"debug\"\n"},
		"a value is replaced":               {"# mine\n[log] # here\nlevel = \"info\" # loud\nformat = 'json'\n", change("log.level", "debug"), "# mine\n[log] # here\nlevel = \"debug\" # loud\nformat = 'json'\n"},
		"a number is replaced":              {"[record]\nrate = 16_000\nchannels=2\n", change("record.rate", int64(48000)), "[record]\nrate = 48000\nchannels=2\n"},
		"a number of JSON":                  {"[record]\nrate = 16_000\n", change("record.rate", float64(44100)), "[record]\nrate = 44100\n"},
		"a table gets a value":              {"[log]\nlevel = \"info\"\n\n# sound\n[record]\nrate = 8000\n", change("log.format", "JSON"), "[log]\nlevel = \"info\"\nformat = \"json\"\n\n# sound\n[record]\nrate = 8000\n"},
		"an empty table gets a value":       {"[log]\n[record]\nrate = 8000\n", change("log.format", "json"), "[log]\nformat = \"json\"\n[record]\nrate = 8000\n"},
		"the last table gets a value":       {"[log]\nlevel = \"info\"", change("log.format", "json"), "[log]\nlevel = \"info\"\nformat = \"json\"\n"},
		"a table is added":                  {"[log]\nlevel = \"info\"\n", change("record.rate", int64(8000)), "[log]\nlevel = \"info\"\n\n[record]\nrate = 8000\n"},
		"a table is added to a last line":   {"log.level = \"info\"", change("record.rate", int64(8000)), "log.level = \"info\"\n\n[record]\nrate = 8000\n"},
		"names with dots":                   {"log.level = \"info\"\n", change("log.level", "warn"), "log.level = \"warn\"\n"},
		"a group with dots gets a value":    {"# c\nlog.level = \"info\"\n[record]\n", change("log.format", "json"), "# c\nlog.format = \"json\"\nlog.level = \"info\"\n[record]\n"},
		"a table in one line":               {"log = { level = \"info\", format = \"text\" }\n", change("log.level", "warn"), "log = { level = \"warn\", format = \"text\" }\n"},
		"a table in one line gets a value":  {"log = { level = \"info\" }\n", change("log.format", "json"), "log = { format = \"json\", level = \"info\" }\n"},
		"an empty table in one line":        {"log = {}\n", change("log.format", "json"), "log = { format = \"json\" }\n"},
		"the first of a table in one line":  {"log = { level = \"info\", format = \"json\" }\n", change("log.level", nil), "log = { format = \"json\" }\n"},
		"the last of a table in one line":   {"log = { level = \"info\", format = \"json\" }\n", change("log.format", nil), "log = { level = \"info\" }\n"},
		"a value is taken out":              {"[log]\n# why\nlevel = \"info\" # loud\nformat = \"json\"\n", change("log.level", nil), "[log]\n# why\nformat = \"json\"\n"},
		"what is not there is taken out":    {"[log]\n", change("log.level", nil), "[log]\n"},
		"lines that end as in Windows":      {"[log]\r\nlevel = \"info\"\r\n", change("log.format", "json"), "[log]\r\nlevel = \"info\"\r\nformat = \"json\"\r\n"},
		"a byte order mark":                 {"\ufeff[log]\nlevel = \"info\"\n", change("log.level", "warn"), "\ufeff[log]\nlevel = \"warn\"\n"},
		"a text of several lines":           {"[record]\ndevice = \"\"\"\nUSB\\\n\"\"\"\nrate = 8000\n", change("record.device", nil), "[record]\nrate = 8000\n"},
		"quotes and other signs":            {"", change("record.device", `a "b" \ é`+"\x7f"), "[record]\ndevice = \"a \\\"b\\\" \\\\ é\\u007F\"\n"},
		"several at once":                   {"[log]\nlevel = \"info\"\n", change("log.level", nil, "record.rate", int64(8000), "record.preroll", "1s"), "[log]\n\n[record]\nrate = 8000\npreroll = \"1s\"\n"},
		"a path with the home folder stays": {"", change("log.file", "~/scout.log"), "[log]\nfile = \"~/scout.log\"\n"},
		"the same value again":              {"[log]\nlevel   =   \"info\"\n", change("log.level", "info"), "[log]\nlevel   =   \"info\"\n"},
		"a value that is the default":       {"", change("record.rate", int64(16000)), "[record]\nrate = 16000\n"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "scout", "settings.toml")
			if c.before != "" {
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(c.before), 0o640); err != nil { //nolint:gosec // the mode is kept
					t.Fatal(err)
				}
			}
			sources := settings.Sources{Environment: []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir}}
			loaded, err := settings.Save(sources, c.changes, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil && c.after != "" || string(got) != c.after {
				t.Errorf("%q, %v\nwant %q", got, err, c.after)
			}
			if info, err := os.Stat(path); err == nil && c.before != "" && info.Mode().Perm() != 0o640 {
				t.Errorf("mode %o", info.Mode().Perm())
			}
			for _, change := range c.changes {
				if fromFile := loaded.Origin(change.Name).Kind == settings.FromFile; fromFile != (change.Value != nil) {
					t.Errorf("%s comes from %s", change.Name, loaded.Origin(change.Name))
				}
			}
		})
	}
}

func TestASaveThatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	const before = "[log]\nlevel = \"info\" # mine\n"
	for situation, c := range map[string]struct {
		before  string
		changes []settings.Change
		env     string
		code    scout.Code
		text    string
	}{
		"a setting that does not exist":  {before, change("log.levle", "debug"), "", scout.CodeConfigInvalid, "there is no setting log.levle"},
		"a value that is not allowed":    {before, change("log.level", "loud"), "", scout.CodeConfigInvalid, `log.level is "loud"`},
		"a value of another type":        {before, change("record.rate", "fast"), "", scout.CodeConfigInvalid, "record.rate"},
		"a number with a fraction":       {before, change("record.rate", 1.5), "", scout.CodeConfigInvalid, "record.rate"},
		"a number out of its range":      {before, change("record.rate", int64(7)), "", scout.CodeConfigInvalid, "8000"},
		"a list":                         {before, change("log.level", []any{"a"}), "", scout.CodeConfigInvalid, "log.level"},
		"two lines":                      {before, change("record.device", "a\nb"), "", scout.CodeConfigInvalid, "one line"},
		"a path from the present folder": {before, change("log.file", "scout.log"), "", scout.CodeConfigInvalid, "log.file"},
		"one of several":                 {before, change("record.rate", int64(8000), "log.level", "loud"), "", scout.CodeConfigInvalid, "log.level"},
		"a variable overrides the file":  {before, change("log.level", "debug"), "SCOUT_LOG__LEVEL=warn", scout.CodeConflict, "$SCOUT_LOG__LEVEL"},
		"an older variable does":         {before, change("log.level", "debug"), "SCOUT_LOG_LEVEL=warn", scout.CodeConflict, "$SCOUT_LOG_LEVEL"},
		"the file is wrong already":      {"[log]\nlevel = 7\n", change("record.rate", int64(8000)), "", scout.CodeConfigInvalid, "log.level"},
		"the file is no TOML":            {"[log\n", change("record.rate", int64(8000)), "", scout.CodeConfigInvalid, "TOML"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "settings.toml")
			if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := settings.Save(settings.Sources{File: path, Environment: []string{"HOME=" + dir, c.env}}, c.changes, nil)
			if scout.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v (%s), want %s with %q", err, scout.CodeOf(err), c.code, c.text)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != c.before {
				t.Errorf("the file is %q, %v", got, err)
			}
		})
	}
}

// Programs that save at the same time lose nothing of each other's.
func TestSavesAtTheSameTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sources := settings.Sources{Environment: []string{"HOME=" + dir}}
	all := change("log.level", "debug", "log.format", "json", "record.rate", int64(8000), "record.channels", int64(2), "record.format", "f32", "record.device", "USB", "transcribe.threads", int64(2))
	var saves sync.WaitGroup
	for _, c := range all {
		saves.Go(func() { // ends with its save
			if _, err := settings.Save(sources, []settings.Change{c}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	saves.Wait()
	loaded, err := settings.Load(sources)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if loaded.Origin(c.Name).Kind != settings.FromFile {
			t.Errorf("%s is lost", c.Name)
		}
	}
}

func TestASettingsFileBehindALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link, target := filepath.Join(dir, "settings.toml"), filepath.Join(dir, "dotfiles.toml")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Save(settings.Sources{File: link, Environment: []string{"HOME=" + dir}}, change("log.level", "warn"), nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if got, err := os.ReadFile(target); err != nil || !strings.Contains(string(got), "warn") {
		t.Errorf("%q, %v", got, err)
	}
}
