package recording_test

import (
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/recording"
)

func TestEnvironmentOfAClient(t *testing.T) {
	t.Parallel()
	e := recording.EnvironmentOf([]string{"PATH=/bin", "PULSE_SERVER=unix:/a", "PULSE_SERVER=unix:/b", "LC_ALL=", "XDG_RUNTIME_DIR=/run/user/1", "EDITOR=ed", "odd"})
	if len(e.Variables) != 2 || e.Variables["PULSE_SERVER"] != "unix:/b" || e.Variables["XDG_RUNTIME_DIR"] != "/run/user/1" {
		t.Errorf("%v", e.Variables)
	}
	applied := e.Apply([]string{"PATH=/usr/bin", "PULSE_SERVER=unix:/c", "LANG=de_DE", "PULSE_COOKIE=x"})
	if want := []string{"PATH=/usr/bin", "PULSE_SERVER=unix:/b", "XDG_RUNTIME_DIR=/run/user/1"}; !slices.Equal(applied, want) {
		t.Errorf("%v, want %v", applied, want)
	}
}

func TestDifferentEnvironments(t *testing.T) {
	t.Parallel()
	of := func(environ ...string) recording.Environment {
		e := recording.EnvironmentOf(environ)
		e.LogLevel, e.LogFormat = "info", "text"
		return e
	}
	for _, c := range []struct {
		name    string
		process recording.Environment
		client  recording.Environment
		want    []string
	}{
		{"the same", of("PULSE_SERVER=a", "TERM=x"), of("TERM=y", "PULSE_SERVER=a"), nil},
		{"another sound server", of("PULSE_SERVER=a"), of("PULSE_SERVER=b"), []string{"PULSE_SERVER"}},
		{"a sound server where there was none", of(), of("PIPEWIRE_REMOTE=b"), []string{"PIPEWIRE_REMOTE"}},
		{"no sound server where there was one", of("PULSE_RUNTIME_PATH=/a"), of(), []string{"PULSE_RUNTIME_PATH"}},
		{"another session", of("DBUS_SESSION_BUS_ADDRESS=a", "XDG_RUNTIME_DIR=/1"), of("DBUS_SESSION_BUS_ADDRESS=b", "XDG_RUNTIME_DIR=/2"), []string{"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"}},
		{"another language", of("LANG=C", "LC_ALL=C"), of("LANG=C", "LC_ALL=de_DE"), []string{"LC_ALL"}},
		{"another log", of("PULSE_SERVER=a"), recording.Environment{LogLevel: "debug", LogFormat: "json"}, []string{"log format", "log level"}},
		{"a client that does not care", of("PULSE_SERVER=a"), recording.Environment{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.process.Difference(c.client); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
