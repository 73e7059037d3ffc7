package settings

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/spelling"
)

// Sources are where settings come from; each overrides those before it.
type Sources struct {
	// File is the settings file that a flag names; empty for $SCOUT_CONFIG, else $XDG_CONFIG_HOME/scout/settings.toml.
	File string
	// Environment is the process's, as os.Environ returns it. A variable that is empty sets nothing.
	Environment []string
	// Flags that were given on the command line.
	Flags []Flag
	// Program is the folder in which this program lies, behind all links; empty where that is not known.
	Program string
}

// Flag is a flag that was given and sets something.
type Flag struct {
	Setting string // log.level
	Name    string // --log-level
	Value   string
}

// Origin tells where a value comes from.
type Origin struct {
	// Kind is default, file, environment or flag.
	Kind OriginKind `json:"kind"`
	// Name is the file, the variable or the flag.
	Name string `json:"name,omitempty"`
	// Line of the file, from 1.
	Line int `json:"line,omitempty"`
}

// OriginKind is a kind of source.
type OriginKind string

// Kinds of sources, from the lightest to the heaviest.
const (
	FromDefault     OriginKind = "default"
	FromFile        OriginKind = "file"
	FromEnvironment OriginKind = "environment"
	FromFlag        OriginKind = "flag"
)

// String writes the origin for people.
func (o Origin) String() string {
	switch {
	case o.Kind == FromDefault:
		return "default"
	case o.Line > 0:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	case o.Kind == FromEnvironment:
		return "$" + o.Name
	}
	return o.Name
}

// Problem is one thing that is wrong.
type Problem struct {
	Origin  Origin
	Setting string // empty where it is none
	Text    string
	Hint    string // empty where there is nothing to add
	// Meant is the setting or the group that was probably meant where there is none of that name; empty for none.
	Meant string
}

// String is one line: where it stands and what is wrong.
func (p Problem) String() string {
	switch {
	case p.Origin.Kind == "":
		return p.Text
	case p.Origin.Kind != FromFile && p.Setting != "": // the variable or the flag stands for the setting
		return p.Origin.String() + " " + p.Text
	}
	return p.Origin.String() + ": " + p.Text
}

// InvalidError is everything that is wrong, in the order in which it was found.
type InvalidError struct{ Problems []Problem }

// Error is the first problem, and how many there are besides.
func (e *InvalidError) Error() string {
	text := e.Problems[0].String()
	if more := len(e.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more: scout settings check)", more)
	}
	return text
}

// Loaded are settings with where they come from.
type Loaded struct {
	Settings
	// File is the settings file, whether there is one or not; empty where it is not known where it would be.
	File string
	// FileFound is true where File was read.
	FileFound bool

	sources Sources
	origins map[string]Origin
}

// loader collects the settings of all sources.
type loader struct {
	sources  Sources
	fields   map[string]field
	names    []string
	origins  map[string]Origin
	problems []Problem
}

// Load reads all sources. Its result is never nil: what is wrong is left out of it, so that what holds otherwise can be
// shown. The error is a scout.Error with the code config_invalid around an InvalidError.
func Load(sources Sources) (*Loaded, error) {
	l := &loader{sources: sources, fields: map[string]field{}, origins: map[string]Origin{}}
	for _, f := range fields(Default()) {
		l.fields[f.name], l.names = f, append(l.names, f.name)
	}
	k := koanf.New(".")
	loaded := &Loaded{sources: sources, origins: l.origins}
	fromFile := l.file(loaded)
	layers := []koanf.Provider{
		structs.Provider(Default(), "koanf"), confmap.Provider(fromFile, "."), confmap.Provider(l.environment(), "."), confmap.Provider(l.flags(), "."),
	}
	for _, layer := range layers {
		if err := k.Load(layer, nil); err != nil {
			return loaded, scout.Errorf(scout.CodeInternal, "read settings: %w", err)
		}
	}
	if err := k.UnmarshalWithConf("", &loaded.Settings, koanf.UnmarshalConf{Tag: "koanf"}); err != nil {
		return loaded, scout.Errorf(scout.CodeInternal, "read settings: %w", err)
	}
	if len(l.problems) == 0 {
		return loaded, nil
	}
	err := scout.Errorf(scout.CodeConfigInvalid, "%w", &InvalidError{l.problems})
	if hint := l.problems[0].Hint; hint != "" {
		err = err.WithHint("%s", hint)
	}
	return loaded, err
}

// set takes the value of a setting, or tells what is wrong with it.
func (l *loader) set(into map[string]any, name string, origin Origin, convert func(field) (any, error)) {
	f := l.fields[name]
	value, err := convert(f)
	if err == nil {
		value, err = f.path(value, origin.Kind == FromFile, func() (string, error) { return homeFolder(l.sources.Environment) })
	}
	if err != nil {
		text := err.Error()
		if origin.Kind == FromFile {
			text = name + " " + text
		}
		l.problems = append(l.problems, Problem{Origin: origin, Setting: name, Text: text})
		return
	}
	into[name] = value
	l.origins[name] = origin
}

// unknown tells of a setting that does not exist.
func (l *loader) unknown(origin Origin, name string) {
	p := Problem{Origin: origin, Text: fmt.Sprintf("there is no setting %s", name), Hint: "all settings: scout settings show"}
	if meant := spelling.Closest(name, l.names); meant != "" {
		p.Meant = meant
		p.Hint = fmt.Sprintf("did you mean %s? All settings: scout settings show", meant)
	}
	l.problems = append(l.problems, p)
}

// environment returns what the environment sets.
func (l *loader) environment() map[string]any {
	set := map[string]any{}
	values := environment(l.sources.Environment)
	known := map[string]bool{}
	flat := map[string]string{} // SCOUT_LOG_LEVEL: SCOUT_LOG__LEVEL
	byVariable := map[string]string{}
	var names []string
	for _, name := range l.names {
		f := l.fields[name]
		known[f.variable], known[f.old] = true, true
		byVariable[f.variable], byVariable[f.old] = name, name
		names = append(names, f.variable)
		flat[strings.ReplaceAll(f.variable, "__", "_")] = f.variable
		for _, variable := range []string{f.variable, f.old} { // the new name has more weight
			if text := values[variable]; text != "" {
				l.set(set, name, Origin{Kind: FromEnvironment, Name: variable}, func(f field) (any, error) { return f.fromText(text) })
				break
			}
		}
	}
	var strange []string
	for variable := range values {
		upper := strings.ToUpper(variable)
		if strings.HasPrefix(upper, "SCOUT_") && !known[variable] && (strings.Contains(variable, "__") || flat[upper] != "" || known[upper]) {
			strange = append(strange, variable)
		}
	}
	slices.Sort(strange)
	for _, variable := range strange {
		p := Problem{
			Origin: Origin{Kind: FromEnvironment, Name: variable}, Text: "there is no setting of this name",
			Hint: "all settings: scout settings show",
		}
		meant := flat[strings.ToUpper(variable)]
		if upper := strings.ToUpper(variable); meant == "" && known[upper] {
			meant = upper
		}
		if meant == "" {
			meant = spelling.Closest(variable, names)
		}
		if meant != "" {
			p.Meant = byVariable[meant]
			p.Hint = fmt.Sprintf("did you mean %s? All settings: scout settings show", meant)
		}
		l.problems = append(l.problems, p)
	}
	return set
}

// flags returns what flags set.
func (l *loader) flags() map[string]any {
	set := map[string]any{}
	for _, flag := range l.sources.Flags {
		l.set(set, flag.Setting, Origin{Kind: FromFlag, Name: flag.Name}, func(f field) (any, error) { return f.fromText(flag.Value) })
	}
	return set
}

// environment returns the variables by name.
func environment(list []string) map[string]string {
	values := make(map[string]string, len(list))
	for _, variable := range list {
		if name, value, found := strings.Cut(variable, "="); found {
			values[name] = value
		}
	}
	return values
}

// Value is a setting as scout settings show tells it.
type Value struct {
	Name string `json:"name"`
	// Value is a text, a number, or a length of time as text; what is secret in it is hidden. Empty: see Unset.
	Value any `json:"value"`
	// Unset says what holds while Value is empty.
	Unset  string `json:"unset,omitempty"`
	Origin Origin `json:"origin"`
	// Allowed says what may be written.
	Allowed  string `json:"allowed"`
	About    string `json:"about"`
	Variable string `json:"variable"`
	// OldVariable is an older name that still holds.
	OldVariable string `json:"old_variable,omitempty"`
}

// Values returns every setting, in the order of the struct. Folders and programs that are not set are those that are used.
func (l *Loaded) Values() []Value {
	all := fields(l.Settings)
	values := make([]Value, len(all))
	for i, f := range all {
		if f.value == "" && f.isPath() {
			f.value = l.place(f.name)
		}
		v := Value{
			Name: f.name, Value: any(f.text()), Unset: f.unset, Origin: l.Origin(f.name), Allowed: f.allowed(), About: f.about,
			Variable: f.variable, OldVariable: f.old,
		}
		if n, ok := f.value.(int); ok {
			v.Value = n
		}
		values[i] = v
	}
	return values
}

// Origin tells where a setting comes from.
func (l *Loaded) Origin(name string) Origin {
	if origin, ok := l.origins[name]; ok {
		return origin
	}
	return Origin{Kind: FromDefault}
}

// Text returns the value of a setting as a flag takes it, secrets included. The setting exists.
func (l *Loaded) Text(name string) string {
	all := fields(l.Settings)
	i := slices.IndexFunc(all, func(f field) bool { return f.name == name })
	return fmt.Sprint(all[i].value)
}

// settingsFile returns where the settings file is, and whether somebody named it.
func settingsFile(sources Sources) (path string, named bool, origin Origin, err error) {
	values := environment(sources.Environment)
	if sources.File != "" {
		return sources.File, true, Origin{Kind: FromFlag, Name: "--config"}, nil
	}
	if path := values[fileVariable]; path != "" {
		return path, true, Origin{Kind: FromEnvironment, Name: fileVariable}, nil
	}
	if dir := values["XDG_CONFIG_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "scout", "settings.toml"), false, Origin{}, nil
	}
	home, err := homeFolder(sources.Environment)
	if err != nil {
		return "", false, Origin{}, err
	}
	return filepath.Join(home, ".config", "scout", "settings.toml"), false, Origin{}, nil
}

// fileVariable names the settings file.
const fileVariable = "SCOUT_CONFIG"
