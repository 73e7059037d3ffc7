// Package release holds the version of Scout. All programs of one build have the same.
package release

import "runtime/debug"

// number is set by the linker for released builds.
var number string // -ldflags -X github.com/scout-speech/scout/internal/release.number=…

// commit is set by the linker for builds from a checkout: Go's own stamp can be turned off in the environment.
var commit string // -ldflags -X github.com/scout-speech/scout/internal/release.commit=…

// Version returns the released version, else the revision from which the program was built.
func Version() string {
	if number != "" {
		return number
	}
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, changed := "unknown", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && len(setting.Value) >= 12:
			revision = setting.Value[:12]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			changed = "+changes"
		}
	}
	return revision + changed
}
