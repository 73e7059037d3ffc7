package scout_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout"
)

// TestPlainWords: what Go and the system say about files, connections and numbers is not for people.
func TestPlainWords(t *testing.T) {
	t.Parallel()
	absent := filepath.Join(t.TempDir(), "absent")
	_, opened := os.Open(absent)
	_, dialled := (&net.Dialer{}).DialContext(context.Background(), "unix", absent)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a file":                     {fmt.Errorf("read the manifest: %w", opened), "read the manifest: " + absent + ": no such file or folder"},
		"a connection":               {scout.Errorf(scout.CodeSoundServer, "no sound server: %w", dialled), "no sound server: no such file or folder"},
		"an address":                 {&url.Error{Op: "Get", URL: "http://x", Err: syscall.ECONNREFUSED}, "http://x: connection refused"},
		"a full disk":                {&fs.PathError{Op: "write", Path: "x.wav", Err: syscall.ENOSPC}, "x.wav: the disk is full (no space left on device)"},
		"a folder":                   {&fs.PathError{Op: "unlinkat", Path: "x", Err: syscall.ENOTEMPTY}, "x: the folder is not empty"},
		"two causes":                 {errors.Join(opened, context.DeadlineExceeded), absent + ": no such file or folder\nit took too long"},
		"said twice":                 {fmt.Errorf("decode x: %w", errors.New("decode x: it is text")), "decode x: it is text"},
		"an error of ours":           {scout.Errorf(scout.CodeModelNotInstalled, "no model is installed"), "no model is installed"},
		"an interrupted transcriber": {fmt.Errorf("transcribe: %w", context.Canceled), "transcribe: interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := scout.Plain(c.err); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestErrorsLeaveInPlainWords finds code that turns an error into its raw text. Such a text cannot be made plain any
// more: the other process, the file or the screen shows the words of Go. The log is for operators and keeps them.
func TestErrorsLeaveInPlainWords(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "var" || strings.HasPrefix(entry.Name(), ".") && path != "."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || path == "plain.go":
			return nil
		}
		for _, at := range rawTexts(t, path, nil) {
			t.Errorf("%s takes the raw text of an error: use scout.Plain", at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRawTextsAreFound: the search finds what it is for, and lets pass what is right.
func TestRawTextsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body  string
		found bool
	}{
		"a body":          {`send(err.Error())`, true},
		"a field":         {`x.Reason = s.lastErr.Error()`, true},
		"a prefix":        {`s := strings.TrimPrefix(err.Error(), "toml: ")`, true},
		"a flat error":    {`scout.Errorf(code, "it failed: %v", err)`, true},
		"a wrapped error": {`scout.Errorf(code, "it failed: %w", err)`, false},
		"the log":         {`log.Warn("x", slog.String("error", err.Error()))`, false},
		"a comparison":    {`ok := err.Error() == "x" || strings.Contains(err.Error(), "y")`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if found := rawTexts(t, "x.go", "package x\nfunc f() {\n"+c.body+"\n}\n"); len(found) > 0 != c.found {
				t.Errorf("%s: found %v", c.body, found)
			}
		})
	}
}

// rawTexts returns the positions where a file takes the text of an error, apart from log attributes, comparisons,
// methods that are an error's own text, and lines that say why ("raw text:").
func rawTexts(t *testing.T, name string, source any) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[int]bool{}
	for _, group := range file.Comments {
		if strings.Contains(group.Text(), "raw text:") {
			reasons[files.Position(group.End()).Line] = true
		}
	}
	var found []string
	report := func(n ast.Node) {
		if at := files.Position(n.Pos()); !reasons[at.Line] && !reasons[at.Line-1] {
			found = append(found, at.String())
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			return n.Name.Name != "Error" // an error's own text
		case *ast.BinaryExpr:
			return n.Op != token.EQL && n.Op != token.NEQ
		case *ast.CallExpr:
			switch called := nameOfCall(n); {
			case called == "slog.String", called == "strings.Contains", called == "strings.HasPrefix", called == "strings.HasSuffix":
				return false
			case (called == "scout.Errorf" || called == "fmt.Errorf") && flattens(n):
				report(n)
			case strings.HasSuffix(called, ".Error") && len(n.Args) == 0:
				report(n)
			}
		}
		return true
	})
	return found
}

// nameOfCall returns "a.B" of a call a.B() or x.a.B(), and "B" of B().
func nameOfCall(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		switch of := f.X.(type) {
		case *ast.Ident:
			return of.Name + "." + f.Sel.Name
		case *ast.SelectorExpr:
			return of.Sel.Name + "." + f.Sel.Name
		}
		return "." + f.Sel.Name
	}
	return ""
}

// flattens reports whether an Errorf has an argument named like an error and no %w for it.
func flattens(call *ast.CallExpr) bool {
	wrapped, errs := 0, 0
	for _, arg := range call.Args {
		switch a := arg.(type) {
		case *ast.BasicLit:
			wrapped += strings.Count(a.Value, "%w")
		case *ast.Ident:
			if lower := strings.ToLower(a.Name); lower == "err" || strings.HasSuffix(a.Name, "Err") {
				errs++
			}
		}
	}
	return errs > wrapped
}
