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

// Sources are the sources of settings; each overrides those before it.
type Sources struct {
	// File is the settings file named by a flag; empty for $SCOUT_CONFIG, else $XDG_CONFIG_HOME/scout/settings.toml.
	File string
	// Environment is that of the process, as os.Environ returns it. An empty variable sets nothing.
	Environment []string
	// Flags that were given on the command line.
	Flags []Flag
	// Program is the folder of this program, with all links resolved; empty if it is not known.
	Program string
}

// Flag is a flag that was given and that sets a setting.
type Flag struct {
	Setting string // log.level
	Name    string // --log-level
	Value   string
}

// Origin says where a value comes from.
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

// Kinds of sources, from the weakest to the strongest.
const (
	FromDefault     OriginKind = "default"
	FromFile        OriginKind = "file"
	FromEnvironment OriginKind = "environment"
	FromFlag        OriginKind = "flag"
)

// String formats the origin for people.
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

// Problem is one thing that is wrong with the settings.
type Problem struct {
	Origin  Origin
	Setting string // empty if it concerns no setting
	Text    string
	Hint    string // empty if there is nothing to add
	// Meant is the setting or group that was probably meant by an unknown name; empty if there is none.
	Meant string
}

// String returns one line: the origin and what is wrong.
func (p Problem) String() string {
	switch {
	case p.Origin.Kind == "":
		return p.Text
	case p.Origin.Kind != FromFile && p.Setting != "": // the variable or the flag names the setting
		return p.Origin.String() + " " + p.Text
	}
	return p.Origin.String() + ": " + p.Text
}

// InvalidError is everything that is wrong, in the order in which it was found.
type InvalidError struct{ Problems []Problem }

// Error returns the first problem, and the number of the others.
func (e *InvalidError) Error() string {
	text := e.Problems[0].String()
	if more := len(e.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more: scout settings check)", more)
	}
	return text
}

// Loaded are settings and their origins.
type Loaded struct {
	Settings
	// File is the path of the settings file, whether it exists or not; empty if the path is not known.
	File string
	// FileFound is true if File was read.
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

func newLoader(sources Sources) *loader {
	l := &loader{sources: sources, fields: map[string]field{}, origins: map[string]Origin{}}
	for _, f := range fields(Default()) {
		l.fields[f.name], l.names = f, append(l.names, f.name)
	}
	return l
}

// Load reads all sources. Its result is never nil: it leaves out what is wrong, so that the rest can be shown. The
// error is a scout.Error with the code config_invalid around an InvalidError.
func Load(sources Sources) (*Loaded, error) {
	l := newLoader(sources)
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

// set takes the value of a setting, or reports what is wrong with it.
func (l *loader) set(into map[string]any, name string, origin Origin, convert func(field) (any, error)) {
	f := l.fields[name]
	value, err := convert(f)
	if err == nil {
		value, err = f.path(value, origin.Kind == FromFile, func() (string, error) { return homeFolder(l.sources.Environment) })
	}
	if err != nil {
		text := scout.Plain(err)
		if origin.Kind == FromFile {
			text = name + " " + text
		}
		l.problems = append(l.problems, Problem{Origin: origin, Setting: name, Text: text})
		return
	}
	into[name] = value
	l.origins[name] = origin
}

// unknown reports a setting that does not exist.
func (l *loader) unknown(origin Origin, name string) {
	p := Problem{Origin: origin, Text: fmt.Sprintf("there is no setting %s", name), Hint: "all settings: scout settings show"}
	if meant := spelling.Closest(name, l.names); meant != "" {
		p.Meant = meant
		p.Hint = fmt.Sprintf("did you mean %s? All settings: scout settings show", meant)
	}
	l.problems = append(l.problems, p)
}

// environment returns the settings in the environment.
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
		for _, variable := range []string{f.variable, f.old} { // the new name overrides the old one
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

// flags returns the settings in the flags.
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

// Value is a setting as scout settings show prints it.
type Value struct {
	Name string `json:"name"`
	// Value is a text, a number (or its word for 0), or a duration as text, with secrets hidden. If it is empty, see Unset.
	Value any `json:"value"`
	// Unset describes what Scout uses while Value is empty.
	Unset  string `json:"unset,omitempty"`
	Origin Origin `json:"origin"`
	// Allowed describes the allowed values.
	Allowed  string `json:"allowed"`
	About    string `json:"about"`
	Variable string `json:"variable"`
	// OldVariable is an older name that still works.
	OldVariable string `json:"old_variable,omitempty"`
}

// Values returns every setting, in the order of the struct. Folders and programs that are not set have the paths that
// are used.
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
		if n, ok := f.value.(int); ok && (n != 0 || f.zero == "") {
			v.Value = n
		}
		values[i] = v
	}
	return values
}

// Sources are those that were read.
func (l *Loaded) Sources() Sources { return l.sources }

// Origin returns the origin of a setting.
func (l *Loaded) Origin(name string) Origin {
	if origin, ok := l.origins[name]; ok {
		return origin
	}
	return Origin{Kind: FromDefault}
}

// aliases precedes the settings that give OpenAI's names of models a meaning.
const aliases = "models.aliases."

// Aliases are the models for OpenAI's names of models, where settings name one.
func (l *Loaded) Aliases() map[string]string {
	set := make(map[string]string)
	for _, f := range fields(l.Settings) {
		if name, is := strings.CutPrefix(f.name, aliases); is && f.value != "" {
			set[name] = fmt.Sprint(f.value)
		}
	}
	return set
}

// Naming returns the name of a setting that names a model; empty where none does.
func (l *Loaded) Naming(model string) string {
	for _, f := range fields(l.Settings) {
		name := f.name
		if (name == "models.fast" || name == "models.accurate" || name == "transcribe.model" || strings.HasPrefix(name, aliases)) && l.Text(name) == model {
			return name
		}
	}
	return ""
}

// Text returns the value of a setting as a flag takes it, including secrets. The setting must exist.
func (l *Loaded) Text(name string) string {
	all := fields(l.Settings)
	i := slices.IndexFunc(all, func(f field) bool { return f.name == name })
	if all[i].zero != "" {
		return all[i].text()
	}
	return fmt.Sprint(all[i].value)
}

// settingsFile returns the path of the settings file, and whether it was named explicitly.
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
