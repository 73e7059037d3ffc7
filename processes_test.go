package scout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { os.Exit(testrun.Contain(m).Run()) }

// testMain returns the function TestMain of a file, nil if it has none.
func testMain(file *ast.File) *ast.FuncDecl {
	for _, declared := range file.Decls {
		if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "TestMain" {
			return f
		}
	}
	return nil
}

// runsTests reports whether a TestMain calls what runs the tests.
func runsTests(main *ast.FuncDecl) bool {
	runs := false
	ast.Inspect(main.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.SelectorExpr); ok {
			switch call.Sel.Name {
			case "Run", "VerifyTestMain", "Main":
				runs = true
			}
		}
		return true
	})
	return runs
}

// A package whose tests start processes has a suite that ends them, however the tests end, and fails if one is left.
func TestNoTestLeavesProcesses(t *testing.T) {
	t.Parallel()
	starts, contained := map[string]string{}, map[string]bool{} // by folder; why
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		folder := filepath.Dir(path)
		if main := testMain(file); main != nil && !runsTests(main) {
			t.Errorf("TestMain in %s runs no test: go test would say ok", path)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, ok := call.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch from.Name + "." + call.Sel.Name {
			case "exec.Command", "exec.CommandContext", "os.StartProcess", "pulsetest.Start", "testrun.AsNobody", "testrun.Install", "remote.Attach":
				starts[folder] = path
			case "testrun.Contain", "enginetest.Main", "enginetest.Prepare":
				contained[folder] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(starts) < 10 {
		t.Errorf("only %d packages start processes: this test no longer sees them", len(starts))
	}
	for folder, path := range starts {
		if !contained[folder] {
			t.Errorf("%s starts processes: TestMain of %s has to call testrun.Contain", path, folder)
		}
	}
}
