package observe_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

func TestMain(m *testing.M) {
	// The rotation library never ends its cleanup goroutine; see OpenLogFile.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

func TestParseLogSettings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "ERROR": slog.LevelError,
	} {
		if got, err := observe.ParseLogLevel(name); got != want || err != nil {
			t.Errorf("level %q is %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"text", "json"} {
		if got, err := observe.ParseLogFormat(name); string(got) != name || err != nil {
			t.Errorf("format %q is %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "verbose", "info ", "xml"} {
		if _, err := observe.ParseLogLevel(name); scout.CodeOf(err) != scout.CodeConfigInvalid {
			t.Errorf("level %q: error %v", name, err)
		}
		if _, err := observe.ParseLogFormat(name); scout.CodeOf(err) != scout.CodeConfigInvalid {
			t.Errorf("format %q: error %v", name, err)
		}
	}
}

// checkLogLine checks the schema of a JSON log line: time, level, an event name as message, and flat attributes in
// snake_case.
func checkLogLine(line []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return err
	}
	stamp, isText := fields["time"].(string)
	if _, err := time.Parse(time.RFC3339Nano, stamp); !isText || err != nil {
		return errors.New("no time")
	}
	if level, isText := fields["level"].(string); !isText || new(slog.Level).UnmarshalText([]byte(level)) != nil {
		return errors.New("no level")
	}
	if event, isText := fields["msg"].(string); !isText || !snakeCase.MatchString(event) {
		return errors.New("no event name")
	}
	for key, value := range fields {
		if !snakeCase.MatchString(key) {
			return errors.New(key + " is not snake_case")
		}
		switch value.(type) {
		case string, float64, bool:
		default:
			return errors.New(key + " is not flat")
		}
	}
	return nil
}

var snakeCase = regexp.MustCompile(`^[a-z]+(_[a-z0-9]+)*$`)

func TestJSONLogLinesFollowTheSchema(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	scope := observe.NewScope(observe.NewLogger(&lines, observe.LogJSON, slog.LevelInfo), nil, nil)
	scope.Component("engine").Log().Info("engine_started", slog.String(observe.KeyModel, "tiny\n\"quoted\" \xff"),
		slog.Int(observe.KeyPID, 4711), slog.Bool("warm", true), slog.Float64("load_seconds", 0.5))
	if err := observe.NewFailures(scope).Guard("engine", func() error { panic("two\nlines") }); err == nil {
		t.Error("the panic gave no error")
	}
	n := 0
	for line := range bytes.Lines(lines.Bytes()) {
		n++
		if err := checkLogLine(line); err != nil {
			t.Errorf("line %s: %v", line, err)
		}
	}
	if n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
	if !strings.Contains(lines.String(), `"msg":"engine_started","component":"engine"`) {
		t.Errorf("the component is not on the line: %s", lines.String())
	}
}

// Whatever an error message or a file name contains, one event is one line that follows the schema.
func FuzzJSONLogLine(f *testing.F) {
	for _, seed := range []string{"", "plain", "two\nlines", "\x00\x1b[31m", "\xff\xfe", `"},{"msg":"forged"}`, "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var lines bytes.Buffer
		observe.NewLogger(&lines, observe.LogJSON, slog.LevelInfo).Error("engine_failed", slog.String(observe.KeyError, text))
		if got := bytes.Count(lines.Bytes(), []byte("\n")); got != 1 {
			t.Fatalf("%d lines: %q", got, lines.String())
		}
		if err := checkLogLine(lines.Bytes()); err != nil {
			t.Fatalf("%v: %s", err, lines.String())
		}
	})
}

func TestTextLogLines(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	observe.NewLogger(&lines, observe.LogText, slog.LevelInfo).Info("engine_started", slog.Int(observe.KeyPID, 4711))
	if !regexp.MustCompile(`^time=\S+ level=INFO msg=engine_started pid=4711\n$`).Match(lines.Bytes()) {
		t.Errorf("got %q", lines.String())
	}
}

func TestLogLevelChangesWhileRunning(t *testing.T) {
	t.Parallel()
	for _, format := range []observe.LogFormat{observe.LogText, observe.LogJSON} {
		var lines bytes.Buffer
		var level slog.LevelVar
		log := observe.NewScope(observe.NewLogger(&lines, format, &level), nil, nil).Component("engine").Log()
		log.Debug("hidden")
		level.Set(slog.LevelDebug)
		log.Debug("shown")
		level.Set(slog.LevelError)
		log.Warn("hidden")
		if got := lines.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "shown") {
			t.Errorf("%s: %q", format, got)
		}
	}
}

func TestLogFileRotates(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "state", "scout")
	path := filepath.Join(folder, "scout.log")
	file, err := observe.OpenLogFile(path, observe.LogRotation{MaxSizeMB: 1, MaxBackups: 2})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	log := observe.NewLogger(file, observe.LogJSON, slog.LevelInfo)
	padding := strings.Repeat("x", 64<<10)
	for n := range 80 { // 5 MiB: five rotations
		log.Info("engine_stderr", slog.Int("n", n), slog.String("text", padding))
	}
	if err := file.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}

	// The library cleans up on its own goroutine; the test ends at its own deadline if it never does.
	var backups []string
	for settled := false; !settled && t.Context().Err() == nil; runtime.Gosched() {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatalf("read %s: %v", folder, err)
		}
		backups, settled = backups[:0], true
		for _, entry := range entries {
			if entry.Name() != "scout.log" {
				backups = append(backups, entry.Name())
				settled = settled && strings.HasSuffix(entry.Name(), ".gz")
			}
		}
		settled = settled && len(backups) == 2
	}

	// Together they hold the last lines, with none lost or doubled between two files.
	var seen []int
	for _, name := range append(backups, "scout.log") {
		seen = append(seen, readLog(t, filepath.Join(folder, name))...)
	}
	for i, n := range seen {
		if want := 80 - len(seen) + i; n != want {
			t.Fatalf("line %d of %d kept is number %d, want %d", i, len(seen), n, want)
		}
	}
	if len(seen) < 30 || len(seen) > 48 {
		t.Errorf("%d lines of 64 KiB kept in three files of at most 1 MiB", len(seen))
	}
}

// readLog returns the numbers of the lines of one file, compressed or not.
func readLog(t *testing.T, path string) []int {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer func() {
		if err := file.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	if info, err := file.Stat(); err != nil || info.Mode().Perm() != 0o600 || info.Size() > 1<<20 {
		t.Errorf("%s: %v, %v", path, info, err)
	}
	var content io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if content, err = gzip.NewReader(file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	var numbers []int
	decoder := json.NewDecoder(content)
	for {
		var line struct{ N int }
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return numbers
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		numbers = append(numbers, line.N)
	}
}

func TestLogFileGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scout.log")
	for _, text := range []string{"first\n", "second\n"} {
		file, err := observe.OpenLogFile(path, observe.LogRotation{})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		if _, err := io.WriteString(file, text); err != nil {
			t.Errorf("write: %v", err)
		}
		if err := file.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "first\nsecond\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLogFileThatCannotBe(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	occupied := filepath.Join(folder, "file")
	if err := os.WriteFile(occupied, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		path string
		want scout.Code
	}{
		"a directory":               {folder, scout.CodeFileIsDirectory},
		"below a file":              {filepath.Join(occupied, "scout.log"), scout.CodeFileNotFound},
		"where nobody may write":    {"/proc/scout.log", scout.CodeFileNotFound},
		"a name that is not usable": {filepath.Join(folder, strings.Repeat("x", 300)), scout.CodeWriteFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := observe.OpenLogFile(test.path, observe.LogRotation{})
			if scout.CodeOf(err) != test.want {
				t.Errorf("error %v with code %s, want %s", err, scout.CodeOf(err), test.want)
			}
		})
	}
	t.Cleanup(func() { // runs after the parallel subtests: existing files are unchanged
		if got, err := os.ReadFile(occupied); err != nil || string(got) != "kept" {
			t.Errorf("%s: %q, %v", occupied, got, err)
		}
		if info, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) || !info.IsDir() {
			t.Errorf("the directory was moved aside: %v", err)
		}
	})
}
