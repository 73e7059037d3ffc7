package recording

import (
	"maps"
	"slices"
	"strings"
)

// Environment is what a recorder process has from the program that started it and cannot change afterwards: how it
// finds the sound system, its language, and how it logs. An order carries the environment of its client, so that nobody
// records through the sound server of an earlier client.
type Environment struct {
	// Variables are the relevant environment variables that are set.
	Variables map[string]string `json:"variables,omitempty"`
	LogLevel  string            `json:"log_level,omitempty"`
	LogFormat string            `json:"log_format,omitempty"`
}

// The relevant variables: by name, and by prefix.
var (
	relevantNames    = []string{"HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "LANG", "LANGUAGE"}
	relevantPrefixes = []string{"PULSE_", "PIPEWIRE_", "ALSA_", "LC_"}
)

// relevant reports whether an environment variable matters to a recorder.
func relevant(name string) bool {
	return slices.Contains(relevantNames, name) || slices.ContainsFunc(relevantPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// EnvironmentOf returns the relevant part of an environment, which is a list as os.Environ returns it. Of a repeated
// variable the last one counts, and an empty one counts as missing.
func EnvironmentOf(environ []string) Environment {
	e := Environment{Variables: make(map[string]string)}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !relevant(name) {
			continue
		}
		e.Variables[name] = value
		if value == "" {
			delete(e.Variables, name)
		}
	}
	return e
}

// Apply returns environ with its relevant part replaced by e.
func (e Environment) Apply(environ []string) []string {
	applied := make([]string, 0, len(environ)+len(e.Variables))
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !relevant(name) {
			applied = append(applied, entry)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
		applied = append(applied, name+"="+e.Variables[name])
	}
	return applied
}

// Difference names what differs between the two, sorted: variables, "log level", "log format". What other leaves open
// does not count.
func (e Environment) Difference(other Environment) []string {
	var names []string
	if other.Variables != nil {
		all := maps.Clone(e.Variables)
		if all == nil {
			all = make(map[string]string)
		}
		maps.Copy(all, other.Variables)
		for name := range all {
			if e.Variables[name] != other.Variables[name] {
				names = append(names, name)
			}
		}
	}
	if other.LogLevel != "" && other.LogLevel != e.LogLevel {
		names = append(names, "log level")
	}
	if other.LogFormat != "" && other.LogFormat != e.LogFormat {
		names = append(names, "log format")
	}
	slices.Sort(names)
	return names
}
