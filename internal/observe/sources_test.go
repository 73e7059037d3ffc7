package observe_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// repository is the root of the sources, relative to this package.
const repository = "../.."

// sources is what the program's own files say about its metrics and log events, read from their syntax, so that every
// package is covered without its help.
type sources struct {
	constants map[string]string // "package.Name" to the value of every string constant
	metrics   map[string]published
	events    map[string]*event
	names     map[string]int // how often each identifier occurs

	metricProblems, logProblems []string
}

type published struct{ kind, labels, help string }

type event struct {
	levels, attributes map[string]bool
	emitted            bool
	constant           string // its name
}

func readSources(t *testing.T) *sources {
	t.Helper()
	s := &sources{constants: make(map[string]string), metrics: make(map[string]published), events: make(map[string]*event), names: make(map[string]int)}
	set := token.NewFileSet()
	var files []*ast.File
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != repository && (strings.HasPrefix(name, ".") || slices.Contains([]string{"var", "bin", "dist", "testdata", "node_modules"}, name)):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatalf("read the sources: %v", err)
	}
	for _, file := range files {
		s.readConstants(file)
	}
	for _, file := range files {
		s.readMetrics(set, file)
		s.readLogCalls(set, file)
		for node := range ast.Preorder(file) {
			if name, isName := node.(*ast.Ident); isName {
				s.names[name.Name]++
			}
		}
	}
	for value, e := range s.events {
		if s.names[e.constant] < 2 {
			s.logProblems = append(s.logProblems, fmt.Sprintf("%s: nobody logs the event %q", e.constant, value))
		}
	}
	return s
}

// isEvent tells whether a constant holds the name of a log event: it is called EventX or, where no other package needs it,
// eventX.
func isEvent(name string) bool {
	return strings.HasPrefix(name, "Event") || strings.HasPrefix(name, "event")
}

// readConstants collects string constants. An untyped one with the name of an event is the name of a log event.
func (s *sources) readConstants(file *ast.File) {
	for node := range ast.Preorder(file) {
		spec, isValue := node.(*ast.ValueSpec)
		if !isValue {
			continue
		}
		for i, name := range spec.Names {
			if i >= len(spec.Values) {
				break
			}
			if value, isText := literal(spec.Values[i]); isText {
				s.constants[file.Name.Name+"."+name.Name] = value
				if spec.Type == nil && isEvent(name.Name) {
					s.event(value).constant = name.Name
				}
			}
		}
	}
}

func (s *sources) event(name string) *event {
	if s.events[name] == nil {
		s.events[name] = &event{levels: make(map[string]bool), attributes: make(map[string]bool)}
	}
	return s.events[name]
}

func literal(e ast.Expr) (string, bool) {
	if basic, isBasic := e.(*ast.BasicLit); isBasic && basic.Kind == token.STRING {
		value, err := strconv.Unquote(basic.Value)
		return value, err == nil
	}
	return "", false
}

// constantName is the name of a constant without its package; empty for anything else.
func constantName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// text resolves a literal or a constant.
func (s *sources) text(file *ast.File, e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.Ident:
		value, known := s.constants[file.Name.Name+"."+e.Name]
		return value, known
	case *ast.SelectorExpr:
		if pkg, isIdent := e.X.(*ast.Ident); isIdent {
			value, known := s.constants[pkg.Name+"."+e.Sel.Name]
			return value, known
		}
	}
	return literal(e)
}

// method returns X and Sel of a call of the form X.Sel(…).
func method(node ast.Node) (call *ast.CallExpr, on, name string) {
	call, isCall := node.(*ast.CallExpr)
	if !isCall {
		return nil, "", ""
	}
	selector, isSelector := call.Fun.(*ast.SelectorExpr)
	if !isSelector {
		return nil, "", ""
	}
	if pkg, isIdent := selector.X.(*ast.Ident); isIdent {
		on = pkg.Name
	}
	return call, on, selector.Sel.Name
}

// readMetrics finds every metric.New… with its options.
func (s *sources) readMetrics(set *token.FileSet, file *ast.File) {
	for node := range ast.Preorder(file) {
		call, on, name := method(node)
		if on != "metric" || !strings.HasPrefix(name, "New") || len(call.Args) == 0 {
			continue
		}
		options, isLiteral := call.Args[0].(*ast.CompositeLit)
		if !isLiteral {
			continue
		}
		var full string
		m := published{kind: strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "New"), "Vec"), "Func"))}
		for _, element := range options.Elts {
			pair, isPair := element.(*ast.KeyValueExpr)
			if !isPair {
				continue
			}
			value, _ := s.text(file, pair.Value)
			switch key, _ := pair.Key.(*ast.Ident); key.Name {
			case "Name":
				full = value
			case "Help":
				m.help = value
			}
		}
		if strings.HasSuffix(name, "Vec") && len(call.Args) > 1 {
			var labels []string
			if list, isList := call.Args[1].(*ast.CompositeLit); isList {
				for _, element := range list.Elts {
					label, _ := s.text(file, element)
					labels = append(labels, label)
				}
			}
			m.labels = strings.Join(labels, ", ")
		}
		switch other, twice := s.metrics[full]; {
		case !strings.HasPrefix(full, "scout_") || m.help == "":
			s.metricProblems = append(s.metricProblems, fmt.Sprintf("%s: a metric needs a literal Name that begins with scout_ and a Help", set.Position(call.Pos())))
		case twice && other != m:
			s.metricProblems = append(s.metricProblems, fmt.Sprintf("%s: %s is made twice, differently", set.Position(call.Pos()), full))
		default:
			s.metrics[full] = m
		}
	}
}

// levelOf are the methods of slog.Logger that write a line.
func levelOf(method string) string {
	switch name := strings.TrimSuffix(method, "Context"); name {
	case "Debug", "Info", "Warn", "Error":
		return strings.ToLower(name)
	}
	return ""
}

// readLogCalls finds every call that logs a line, with its level and attributes.
func (s *sources) readLogCalls(set *token.FileSet, file *ast.File) {
	for _, decl := range file.Decls {
		for node := range ast.Preorder(decl) {
			call, _, name := method(node)
			if call == nil {
				continue
			}
			level, args := levelOf(name), call.Args
			switch {
			case level != "" && strings.HasSuffix(name, "Context") && len(args) > 1:
				args = args[1:]
			case (name == "LogAttrs" || name == "Log") && len(args) > 2:
				if l, isSelector := args[1].(*ast.SelectorExpr); isSelector {
					level = strings.ToLower(strings.TrimPrefix(l.Sel.Name, "Level"))
				}
				args = args[2:]
			case level == "" || len(args) == 0:
				continue
			}
			message, known := s.text(file, args[0])
			if !known {
				continue
			}
			at := set.Position(call.Pos())
			if !isEvent(constantName(args[0])) {
				s.logProblems = append(s.logProblems, fmt.Sprintf("%s: %q is no constant called event… (or Event…) beside its component", at, message))
			}
			if !snakeCase.MatchString(message) {
				s.logProblems = append(s.logProblems, fmt.Sprintf("%s: the message %q is not the name of an event", at, message))
				continue
			}
			e := s.event(message)
			e.emitted = true
			if level != "" {
				e.levels[level] = true
			}
			for _, arg := range args[1:] {
				if _, isText := s.text(file, arg); isText {
					s.logProblems = append(s.logProblems, fmt.Sprintf("%s: attributes are typed: slog.String and the like", at))
					break
				}
			}
			scope := ast.Node(call)
			if call.Ellipsis.IsValid() { // collected before: take the attributes that the function makes
				scope = decl
			}
			for _, key := range s.attributes(set, file, scope) {
				e.attributes[key] = true
			}
		}
	}
}

func (s *sources) attributes(set *token.FileSet, file *ast.File, scope ast.Node) []string {
	var keys []string
	for node := range ast.Preorder(scope) {
		call, on, name := method(node)
		if on != "slog" || len(call.Args) < 2 {
			continue
		}
		switch name {
		case "String", "Int", "Int64", "Uint64", "Float64", "Bool", "Duration", "Time":
		case "Any", "Group", "GroupAttrs":
			s.logProblems = append(s.logProblems, fmt.Sprintf("%s: slog.%s is not flat", set.Position(call.Pos()), name))
			continue
		default:
			continue
		}
		key, known := s.text(file, call.Args[0])
		if !known || !snakeCase.MatchString(key) {
			s.logProblems = append(s.logProblems, fmt.Sprintf("%s: the key of an attribute is no constant in snake_case", set.Position(call.Pos())))
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

// table is a Markdown table in a document, with the text before and after it.
type table struct {
	before, after string
	rows          map[string][]string // by the first cell
}

const cellBreak = " | "

// readTable reads the table with that header line.
func readTable(t *testing.T, path, header string) table {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read the document: %v", err)
	}
	before, rest, found := strings.Cut(string(content), header+"\n")
	if !found {
		t.Fatalf("%s has no table %q", path, header)
	}
	_, rest, _ = strings.Cut(rest, "\n") // the line of dashes
	result := table{before: before, rows: make(map[string][]string)}
	for rest != "" && strings.HasPrefix(rest, "|") {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), cellBreak)
		if _, twice := result.rows[cells[0]]; twice {
			t.Errorf("%s: %s is listed twice", path, cells[0])
		}
		result.rows[cells[0]] = cells[1:]
	}
	result.after = rest
	return result
}

func (doc table) write(t *testing.T, path, header string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(doc.before + header + "\n|" + strings.Repeat("---|", strings.Count(header, "|")-1) + "\n")
	for _, key := range slices.Sorted(maps.Keys(doc.rows)) {
		b.WriteString("| " + strings.Join(append([]string{key}, doc.rows[key]...), cellBreak) + " |\n")
	}
	if err := os.WriteFile(path, []byte(b.String()+doc.after), 0o644); err != nil { //nolint:gosec // a document for everybody
		t.Fatalf("write the document: %v", err)
	}
}

// code writes names as Markdown code, or a dash where there are none.
func code(names ...string) string {
	if len(names) == 0 || len(names) == 1 && names[0] == "" {
		return "-"
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
