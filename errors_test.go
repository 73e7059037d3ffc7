package scout_test

import (
	"context"
	"errors"
	"fmt"
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
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
)

// declaredCodes reads the constants of type Code from codes.go: name to value.
func declaredCodes(t *testing.T) map[string]scout.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatalf("parse codes.go: %v", err)
	}
	codes := make(map[string]scout.Code)
	for _, decl := range file.Decls {
		group, isGroup := decl.(*ast.GenDecl)
		if !isGroup || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value, isValue := spec.(*ast.ValueSpec)
			if !isValue {
				continue
			}
			if kind, isIdent := value.Type.(*ast.Ident); !isIdent || kind.Name != "Code" {
				continue
			}
			literal, isLiteral := value.Values[0].(*ast.BasicLit)
			if !isLiteral {
				t.Fatalf("%s is not a literal", value.Names[0].Name)
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatalf("%s: %v", value.Names[0].Name, err)
			}
			if !strings.HasPrefix(value.Doc.Text(), value.Names[0].Name+" is ") {
				t.Errorf("%s has no comment that explains it", value.Names[0].Name)
			}
			codes[value.Names[0].Name] = scout.Code(text)
		}
	}
	return codes
}

func TestEveryCodeIsInTheTable(t *testing.T) {
	t.Parallel()
	declared := declaredCodes(t)
	if len(declared) < 30 {
		t.Fatalf("found %d constants in codes.go: the test no longer reads it", len(declared))
	}
	known := scout.Codes()
	if len(known) != len(declared) {
		t.Errorf("%d codes in the table, %d constants", len(known), len(declared))
	}
	spelling := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := make(map[scout.Code]string)
	for name, code := range declared {
		if !slices.Contains(known, code) {
			t.Errorf("%s (%s) is not in the table", name, code)
		}
		if other, twice := seen[code]; twice {
			t.Errorf("%s and %s are both %q", name, other, code)
		}
		seen[code] = name
		if !spelling.MatchString(string(code)) {
			t.Errorf("%s: %q is not snake_case", name, code)
		}
		info := code.Info()
		if info.Class == scout.Permanent && info.Hint == "" && code != scout.CodeEngineFailed {
			t.Errorf("%s is permanent and has no hint", name)
		}
		if strings.HasSuffix(info.Hint, ".") || strings.Contains(info.Hint, "\n") {
			t.Errorf("%s: the hint %q is not one line without a full stop", name, info.Hint)
		}
	}
	if got := scout.Code("never_heard_of").Info(); got != (scout.CodeInfo{}) {
		t.Errorf("an unknown code has the info %+v, want permanent without a hint", got)
	}
}

func TestClassString(t *testing.T) {
	t.Parallel()
	for class, want := range map[scout.Class]string{
		scout.Permanent: "permanent", scout.Transient: "transient", scout.Cancelled: "cancelled", scout.Class(9): "unknown",
	} {
		if got := class.String(); got != want {
			t.Errorf("Class(%d) is %q, want %q", int(class), got, want)
		}
	}
}

func TestErrorCarriesTextCodeHintAndCause(t *testing.T) {
	t.Parallel()
	err := scout.Errorf(scout.CodeModelNotInstalled, "load model %s: %w", "tiny", fs.ErrNotExist)
	if got, want := err.Error(), "load model tiny: file does not exist"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if got := err.Code(); got != scout.CodeModelNotInstalled {
		t.Errorf("code %s", got)
	}
	if got, want := err.Hint(), scout.CodeModelNotInstalled.Info().Hint; got != want {
		t.Errorf("hint %q, want that of the code, %q", got, want)
	}
	hinted := scout.Errorf(scout.CodeModelNotInstalled, "load model").WithHint("scout models pull %s", "tiny")
	if got, want := hinted.Hint(), "scout models pull tiny"; got != want {
		t.Errorf("hint %q, want %q", got, want)
	}
}

func TestCodeClassAndHintOfAnyError(t *testing.T) {
	t.Parallel()
	_, errAbsent := os.Open(filepath.Join(t.TempDir(), "absent.wav"))
	_, errDirectory := os.ReadFile(t.TempDir())
	coded := scout.Errorf(scout.CodeEngineCrashed, "engine ended")
	tests := map[string]struct {
		err       error
		wantCode  scout.Code
		wantClass scout.Class
	}{
		"nil":                                 {nil, "", scout.Permanent},
		"without any code":                    {errors.New("odd"), scout.CodeInternal, scout.Permanent},
		"coded":                               {coded, scout.CodeEngineCrashed, scout.Transient},
		"coded and wrapped":                   {fmt.Errorf("piece 3: %w", coded), scout.CodeEngineCrashed, scout.Transient},
		"the outermost code wins":             {scout.Errorf(scout.CodeAudioSetAside, "twice: %w", coded), scout.CodeAudioSetAside, scout.Permanent},
		"joined":                              {errors.Join(errors.New("close"), coded), scout.CodeEngineCrashed, scout.Transient},
		"a code wins over its cause":          {scout.Errorf(scout.CodeEngineTimeout, "piece: %w", context.DeadlineExceeded), scout.CodeEngineTimeout, scout.Transient},
		"cancelled":                           {fmt.Errorf("read: %w", context.Canceled), scout.CodeCancelled, scout.Cancelled},
		"deadline":                            {fmt.Errorf("read: %w", context.DeadlineExceeded), scout.CodeDeadlineExceeded, scout.Transient},
		"a file that is not there":            {errAbsent, scout.CodeFileNotFound, scout.Permanent},
		"a file used as a folder":             {syscall.ENOTDIR, scout.CodeFileNotFound, scout.Permanent},
		"a directory read as a file":          {errDirectory, scout.CodeFileIsDirectory, scout.Permanent},
		"no permission":                       {&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, scout.CodeFilePermission, scout.Permanent},
		"a device mounted read-only":          {syscall.EROFS, scout.CodeFilePermission, scout.Permanent},
		"a full device":                       {&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, scout.CodeDiskFull, scout.Transient},
		"a quota":                             {syscall.EDQUOT, scout.CodeDiskFull, scout.Transient},
		"a file system error of another kind": {syscall.EIO, scout.CodeInternal, scout.Permanent},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := scout.CodeOf(test.err); got != test.wantCode {
				t.Errorf("code %q, want %q", got, test.wantCode)
			}
			if got := scout.ClassOf(test.err); got != test.wantClass {
				t.Errorf("class %s, want %s", got, test.wantClass)
			}
			want := test.wantCode.Info().Hint
			if errors.Is(test.err, syscall.EROFS) {
				want = "choose another folder, or mount the disk for writing" // no owner and mode helps
			}
			if got := scout.HintOf(test.err); got != want {
				t.Errorf("hint %q, want %q", got, want)
			}
		})
	}
	if got, want := scout.HintOf(fmt.Errorf("wrapped: %w", scout.Errorf(scout.CodeEngineCrashed, "ended").WithHint("wait"))), "wait"; got != want {
		t.Errorf("hint %q, want the error's own %q", got, want)
	}
}

func TestFileError(t *testing.T) {
	t.Parallel()
	coded := scout.Errorf(scout.CodeAudioCorrupt, "odd header")
	tests := map[string]struct {
		err      error
		wantCode scout.Code
	}{
		"an error with a code keeps it":    {coded, scout.CodeAudioCorrupt},
		"cancelled stays cancelled":        {context.Canceled, scout.CodeCancelled},
		"a deadline stays one":             {context.DeadlineExceeded, scout.CodeDeadlineExceeded},
		"what the system says":             {syscall.ENOSPC, scout.CodeDiskFull},
		"anything else takes the fallback": {syscall.EIO, scout.CodeReadFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := scout.FileError(scout.CodeReadFailed, "read a.wav", test.err)
			if scout.CodeOf(got) != test.wantCode || !errors.Is(got, test.err) {
				t.Errorf("%v with code %s, want code %s", got, scout.CodeOf(got), test.wantCode)
			}
			if want := "read a.wav: " + test.err.Error(); got.Error() != want {
				t.Errorf("text %q, want %q", got.Error(), want)
			}
		})
	}
	if got := scout.FileError(scout.CodeReadFailed, "read a.wav", nil); got != nil {
		t.Errorf("no error became %v", got)
	}
}

// However an error is wrapped, joined and given a code, its cause is found and the code is the
// outermost one.
func TestErrorChains(t *testing.T) {
	t.Parallel()
	known := scout.Codes()
	slices.Sort(known)
	rapid.Check(t, func(t *rapid.T) {
		root := errors.New("root")
		err, coded, want := root, false, scout.CodeInternal
		for _, kind := range rapid.SliceOfN(rapid.IntRange(0, 3), 0, 12).Draw(t, "layers") {
			switch kind {
			case 0:
				err = fmt.Errorf("doing: %w", err)
			case 1:
				coded, want = true, rapid.SampledFrom(known).Draw(t, "code")
				err = scout.Errorf(want, "%w", err)
			case 2:
				err = errors.Join(errors.New("and closing"), err)
			case 3:
				if !coded {
					coded, want = true, scout.CodeWriteFailed
				}
				err = scout.FileError(scout.CodeWriteFailed, "write", err)
			}
		}
		if got := scout.CodeOf(err); got != want {
			t.Fatalf("code %s, want %s in %v", got, want, err)
		}
		if !errors.Is(err, root) {
			t.Fatalf("the cause is lost in %v", err)
		}
	})
}

func TestTranscriptText(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		segments []scout.Segment
		want     string
	}{
		"nothing was said": {nil, ""},
		"one segment":      {[]scout.Segment{{Text: "Hello."}}, "Hello."},
		"several": {[]scout.Segment{
			{Text: "Hello.", End: time.Second}, {Text: "Über", Start: time.Second}, {Text: "all."},
		}, "Hello. Über all."},
		"a script without spaces": {[]scout.Segment{{Text: "今日は。"}, {Text: "明日も"}}, "今日は。明日も"},
		"two kinds of scripts":    {[]scout.Segment{{Text: "今日は"}, {Text: "Scout"}, {Text: "です。"}}, "今日は Scout です。"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transcript := scout.Transcript{Segments: test.segments}
			if got := transcript.Text(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// A hint for one caller of a shared error is not that of another, and the error is still recognised.
func TestAHintOfASharedError(t *testing.T) {
	t.Parallel()
	shared := scout.Errorf(scout.CodeCancelled, "it was cancelled")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			hint := fmt.Sprintf("see %d", i)
			err := shared.WithHint("see %d", i)
			if scout.HintOf(err) != hint || !errors.Is(err, shared) || err.Error() != shared.Error() || scout.CodeOf(err) != scout.CodeCancelled {
				t.Errorf("%v, hint %q", err, scout.HintOf(err))
			}
		})
	}
	all.Wait()
	if got := shared.Hint(); got != scout.CodeCancelled.Info().Hint {
		t.Errorf("the shared error has the hint %q", got)
	}
}
