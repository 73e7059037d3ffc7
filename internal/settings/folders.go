package settings

import (
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// DataDir is the folder of everything that Scout keeps: what data.dir says, else scout/ in the user's data folder after the
// XDG Base Directory Specification.
func (l *Loaded) DataDir() (string, error) {
	if l.Data.Dir != "" {
		return l.Data.Dir, nil
	}
	if dir := environment(l.sources.Environment)["XDG_DATA_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "scout"), nil
	}
	home, err := homeFolder(l.sources.Environment)
	if err != nil {
		return "", scout.Errorf(scout.CodeConfigInvalid, "find the user's data folder: %w", err).WithHint("set data.dir, with --data-dir or $SCOUT_DATA")
	}
	return filepath.Join(home, ".local", "share", "scout"), nil
}

// RecordingsDir is where recordings are kept.
func (l *Loaded) RecordingsDir() (string, error) {
	if l.Recordings.Dir != "" {
		return l.Recordings.Dir, nil
	}
	dir, err := l.DataDir()
	return filepath.Join(dir, "recordings"), err
}

// ModelsDir returns the folder in which models are installed, and further ones that are only read. What models.dir says is the
// only one. Else it is models/ in the folder that data.dir names; where it names none it is var/models of the checkout in which
// this program was built, else models/ in the user's data folder. The models of the checkout, or those beside an installed
// program (PREFIX/share/scout/models), are read as well.
func (l *Loaded) ModelsDir() (own string, shared []string, err error) {
	if l.Models.Dir != "" {
		return l.Models.Dir, nil, nil
	}
	checkout, beside := "", ""
	if program := l.sources.Program; program != "" {
		if filepath.Base(program) == "bin" {
			checkout = filepath.Join(filepath.Dir(program), "var", "models")
		}
		beside = filepath.Join(filepath.Dir(program), "share", "scout", "models")
	}
	if l.Data.Dir == "" && isFolder(checkout) {
		return checkout, nil, nil
	}
	dir, err := l.DataDir()
	if err != nil {
		return "", nil, err
	}
	own = filepath.Join(dir, "models")
	for _, further := range []string{checkout, beside} {
		if further != own && isFolder(further) {
			shared = append(shared, further)
		}
	}
	return own, shared, nil
}

// Engine is where scout-engine is: what programs.engine says, else beside this program, as it is built, else in
// PREFIX/lib/scout, as make install puts it.
func (l *Loaded) Engine() string { return l.program("scout-engine", l.Programs.Engine) }

// Recorder is where scout-recorder is; see Engine.
func (l *Loaded) Recorder() string { return l.program("scout-recorder", l.Programs.Recorder) }

// Scout is where the program scout is; see Engine.
func (l *Loaded) Scout() string { return l.program("scout", "") }

func (l *Loaded) program(name, setting string) string {
	if setting != "" {
		return setting
	}
	beside := filepath.Join(l.sources.Program, name)
	if !exists(beside) {
		if installed := filepath.Join(filepath.Dir(l.sources.Program), "lib", "scout", name); isFile(installed) {
			return installed
		}
	}
	return beside
}

// place is what is used for a path that is not set; empty where that is not known, or nothing is.
func (l *Loaded) place(name string) string {
	var path string
	var err error
	switch name {
	case "data.dir":
		path, err = l.DataDir()
	case "models.dir":
		path, _, err = l.ModelsDir()
	case "recordings.dir":
		path, err = l.RecordingsDir()
	case "programs.engine":
		path = l.Engine()
	case "programs.recorder":
		path = l.Recorder()
	}
	if err != nil {
		return ""
	}
	return path
}

// ProgramFolder is the folder in which this program lies, behind all links.
func ProgramFolder() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(self); err == nil {
		self = resolved
	}
	return filepath.Dir(self), nil
}

// homeFolder is the user's home folder.
func homeFolder(list []string) (string, error) {
	if home := environment(list)["HOME"]; home != "" {
		return home, nil
	}
	return "", errNoHome
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
