package scout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// directWrites are the functions that make, replace or rename a file, by the package that has them.
var directWrites = map[string][]string{
	"os":      {"WriteFile", "Create", "CreateTemp", "OpenFile", "OpenRoot", "Rename", "Link", "Symlink", "Truncate", "CopyFS"},
	"syscall": {"Open", "Openat", "Creat", "Rename", "Renameat", "Link", "Linkat", "Symlink", "Symlinkat", "Truncate"},
	"golang.org/x/sys/unix": {
		"Open", "Openat", "Openat2", "Creat", "Rename", "Renameat", "Renameat2", "Link", "Linkat", "Symlink", "Symlinkat", "Truncate", "MemfdCreate",
	},
	"io/ioutil": {"WriteFile", "TempFile"},
}

// exception is what a comment says where code writes a file without package atomicfile: its name, a colon and the reason.
var exception = regexp.MustCompile(`\batomicfile\b[^:\n]*: *\S`)

// writesOf returns the positions of all direct writes in a file that give no reason, and how many there are with one.
// The reason stands on the line, right before it, or in the comment of the function.
func writesOf(t *testing.T, name string, source any) (unexplained []string, explained int) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	imported := map[string]string{} // name in this file -> path
	for _, i := range file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		local := path[strings.LastIndex(path, "/")+1:]
		if i.Name != nil {
			local = i.Name.Name
		}
		if local == "." && directWrites[path] != nil {
			unexplained = append(unexplained, files.Position(i.Pos()).String())
		}
		imported[local] = path
	}
	reasons := map[int]bool{} // last lines of comments with a reason
	for _, group := range file.Comments {
		if exception.MatchString(group.Text()) {
			reasons[files.Position(group.End()).Line] = true
		}
	}
	for _, declaration := range file.Decls {
		allowed := false
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Doc != nil {
			allowed = reasons[files.Position(function.Doc.End()).Line]
		}
		reading := map[ast.Node]bool{} // os.OpenFile that only reads
		ast.Inspect(declaration, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if len(n.Args) == 3 {
					flag, ok := n.Args[1].(*ast.SelectorExpr)
					reading[n.Fun] = ok && flag.Sel.Name == "O_RDONLY"
				}
			case *ast.SelectorExpr:
				of, ok := n.X.(*ast.Ident)
				if !ok || !slices.Contains(directWrites[imported[of.Name]], n.Sel.Name) || reading[n] {
					return true
				}
				position := files.Position(n.Pos())
				if allowed || reasons[position.Line] || reasons[position.Line-1] {
					explained++
				} else {
					unexplained = append(unexplained, position.String())
				}
			}
			return true
		})
	}
	return unexplained, explained
}

func TestWritesAreSeen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		seen bool
	}{
		"a call":                        {`os.WriteFile("f", nil, 0o600)`, true},
		"a function value":              {`rename := os.Rename; rename("a", "b")`, true},
		"a package by another name":     {`system.Rename("a", "b")`, true},
		"opening for whatever is asked": {`os.OpenFile("f", flag, 0)`, true},
		"opening for reading":           {`os.OpenFile("f", os.O_RDONLY, 0)`, false},
		"reading":                       {`os.ReadFile("f")`, false},
		"a method of that name":         {`disk.OpenFile("f", flag, 0)`, false},
		"a reason before it":            {"// Not by atomicfile: it is a lock.\n os.Create(\"f\")", false},
		"a reason in other words":       {"// Not by atomicfile: it is a lock.\n os.Create(\"f\")", false},
		"another comment":               {"// atomicfile is not used here.\n os.Create(\"f\")", true},
		"a reason beside it":            {"os.Create(\"f\") // Not by atomicfile: it is a lock.", false},
		"a reason that is empty":        {"// Not by atomicfile: \n os.Create(\"f\")", true},
		"a reason for another line":     {"// Not by atomicfile: it is a lock.\n os.Create(\"f\")\nos.Create(\"g\")", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := "package p\nimport (\"os\"; system \"golang.org/x/sys/unix\")\nfunc f() {\n" + c.body + "\n}\n"
			if unexplained, _ := writesOf(t, "p.go", source); (len(unexplained) > 0) != c.seen {
				t.Errorf("found %v in\n%s", unexplained, source)
			}
		})
	}
}

// There is one way to write a file, package atomicfile. Code that writes in another way says why.
func TestFilesAreWrittenByAtomicfile(t *testing.T) {
	t.Parallel()
	but := []string{
		"internal/atomicfile",
		// Linked into tests only.
		"internal/testrun", "internal/recording/recordingtest", "internal/capture/pulsetest", "internal/insert/inserttest", "internal/engine/enginetest", "internal/api/openai/files/filestest", "internal/store/sqlite/sqlitetest",
	}
	explained := 0
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && (entry.Name() == "testdata" || slices.Contains(but, path)):
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			writes, reasons := writesOf(t, path, nil)
			explained += reasons
			for _, at := range writes {
				t.Errorf("%s: the file is not written by atomicfile: use it, or say why not in a comment right before: // Not by atomicfile: ...", at)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if explained == 0 {
		t.Error("no direct write at all: the test does not see the sources")
	}
}
