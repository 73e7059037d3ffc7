package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/filelock"
	"github.com/scout-speech/scout/internal/spelling"
)

// Change is a new value of one setting in the settings file.
type Change struct {
	// Name is that of the setting: log.level.
	Name string
	// Value is a string, an int64 or a float64 without a fraction, as TOML and JSON have them; nil takes the setting out of the file.
	Value any
}

// ChangeError is a change that cannot be made.
type ChangeError struct {
	Name string
	Err  error
}

// Error implements error.
func (e *ChangeError) Error() string { return e.Err.Error() }

// Unwrap returns why not.
func (e *ChangeError) Unwrap() error { return e.Err }

// saveWithin is how long another program that saves settings is waited for.
const saveWithin = 2 * time.Second

// Save writes changes into the settings file and returns the settings as they are then. Either all changes are made or none; the order,
// the comments and everything else in the file stay as they are. The file is replaced in one step, and made if there is none.
//
// if is called with the settings of the file that is about to be changed, while no other program saves; its error prevents the change.
// It may be nil. A value that is not allowed gives scout.CodeConfigInvalid, and a setting that a variable or a flag sets
// scout.CodeConflict, since the file would have no effect; both are ChangeErrors.
func Save(sources Sources, changes []Change, check func(now *Loaded) error) (*Loaded, error) {
	path, _, _, err := settingsFile(sources)
	if err != nil {
		return nil, scout.Errorf(scout.CodeConfigInvalid, "find the settings file: %w", err).WithHint("name one with --config or $SCOUT_CONFIG")
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make the folder of the settings file", err)
	}
	release, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer release()
	now, err := Load(sources)
	if err != nil {
		return nil, err // a file that is wrong is corrected by a person
	}
	if check != nil {
		if err := check(now); err != nil {
			return nil, err
		}
	}
	mode := fs.FileMode(0o600)
	content, err := readBounded(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, scout.FileError(scout.CodeReadFailed, "read the settings file", err)
	default:
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode().Perm()
		}
	}
	after, err := now.with(content, changes)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(after, content) {
		return now, nil
	}
	if err := atomicfile.Write(path, after, atomicfile.Options{Mode: mode, ExactMode: true}); err != nil {
		return nil, err
	}
	return Load(sources)
}

// lockFolder waits until no other program saves settings in the folder. The lock is that of the folder itself, so that it leaves no
// file behind; a file system without locks has none, and the file is still replaced in one step.
func lockFolder(dir string) (release func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open the folder of the settings file", err)
	}
	for began := time.Now(); time.Since(began) < saveWithin; {
		got, lockErr := filelock.Try(f)
		if got || lockErr != nil { // lockErr: no locks on this file system
			return func() { _ = filelock.Close(f) }, nil //nolint:nilerr // the file is replaced in one step anyway
		}
		time.Sleep(5 * time.Millisecond) // nothing announces the end of somebody else's lock
	}
	return nil, errors.Join(scout.Errorf(scout.CodeBusy, "another program is changing the settings"), f.Close())
}

// with returns the content of the settings file with the changes.
func (l *Loaded) with(content []byte, changes []Change) ([]byte, error) {
	known := map[string]field{}
	var names []string
	for _, f := range fields(Default()) {
		known[f.name], names = f, append(names, f.name)
	}
	wanted := map[string]any{} // as the file gives them
	edited := content
	for _, c := range changes {
		f, is := known[c.Name]
		if !is {
			err := scout.Errorf(scout.CodeConfigInvalid, "there is no setting %s", c.Name).WithHint("all settings: scout settings show")
			if meant := spelling.Closest(c.Name, names); meant != "" {
				err = err.WithHint("did you mean %s?", meant)
			}
			return nil, &ChangeError{c.Name, err}
		}
		if origin := l.Origin(c.Name); origin.Kind == FromEnvironment || origin.Kind == FromFlag {
			return nil, &ChangeError{c.Name, scout.Errorf(scout.CodeConflict, "%s is set by %s, which overrides the settings file", c.Name, origin).
				WithHint("take that away first, then end the daemon and start it again: scout serve stop")}
		}
		value, literal, err := f.literal(c.Value)
		if err == nil && value != nil {
			_, err = f.path(value, true, func() (string, error) { return homeFolder(l.sources.Environment) })
		}
		if err != nil {
			return nil, &ChangeError{c.Name, scout.Errorf(scout.CodeConfigInvalid, "%s %s", c.Name, scout.Plain(err)).WithHint("all settings and what is allowed: scout settings show --json")}
		}
		wanted[c.Name] = value
		edited = edit(edited, c.Name, literal)
	}
	return edited, l.verify(content, edited, wanted)
}

// literal returns a value as it is used and as TOML, both nothing for one that is taken out.
func (f field) literal(value any) (used any, literal string, err error) {
	if number, is := value.(float64); is && number == float64(int64(number)) {
		value = int64(number)
	}
	if value == nil {
		return nil, "", nil
	}
	if used, err = f.fromFile(value); err != nil {
		return nil, "", err
	}
	switch v := used.(type) {
	case int:
		if f.zero != "" && v == 0 {
			return used, quoted(f.zero), nil
		}
		return used, strconv.Itoa(v), nil
	case string:
		return used, quoted(v), nil
	}
	return used, quoted(value.(string)), nil //nolint:forcetypeassert,errcheck // fromFile takes a length of time as a text only
}

// quoted writes a text as a basic string of TOML. That is a string of JSON, but for one character.
func quoted(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a text
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007F`)
}

// verify makes sure that the changed file sets what was wanted and otherwise what it set before. An edit that went wrong changes
// nothing.
func (l *Loaded) verify(before, after []byte, wanted map[string]any) error {
	values := func(content []byte) (map[string]any, error) {
		load := newLoader(l.sources)
		set := load.parse(Origin{Kind: FromFile, Name: l.File}, content)
		if len(load.problems) > 0 {
			return nil, &InvalidError{load.problems}
		}
		return set, nil
	}
	old, err := values(before)
	if err != nil {
		return err
	}
	set, err := values(after)
	if err == nil {
		for name := range wanted {
			delete(old, name)
			if value, is := set[name]; is != (wanted[name] != nil) || is && !l.same(name, value, wanted[name]) {
				err = fmt.Errorf("%s is %v there", name, value)
			}
			delete(set, name)
		}
		if len(old) != len(set) {
			err = fmt.Errorf("%d settings instead of %d", len(set), len(old))
		}
		for name, value := range old {
			if set[name] != value {
				err = fmt.Errorf("%s is %v there", name, set[name])
			}
		}
	}
	if err != nil {
		return scout.Errorf(scout.CodeConfigInvalid, "the settings file is written in a way that cannot be changed by a program: %w", err).WithHint("change it by hand: $EDITOR %s", l.File)
	}
	return nil
}

// same reports whether a value that was read is the one that was wanted. A path was completed while it was read.
func (l *Loaded) same(name string, read, wanted any) bool {
	for _, f := range fields(Default()) {
		if f.name == name && f.isPath() {
			wanted, _ = f.path(wanted, true, func() (string, error) { return homeFolder(l.sources.Environment) })
		}
	}
	return read == wanted
}
