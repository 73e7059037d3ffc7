package scout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
)

// runbook is the document that says what to do.
func runbook(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("docs/RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The runbook has an entry for each error code.
func TestTheRunbookHasEachCode(t *testing.T) {
	t.Parallel()
	text := runbook(t)
	for _, code := range scout.Codes() {
		if !strings.Contains(text, "\n| `"+string(code)+"`") && !regexp.MustCompile("(?m)^\\| [^|]*`"+string(code)+"`").MatchString(text) {
			t.Errorf("docs/RUNBOOK.md has no row for the code %s", code)
		}
	}
}

// variable stands for the part of a reason that differs each time.
const variable = "…"

// The table of health in the runbook has each reason that a check gives, and no other. Reasons that are the text of an error are in the
// table of codes.
func TestTheRunbookHasEachReason(t *testing.T) {
	t.Parallel()
	_, section, found := strings.Cut(runbook(t), "\n## Health: the reasons\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("docs/RUNBOOK.md has no section \"Health: the reasons\"")
	}
	listed := map[string]bool{}
	for _, line := range strings.Split(section, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, reason := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
				listed[reason[1]] = true
			}
		}
	}
	given := reasons(t)
	if len(given) < 20 {
		t.Fatalf("only %d reasons were found in the sources: the test no longer reads them", len(given))
	}
	for reason, where := range given {
		if !listed[reason] {
			t.Errorf("docs/RUNBOOK.md does not say what to do about %q (%s)", reason, where)
		}
	}
	for reason := range listed {
		if given[reason] == "" {
			t.Errorf("docs/RUNBOOK.md has %q, which no check says", reason)
		}
	}
}

// reasonMakers are functions outside of checks whose text becomes a reason, by the folder they are in.
var reasonMakers = map[string][]string{"internal/dictate": {"late"}, "internal/realtime": {"late"}, "internal/ladder": {"cause"}}

// reasons are those of all checks that are not Healthy, with variable for what differs, and where they are made.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("internal", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		add := func(e ast.Expr) {
			if reason := pattern(e); strings.Trim(reason, variable+"; :") != "" {
				found[reason] = files.Position(e.Pos()).String()
			}
		}
		makers := reasonMakers[filepath.Dir(path)]
		ofHealth := filepath.Dir(path) == filepath.Join("internal", "health") || slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
			return strings.HasSuffix(i.Path.Value, "/internal/health\"")
		})
		for _, declared := range file.Decls {
			function, is := declared.(*ast.FuncDecl)
			if !is {
				continue
			}
			if slices.Contains(makers, function.Name.Name) {
				returned(function, add)
			}
			if ofHealth {
				assigned(function, add)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// returned passes on what a function returns first.
func returned(function *ast.FuncDecl, add func(ast.Expr)) {
	for node := range ast.Preorder(function) {
		if r, is := node.(*ast.ReturnStmt); is && len(r.Results) > 0 {
			add(r.Results[0])
		}
	}
}

// assigned passes on what becomes the reason of a result: in a literal, by an assignment, by a call of unhealthy.
func assigned(function *ast.FuncDecl, add func(ast.Expr)) {
	for node := range ast.Preorder(function) {
		switch node := node.(type) {
		case *ast.CompositeLit:
			var reason ast.Expr
			healthy := !strings.HasSuffix(name(node.Type), "Result")
			for _, element := range node.Elts {
				pair, is := element.(*ast.KeyValueExpr)
				switch {
				case !is:
				case name(pair.Key) == "Reason":
					reason = pair.Value
				case name(pair.Key) == "Status":
					healthy = healthy || name(pair.Value) == "Healthy"
				}
			}
			if reason != nil && !healthy {
				add(reason)
			}
		case *ast.AssignStmt:
			for i, to := range node.Lhs {
				if n := name(to); (n == "Reason" || n == "reason") && len(node.Rhs) == len(node.Lhs) && node.Tok != token.ADD_ASSIGN {
					add(node.Rhs[i])
				}
			}
		case *ast.CallExpr:
			if name(node.Fun) == "unhealthy" {
				add(node.Args[0])
			}
		}
	}
}

// name is the last name of an expression.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// pattern is a text with variable for what differs.
func pattern(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text
		}
	case *ast.BinaryExpr:
		return pattern(e.X) + pattern(e.Y)
	case *ast.CallExpr:
		if name(e.Fun) == "Sprintf" {
			return verb.ReplaceAllString(pattern(e.Args[0]), variable)
		}
	}
	return variable
}
