package recording_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/scout-speech/scout/internal/recording"
)

// EndReasons lists every reason that the source declares, and each has a text. Documents, metrics and other tests use that list.
func TestEndReasonsIsComplete(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "condition.go", nil, 0)
	check(t, err)
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "EndReason" {
			return true
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok {
				t.Fatalf("%T is not a literal", value)
			}
			text, err := strconv.Unquote(literal.Value)
			check(t, err)
			declared++
			reason := recording.EndReason(text)
			if !slices.Contains(recording.EndReasons(), reason) || reason.Text() == text && reason != recording.EndStopped {
				t.Errorf("%s is not listed, or has no text", text)
			}
		}
		return true
	})
	if declared != len(recording.EndReasons()) || declared == 0 {
		t.Errorf("%d declared, %d listed", declared, len(recording.EndReasons()))
	}
}
