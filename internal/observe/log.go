package observe

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/scout-speech/scout"
)

// LogFormat is how a line is written.
type LogFormat string

// The two formats of log lines.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// ParseLogFormat returns the format with that name, or an error with scout.CodeConfigInvalid.
func ParseLogFormat(name string) (LogFormat, error) {
	switch f := LogFormat(name); f {
	case LogText, LogJSON:
		return f, nil
	}
	return "", scout.Errorf(scout.CodeConfigInvalid, "log format %q: want text or json", name)
}

// ParseLogLevel returns the level with that name (debug, info, warn, error).
func ParseLogLevel(name string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return 0, scout.Errorf(scout.CodeConfigInvalid, "log level %q: want debug, info, warn or error", name)
	}
	return level, nil
}

// NewLogger returns a logger that writes lines of the format to w. The level may be changed while the program runs.
// Speech is never logged: no attribute of Scout carries transcript text.
func NewLogger(w io.Writer, format LogFormat, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// LogRotation bounds a log file: by size, number of old files and age.
type LogRotation struct {
	MaxSizeMB  int // size of one file before it is rotated; default 20
	MaxBackups int // old files kept; default 5
	MaxAgeDays int // old files are removed after that; default 30
}

// OpenLogFile returns a writer that appends to path and rotates it; old files are compressed in the background. Missing
// folders are created. The caller closes it. A path that cannot be written gives an error with its code at once, not at
// the first line.
//
// One goroutine of the rotation library remains after Close: open the log once in the life of a process.
func OpenLogFile(path string, rotation LogRotation) (io.WriteCloser, error) {
	const doing = "log file"
	// The library would move aside anything that it cannot open, even a directory, so the file is opened here first.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	// Not by atomicfile: a log is appended to, and nothing is written here.
	probe, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	if err := probe.Close(); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	orDefault := func(v, d int) int {
		if v <= 0 {
			return d
		}
		return v
	}
	return &lumberjack.Logger{
		Filename:   path,
		MaxSize:    orDefault(rotation.MaxSizeMB, 20),
		MaxBackups: orDefault(rotation.MaxBackups, 5),
		MaxAge:     orDefault(rotation.MaxAgeDays, 30),
		Compress:   true,
	}, nil
}
