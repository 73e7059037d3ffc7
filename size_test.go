package scout_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	// mostLines is how long a file may be: a longer one holds two topics.
	mostLines = 500
	// mostParameters is how many parameters a function may have beside its context and the test that calls it. More are a
	// structure without a name.
	mostParameters = 5
)

// parameters counts the parameters of a function, without contexts and tests.
func parameters(function *ast.FuncType) int {
	n := 0
	for _, field := range function.Params.List {
		of := field.Type
		if pointer, isPointer := of.(*ast.StarExpr); isPointer {
			of = pointer.X
		}
		if selector, isSelector := of.(*ast.SelectorExpr); isSelector {
			name := fmt.Sprint(selector.X, ".", selector.Sel)
			if slices.Contains([]string{"context.Context", "testing.T", "testing.B", "testing.TB", "rapid.T"}, name) {
				continue
			}
		}
		n += max(len(field.Names), 1)
	}
	return n
}

// Files and lists of parameters stay short enough to be read at once.
func TestFilesAndParametersAreFew(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, top := range []string{"cmd", "internal", "."} {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && (entry.Name() == "testdata" || top == "." && path != "."):
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(path, ".go"):
				return nil
			}
			seen++
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if lines := files.File(file.Pos()).LineCount(); lines > mostLines {
				t.Errorf("%s has %d lines, more than %d: look for the second topic in it", path, lines, mostLines)
			}
			for node := range ast.Preorder(file) {
				var function *ast.FuncType // not those of C functions, which are fields
				switch node := node.(type) {
				case *ast.FuncDecl:
					function = node.Type
				case *ast.FuncLit:
					function = node.Type
				default:
					continue
				}
				if parameters(function) > mostParameters {
					t.Errorf("%s: %d parameters, more than %d: give them a type", files.Position(function.Pos()), parameters(function), mostParameters)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 100 {
		t.Errorf("only %d files: the test does not see the sources", seen)
	}
}
