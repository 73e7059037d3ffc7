package settings

import (
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// DataDir returns the folder of everything that Scout keeps: data.dir, else scout/ in the user's data folder (XDG Base
// Directory Specification).
func (l *Loaded) DataDir() (string, error) {
	if l.Data.Dir != "" {
		dir, err := filepath.Abs(l.Data.Dir) // programs elsewhere are told of files in it
		if err != nil {
			return "", scout.Errorf(scout.CodeConfigInvalid, "find the data folder: %w", err).WithHint("name it with its whole path: --data-dir, $SCOUT_DATA")
		}
		return dir, nil
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

// RecordingsDir returns the folder of recordings.
func (l *Loaded) RecordingsDir() (string, error) {
	if l.Recordings.Dir != "" {
		return l.Recordings.Dir, nil
	}
	dir, err := l.DataDir()
	return filepath.Join(dir, "recordings"), err
}

// TLSDir returns the folder of Scout's own CA and certificate.
func (l *Loaded) TLSDir() (string, error) {
	dir, err := l.DataDir()
	return filepath.Join(dir, "tls"), err
}

// ModelsDir returns the folder in which models are installed, and further folders that are only read. If models.dir is
// set, it is the only folder. Otherwise the own folder is models/ in data.dir. If data.dir is not set, it is var/models
// of the checkout in which this program was built, else models/ in the user's data folder. The models of the checkout,
// or those beside an installed program (PREFIX/share/scout/models), are read too.
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

// Engine returns the path of scout-engine: programs.engine if it is set, else beside this program, as after a build,
// else in PREFIX/lib/scout, as after make install.
func (l *Loaded) Engine() string { return l.program("scout-engine", l.Programs.Engine) }

// Recorder returns the path of scout-recorder; see Engine.
func (l *Loaded) Recorder() string { return l.program("scout-recorder", l.Programs.Recorder) }

// Scout returns the path of the program scout; see Engine.
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

// place returns the path that is used if a setting is not set; it is empty if that is not known or nothing is used.
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

// ProgramFolder returns the folder of this program, with all links resolved.
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

// homeFolder returns the user's home folder.
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
