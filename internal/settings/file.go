package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	tomlparser "github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/spelling"
)

// mostFileBytes limits how much is read: a settings file has a few lines, but a file named by mistake may be endless.
const mostFileBytes = 1 << 20

// file returns what the settings file sets, and records in loaded which file it is.
func (l *loader) file(loaded *Loaded) map[string]any {
	path, named, by, err := settingsFile(l.sources)
	if err != nil { // no home, so no file
		return nil
	}
	loaded.File = path
	content, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	origin := Origin{Kind: FromFile, Name: path}
	if err != nil {
		hint := "correct the file, or take it away: the defaults hold without one"
		switch {
		case !named && errors.Is(err, fs.ErrPermission):
			hint = "check its owner and mode, and that $HOME is this user's; or name another file with --config"
		case named:
			hint = fmt.Sprintf("%s names the settings file: correct it, or leave it out", by)
		}
		l.problems = append(l.problems, Problem{Origin: origin, Text: "cannot read the settings file: " + reason(err), Hint: hint})
		return nil
	}
	loaded.FileFound = true
	return l.parse(origin, content)
}

// parse returns what the content of a settings file sets.
func (l *loader) parse(origin Origin, content []byte) map[string]any {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	k := koanf.New(".")
	if err := k.Load(rawbytes.Provider(content), tomlparser.Parser()); err != nil {
		l.problems = append(l.problems, syntaxProblem(origin, err))
		return nil
	}
	set := map[string]any{}
	passed := map[string]bool{} // groups that are wrong as a whole: their contents are not checked
	for _, e := range entries(content) {
		if passed[e.key[0]] {
			continue
		}
		at := origin
		at.Line = e.line
		if len(e.key) > 1 || !e.table {
			l.entry(set, at, e, k)
		} else {
			passed[e.key[0]] = !l.group(at, e)
		}
	}
	return set
}

// group checks a table of the file and reports whether it is right.
func (l *loader) group(at Origin, e entry) bool {
	name := e.key[0]
	switch p := (Problem{Origin: at}); {
	case !l.isGroup(name):
		p.Text, p.Hint = fmt.Sprintf("there is no group of settings %s", name), "all settings: scout settings show"
		if meant := spelling.Closest(name, l.groups()); meant != "" {
			p.Meant = meant
			p.Hint = fmt.Sprintf("did you mean %s? All settings: scout settings show", meant)
		}
		l.problems = append(l.problems, p)
		return false
	case e.list:
		p.Text, p.Hint = fmt.Sprintf("[[%s]] is a list of tables", name), fmt.Sprintf("write [%s]", name)
		l.problems = append(l.problems, p)
		return false
	}
	return true
}

// entry takes a value of the file, or reports a table where a value belongs.
func (l *loader) entry(set map[string]any, at Origin, e entry, k *koanf.Koanf) {
	name := strings.Join(e.key, ".")
	_, known := l.fields[name]
	switch {
	case known && !e.table:
		l.set(set, name, at, func(f field) (any, error) { return f.fromFile(k.Get(name)) })
	case known:
		l.problems = append(l.problems, Problem{Origin: at, Setting: name, Text: fmt.Sprintf("%s is a table: want %s", name, l.fields[name].allowed())})
	case l.isGroup(name) && e.table && !e.list: // [models.aliases]
	case l.isGroup(name):
		l.problems = append(l.problems, Problem{
			Origin: at, Text: fmt.Sprintf("%s is a group of settings and has no value", name),
			Hint: fmt.Sprintf("write [%s] and below it the settings: %s", name, strings.Join(l.members(name), ", ")),
		})
	default:
		l.unknown(at, name)
	}
}

func (l *loader) isGroup(name string) bool { return len(l.members(name)) > 0 }

// groups returns the names of all groups.
func (l *loader) groups() []string {
	var groups []string
	for _, name := range l.names {
		if group, _, _ := strings.Cut(name, "."); !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	return groups
}

// members returns the settings of a group, without its name.
func (l *loader) members(group string) []string {
	var members []string
	for _, name := range l.names {
		if member, ok := strings.CutPrefix(name, group+"."); ok {
			members = append(members, member)
		}
	}
	return members
}

func readBounded(path string) (content []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err = io.ReadAll(io.LimitReader(file, mostFileBytes+1))
	if err == nil && len(content) > mostFileBytes {
		return nil, errors.New("it is larger than 1 MB")
	}
	return content, err
}

// reason says in plain words why a file cannot be read.
func reason(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no such file"
	}
	return scout.Reason(err)
}

// syntaxProblem says where the file is not valid TOML.
func syntaxProblem(origin Origin, err error) Problem {
	text := strings.TrimPrefix(scout.Plain(err), "toml: ")
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		origin.Line, _ = syntax.Position()
	}
	return Problem{Origin: origin, Text: "this is not TOML: " + text, Hint: `write lines such as level = "debug" below a line [log]; texts stand in quotes`}
}

// entry is a table or a value of the file with the line of its key.
type entry struct {
	key   []string
	line  int
	table bool
	list  bool // a table of a list: [[log]]
}

// entries returns all tables and values of a valid TOML file, in order.
func entries(content []byte) []entry {
	var p unstable.Parser
	p.Reset(content)
	var all []entry
	var table []string
	for p.NextExpression() {
		node := p.Expression()
		switch node.Kind {
		case unstable.Table, unstable.ArrayTable:
			key, line := keyOf(&p, node, nil)
			table = key
			all = append(all, entry{key: key, line: line, table: true, list: node.Kind == unstable.ArrayTable})
		case unstable.KeyValue:
			all = appendValue(&p, all, node, table)
		}
	}
	return all
}

// appendValue adds a value, or the values of an inline table.
func appendValue(p *unstable.Parser, all []entry, node *unstable.Node, table []string) []entry {
	key, line := keyOf(p, node, table)
	if node.Value().Kind != unstable.InlineTable {
		return append(all, entry{key: key, line: line})
	}
	all = append(all, entry{key: key, line: line, table: true})
	for children := node.Value().Children(); children.Next(); {
		all = appendValue(p, all, children.Node(), key)
	}
	return all
}

// keyOf returns the whole key of a node and its line.
func keyOf(p *unstable.Parser, node *unstable.Node, table []string) (key []string, line int) {
	key = append(key, table...)
	for parts := node.Key(); parts.Next(); {
		part := parts.Node()
		if line == 0 {
			line = p.Shape(part.Raw).Start.Line
		}
		key = append(key, string(part.Data))
	}
	return key, line
}
